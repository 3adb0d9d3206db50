"""A small SMTP server (RFC 5321) that keeps what it is sent, on a port of the kernel's choosing."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from typing import NamedTuple

#: The replies that need no state.
REPLIES = {
    b"HELO": b"250 sink\r\n",
    b"EHLO": b"250 sink\r\n",
    b"NOOP": b"250 OK\r\n",
    b"RSET": b"250 OK\r\n",
    b"QUIT": b"221 Bye\r\n",
}


class Mail(NamedTuple):
    """One message: the envelope's addresses and the text, lines ended by LF."""

    sender: str
    recipients: list[str]
    text: str


class Sink(socketserver.ThreadingTCPServer):
    """The server: ``mails`` holds what came, in order."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.mails: list[Mail] = []

    @property
    def address(self) -> str:
        """Its host and port, as ``smtplib.SMTP`` takes them."""
        return f"127.0.0.1:{self.server_address[1]}"


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    server: Sink

    def handle(self) -> None:
        """Speak SMTP until the client leaves."""
        sender, recipients = "", list[str]()
        self.wfile.write(b"220 sink ESMTP\r\n")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"MAIL":
                sender, recipients = path_of(line), []
                self.wfile.write(b"250 OK\r\n")
            elif verb == b"RCPT":
                recipients.append(path_of(line))
                self.wfile.write(b"250 OK\r\n")
            elif verb == b"DATA":
                self.wfile.write(b"354 Go on\r\n")
                self.server.mails.append(Mail(sender, recipients, self.text()))
                self.wfile.write(b"250 OK\r\n")
            else:
                self.wfile.write(REPLIES.get(verb, b"502 Not here\r\n"))
            if verb == b"QUIT":
                return

    def text(self) -> str:
        """A message up to its lone dot, with dot-stuffing undone (RFC 5321 4.5.2)."""
        lines = []
        while (line := self.rfile.readline().rstrip(b"\r\n")) != b".":
            lines.append(line.removeprefix(b".") if line.startswith(b".") else line)
        return b"\n".join(lines).decode()


def path_of(line: bytes) -> str:
    """The address between the angle brackets of MAIL FROM or RCPT TO."""
    return line[line.index(b"<") + 1 : line.rindex(b">")].decode()


@contextlib.contextmanager
def sink() -> Iterator[Sink]:
    """A running mail server."""
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
