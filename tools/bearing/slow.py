"""Clients that are slow in something, and others beside them that are not."""

from __future__ import annotations

import contextlib
import socket
import ssl
import statistics
import struct
import threading
import time
from typing import NamedTuple

from benching.measure import trusting

HOST = b"Host: localhost\r\n"
#: A close resets the connection, so that the server is rid of it at once.
RESET = struct.pack("ii", 1, 0)
#: The window of clients that read slowly, in bytes.
WINDOW = 4096


class Sort(NamedTuple):
    """A sort of slow clients: what one sends first, what it sends and how much it reads each second.

    ``settle``: how long they are left alone with the server before others come, in seconds.
    """

    name: str
    first: bytes
    drip: bytes = b""
    reads: int = 0
    tls: bool = False
    settle: float = 0.5


def _body(framing: bytes, sent: bytes) -> bytes:
    return b"POST /app HTTP/1.1\r\n" + HOST + framing + b"\r\n\r\n" + sent


SORTS = (
    Sort("head", b"GET /app HTTP/1.1\r\n" + HOST, b"X-Word: a\r\n"),
    Sort("body of 1,000 bytes", _body(b"Content-Length: 1000", b"x"), b"x"),
    Sort("body of 100,000 bytes", _body(b"Content-Length: 100000", b"x"), b"x"),
    Sort("chunked body", _body(b"Transfer-Encoding: chunked", b"1\r\nx\r\n"), b"1\r\nx\r\n"),
    Sort("body after Expect", _body(b"Expect: 100-continue\r\nContent-Length: 100000", b""), b"x"),
    # (a server that takes in 1.2 GB for them needs its time for that: it is a load like any other)
    Sort("reading a file", b"GET /static/6m.bin HTTP/1.1\r\n" + HOST + b"\r\n", reads=1000, settle=3),
    Sort("reading an answer", b"GET /app/big HTTP/1.1\r\n" + HOST + b"\r\n", reads=1000, settle=3),
    # The beginning of a ClientHello, and its rest byte by byte.
    Sort("TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0", tls=True),
)


class Outcome(NamedTuple):
    """What usual clients saw beside slow ones: ms; ``gone``: so many slow ones had been sent away at the end.

    ``recovered``: the server answered again when the slow ones had left.
    """

    p50: float
    p99: float
    done: int
    failed: int
    gone: int
    recovered: bool = True

    def cell(self, slow: int) -> str:
        """In a table."""
        total = self.done + self.failed
        if not self.done:
            text = f"**none of {total} served**"
        else:
            text = f"{self.p50:.0f} / {self.p99:.0f}"
            if self.failed:
                text = f"**{text}, {self.failed} of {total} failed**"
            elif self.p99 >= 100:
                text = f"**{text}**"
        text += f" ({self.gone} of {slow} sent away)" if self.gone else ""
        return text if self.recovered else f"{text}, **nor when they had left**"


class Crowd(threading.Thread):
    """Slow clients of one sort, until they are told to leave."""

    def __init__(self, port: int, sort: Sort, count: int) -> None:
        super().__init__()
        self.port, self.sort, self.count = port, sort, count
        self.here, self.leave = threading.Event(), threading.Event()
        self.connections: list[socket.socket] = []
        self.gone = 0

    def run(self) -> None:
        """Come, be slow, leave."""
        try:
            for _ in range(self.count):
                self._come()
            self.here.set()
            while not self.leave.wait(1):
                for sock in list(self.connections):
                    self._go_on(sock)
        finally:
            self.here.set()
            for sock in self.connections:
                sock.close()

    def _come(self) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        if self.sort.reads:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        sock.settimeout(1)
        try:
            sock.connect(("127.0.0.1", self.port))
            sock.sendall(self.sort.first)
        except OSError:
            self.gone += 1
            sock.close()
            return
        sock.setblocking(False)
        self.connections.append(sock)

    def _go_on(self, sock: socket.socket) -> None:
        """Send or read a little; what is answered other than by 100 ends it."""
        try:
            if self.sort.drip:
                sock.send(self.sort.drip)
            got = sock.recv(self.sort.reads or 4096)
            ended = not got or (not self.sort.reads and not got.startswith(b"HTTP/1.1 100 "))
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            self.gone += 1
            self.connections.remove(sock)
            sock.close()


class Usual(threading.Thread):
    """A client as most are: a request each so many seconds, on a connection of its own."""

    def __init__(self, port: int, tls: bool, until: float, patience: float, pause: float) -> None:
        super().__init__()
        self.port, self.until, self.patience, self.pause = port, until, patience, pause
        self.context = trusting() if tls else None
        self.times: list[float] = []
        self.failed = 0

    def run(self) -> None:
        """One request after the other."""
        begun = 0.0
        while not begun or time.monotonic() < self.until:
            begun = time.monotonic()
            if ask(self.port, self.context, self.patience):
                self.times.append((time.monotonic() - begun) * 1000)
            else:
                self.failed += 1
            time.sleep(max(0, begun + self.pause - time.monotonic()))


def ask(port: int, context: ssl.SSLContext | None, patience: float) -> bool:
    """One request. :returns: whether it had its whole answer within so many seconds."""
    deadline = time.monotonic() + patience
    with contextlib.ExitStack() as stack:
        try:
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), patience))
            if context is not None:
                sock = stack.enter_context(context.wrap_socket(sock))
            sock.sendall(b"GET /app HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")
            answer = b""
            while not answer.endswith(b"0 bytes\n"):
                sock.settimeout(max(0.001, deadline - time.monotonic()))
                got = sock.recv(65536)
                if not got:
                    return False
                answer += got
        except OSError:
            return False
    return answer.startswith(b"HTTP/1.1 200 ")


def measure(port: int, sort: Sort, slow: int, seconds: float, patience: float = 2) -> Outcome:
    """Let usual clients ask for so many seconds, beside so many slow ones of a sort (none: alone)."""
    crowd = Crowd(port, sort, slow)
    crowd.start()
    try:
        crowd.here.wait()
        time.sleep(sort.settle)
        usual = [Usual(port, sort.tls, time.monotonic() + seconds, patience, 0.05) for _ in range(4)]
        for client in usual:
            client.start()
        for client in usual:
            client.join()
        gone = crowd.gone
    finally:
        crowd.leave.set()
        crowd.join()
    times = sorted(one for client in usual for one in client.times)
    failed = sum(client.failed for client in usual)
    if not times:
        return Outcome(0, 0, 0, failed, gone)
    last = times[min(len(times) - 1, len(times) * 99 // 100)]
    return Outcome(statistics.median(times), last, len(times), failed, gone)
