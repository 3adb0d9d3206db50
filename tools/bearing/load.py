"""Clients that ask without a pause while something happens to a server, and what became of their requests."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator

GET = b"GET /app/slow HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSING = b"GET /app/slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
GOOD = b"\r\n\r\n0 bytes\n"
#: Seconds that a client waits for an answer.
PATIENCE = 10.0
#: How many answers each client has before something happens, so that all workers have loaded the application, and
#: how long that may take, in seconds.
FIRST, WARM_UP = 5, 30.0
#: What a request comes to.
DONE, FAILED, REFUSED, AGAIN = "done", "failed", "refused", "asked again"


#: How failures are called.
NAMES = {ConnectionResetError: "without answer", BrokenPipeError: "without answer", TimeoutError: "timed out"}


class _Ended(Exception):
    """A connection that was kept ended before a byte of the answer: a client asks again on a new one."""


class Client(threading.Thread):
    """One client: half of them keep their connections as long as these last, half ask on a new one each time."""

    def __init__(self, port: int, keeps: bool, over: threading.Event) -> None:
        super().__init__()
        self.port, self.keeps, self.over = port, keeps, over
        self.counts: Counter[str] = Counter()
        self.samples: Counter[str] = Counter()
        self.sock: socket.socket | None = None

    def run(self) -> None:
        """One request after the other."""
        while not self.over.is_set():
            outcome = self._request()
            self.counts[outcome] += 1  # (of whichever count there is now)
            if outcome == REFUSED:
                time.sleep(0.02)
        self._close()

    def _request(self) -> str:
        try:
            return self._ask(kept=self.sock is not None)
        except _Ended:
            self._close()
            self.counts[AGAIN] += 1
        return self._ask(kept=False)

    def _ask(self, kept: bool) -> str:
        """One request on one connection. :raises _Ended: that was kept, and had ended."""
        if self.sock is None:
            try:
                self.sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
            except OSError:
                return REFUSED
        answer = b""
        try:
            self.sock.sendall(GET if self.keeps else CLOSING)
            while not answer.endswith(GOOD):
                got = self.sock.recv(65536)
                if not got:
                    raise ConnectionResetError
                answer += got
        except OSError as error:
            if kept and not answer and not isinstance(error, TimeoutError):
                raise _Ended from None
            self.samples["cut" if answer else NAMES.get(type(error), type(error).__name__)] += 1
            self._close()
            return FAILED
        good = answer.startswith(b"HTTP/1.1 200 ")
        if not good:
            self.samples[answer[9:12].decode("latin-1")] += 1
        if not self.keeps or not good or b"\r\nconnection: close" in answer.lower():
            self._close()
        return DONE if good else FAILED

    def _close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None


class Load:
    """Eight clients."""

    def __init__(self, port: int, clients: int = 8) -> None:
        self.over = threading.Event()
        self.clients = [Client(port, number % 2 == 0, self.over) for number in range(clients)]

    def count(self, outcome: str) -> int:
        """How many requests came to this."""
        return sum(client.counts[outcome] for client in self.clients)

    def text(self) -> str:
        """What became of all, in words."""
        failed, total = self.count(FAILED), self.count(DONE) + self.count(FAILED)
        seen = sum((client.samples for client in self.clients), Counter[str]())
        why = ", ".join(f"{count} {name}" for name, count in seen.most_common(3))
        return f"{failed} of {total:,} failed" + (f" ({why})" if why else "")

    def warm_up(self) -> None:
        """Wait until every client has had some answers, and forget what was until then."""
        deadline = time.monotonic() + WARM_UP
        while min(client.counts[DONE] for client in self.clients) < FIRST and time.monotonic() < deadline:
            time.sleep(0.02)
        for client in self.clients:
            client.counts = Counter()
            client.samples = Counter()


@contextlib.contextmanager
def load(port: int) -> Iterator[Load]:
    """Clients at work while the block lasts, from when they all have had answers."""
    made = Load(port)
    for client in made.clients:
        client.start()
    try:
        made.warm_up()
        yield made
    finally:
        made.over.set()
        for client in made.clients:
            client.join()
