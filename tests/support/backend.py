"""A server behind the one that is tested: says what a test wants, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from support.waiting import PATIENCE


class Asked(NamedTuple):
    """A request as it came: ``connection`` counts the connections from 1."""

    line: str
    fields: list[tuple[str, str]]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        """The target."""
        return self.line.split(" ")[1]

    def field(self, name: str) -> str | None:
        """The first field of a name; None without one."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)

    def told(self) -> bytes:
        """All of it, as an answer."""
        text = json.dumps({"line": self.line, "fields": self.fields, "body": self.body.decode("latin-1")}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        return head % len(text) + text


class Talk:
    """One connection, for tests that say all of it themselves."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock, self.number = sock, number
        self._file = sock.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send all."""
        self.sock.sendall(data)

    def read(self, size: int) -> bytes:
        """So many bytes."""
        return self._file.read(size)

    def some(self) -> bytes:
        """What comes next, at most 65536 bytes."""
        return self._file.read1(65536)

    def head(self) -> tuple[str, list[tuple[str, str]]] | None:
        """The next head; None at the end."""
        line = self._file.readline()
        if not line:
            return None
        fields: list[tuple[str, str]] = []
        while (its := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = its.decode("latin-1").partition(":")
            fields.append((name, value.strip()))
        return line.decode("latin-1").rstrip("\r\n"), fields

    def request(self) -> Asked | None:
        """The next request with its body; None at the end."""
        found = self.head()
        if found is None:
            return None
        line, fields = found
        asked = Asked(line, fields, b"", self.number)
        body = b""
        if (asked.field("transfer-encoding") or "") == "chunked":
            while size := int(self._file.readline().split(b";")[0], 16):
                body += self._file.read(size)
                self._file.readline()
            self._file.readline()
        elif length := asked.field("content-length"):
            body = self._file.read(int(length))
        return asked._replace(body=body)


#: Answers a request: with bytes, or by the connection (then None: that goes on; an empty answer ends it).
Answer = Callable[[Asked, Talk], "bytes | None"]


class Backend:
    """The server; ``serve`` has each connection, by default request after request by ``answer``."""

    def __init__(
        self, answer: Answer | None = None, serve: Callable[[Talk], None] | None = None,
        path: Path | None = None, tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        self.answer: Answer = answer or (lambda asked, _talk: asked.told())
        self.serve = serve or self._serve
        self.asked: list[Asked] = []
        self.connections = 0
        self._tls = tls
        self._open: list[socket.socket] = []
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.port = int(self._listener.getsockname()[1])
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen(64)
            self.port = 0
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._talk, args=(sock, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _talk(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(PATIENCE)
        with contextlib.suppress(OSError, ValueError):
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            with sock:
                self.serve(Talk(sock, number))

    def _serve(self, talk: Talk) -> None:
        while (asked := talk.request()) is not None:
            self.asked.append(asked)
            answer = self.answer(asked, talk)
            if answer == b"":
                return
            if answer is not None:
                talk.send(answer)

    def close(self) -> None:
        """End it, with all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE)
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(PATIENCE)


@contextlib.contextmanager
def backend(
    answer: Answer | None = None, serve: Callable[[Talk], None] | None = None, path: Path | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Backend]:  # fmt: skip
    """A server for as long as a test needs it."""
    made = Backend(answer, serve, path, tls)
    try:
        yield made
    finally:
        made.close()
