"""The server behind a proxy that is measured: it answers /N with N bytes, and anything else with a greeting.

A body is read to its end first; its length stands in the answer's field ``Taken``.
Usage: python origin.py PORT
"""

from __future__ import annotations

import re
import socket
import sys
import threading

GREETING = b"Hello World!"
PIECE = bytes(1 << 20)
LINE = re.compile(rb"\A[A-Z]+ /(\d*)\S* HTTP/1\.1\r\n")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)


class Left(Exception):
    """The other side is gone."""


class Talk:
    """One connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.here = sock, b""

    def more(self) -> None:
        """Wait for more bytes. :raises Left: there are none."""
        got = self.sock.recv(1 << 20)
        if not got:
            raise Left
        self.here += got

    def until(self, end: bytes) -> bytes:
        """All that comes up to an end, with it."""
        while end not in self.here:
            self.more()
        found, _, self.here = self.here.partition(end)
        return found + end

    def skip(self, length: int) -> None:
        """Read so many bytes, and forget them."""
        while length > len(self.here):
            length -= len(self.here)
            self.here = b""
            self.more()
        self.here = self.here[length:]

    def body(self, head: bytes) -> int:
        """Read a request's body to its end. :returns: its length."""
        length = LENGTH.search(head)
        if length is not None:
            self.skip(int(length[1]))
            return int(length[1])
        taken = 0
        if CHUNKED.search(head) is not None:
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                self.skip(size + 2)
                taken += size
            self.until(b"\r\n")
        return taken

    def serve(self) -> None:
        """One answer after the other, until the client leaves."""
        with self.sock:
            try:
                while True:
                    head = self.until(b"\r\n\r\n")
                    line = LINE.match(head)
                    if line is None:
                        return
                    taken = self.body(head)
                    size = int(line[1]) if line[1] else len(GREETING)
                    fields = (
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nTaken: %d\r\n\r\n"
                        % (size, taken)
                    )
                    if not line[1]:
                        self.sock.sendall(fields + GREETING)
                        continue
                    self.sock.sendall(fields)
                    for begin in range(0, size, len(PIECE)):
                        self.sock.sendall(memoryview(PIECE)[: size - begin])
            except (Left, OSError):
                return


def serve(port: int) -> None:
    """A thread for each connection, for ever."""
    with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
        while True:
            sock, _address = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Talk(sock).serve, daemon=True).start()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
