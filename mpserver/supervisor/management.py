"""ManagementListen: the master answers for the server by itself, so that it speaks when every worker is stuck.

It speaks as much of HTTP/1.1 as that takes: GET and HEAD, one request on a connection, no bodies. Nothing waits for a
client: each has `PATIENCE` seconds, and there are `CLIENTS` at most, of which the one that is there longest goes where
another comes. At an address of this machine alone, a request has to name it by such an address, or by localhost: see
`mpserver.http1.target.is_plain`.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Collection, Mapping

from mpserver import lazyre
from mpserver.errors import StartError
from mpserver.http1.dates import http_date
from mpserver.http1.fields import TCHAR
from mpserver.http1.response import status_line
from mpserver.http1.target import is_plain
from mpserver.modules import networks
from mpserver.supervisor.watched import Watched
from mpserver.system.socket_files import Place, listen_at, place_of, remove
from mpserver.typing import NamedTuple

#: How many clients are served at a time; where one more comes, the one that is there longest has to go.
CLIENTS = 32
#: How long a client has for its request and the answer, in seconds.
PATIENCE = 10.0
#: The longest head of a request, in bytes.
HEAD = 8192

_TCHAR = TCHAR.encode()
_LINE = lazyre.compile(rb"([" + _TCHAR + rb"]+) ([\x21-\x7e]+) HTTP/1\.([01])\r\n", re.ASCII)
_FIELD = lazyre.compile(rb"([" + _TCHAR + rb"]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*\r\n", re.ASCII)


class Answer(NamedTuple):
    """What a client gets."""

    status: int
    text: bytes
    kind: str = "text/plain; charset=utf-8"


#: Answers a request for a path; gets what the client accepts.
Respond = Callable[[str], Answer]


class Client:
    """A connection, from its first byte to its end."""

    __slots__ = ("_answer", "_over", "_read", "_sock", "_unsent", "_watched", "deadline")

    def __init__(
        self, sock: socket.socket, watched: Watched, answer: Callable[[bytes], bytes], over: Callable[[Client], None]
    ) -> None:
        """``answer`` is called once, with a head; ``over`` at the end."""
        self._sock, self._watched, self._answer, self._over = sock, watched, answer, over
        self._read, self._unsent = b"", b""
        #: ``time.monotonic()`` when it is closed, however far it has come.
        self.deadline = time.monotonic() + PATIENCE
        sock.setblocking(False)
        watched.add(sock, self._on_ready)

    def _on_ready(self) -> None:
        if self._unsent:
            self._send()
            return
        try:
            data = self._sock.recv(HEAD)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._read += data
        if not data:
            self.close()
        elif b"\r\n\r\n" in self._read or len(self._read) > HEAD:
            self._unsent = self._answer(self._read)
            self._send()

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = b""
        if self._unsent:
            self._watched.add(self._sock, self._on_ready, writing=True)
            return
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it is gone
        self.close()

    def close(self) -> None:
        """End it."""
        if self._sock.fileno() >= 0:
            self._watched.remove(self._sock)
            self._sock.close()
            self._over(self)


class Management:
    """The listener and its clients."""

    __slots__ = ("_clients", "_is_local", "_listener", "_open", "_pages", "_place", "_target", "_watched")

    def __init__(self, pages: Mapping[str, Respond], watched: Watched, open_to_all: Collection[str] = ()) -> None:
        """``pages`` by their paths; those that are ``open_to_all`` tell nothing that strangers must not know."""
        self._pages, self._watched, self._open = pages, watched, open_to_all
        #: Those who came first stand first.
        self._clients: dict[Client, None] = {}
        #: Whether only this machine reaches the listener, by TCP: so do the browsers on it.
        self._is_local = False
        self._listener: socket.socket | None = None
        self._target = ""
        #: Its file, if it is one of ours.
        self._place: Place | None = None

    def open(self, target: str) -> None:
        """Listen at ``unix:PATH`` or ADDRESS:PORT, and nowhere else; "": nowhere.

        :raises StartError: it can't be done; what was there before stays.
        """
        if target == self._target:
            return
        try:
            listener, place = _listen(target) if target else (None, None)
        except OSError as error:
            raise StartError(
                f"({error.errno}){error.strerror}: ManagementListen could not bind to {target}: is it in use?"
            ) from error
        self.close()
        self._target, self._listener, self._place = target, listener, place
        self._is_local = listener is not None and _is_loopback(listener)
        if listener is not None:
            self._watched.add(listener, self._accept)

    @property
    def shared(self) -> tuple[str, int] | None:
        """Where it listens, and the listener's descriptor; None: nowhere."""
        return None if self._listener is None else (self._target, self._listener.fileno())

    def adopt(self, target: str, listener: socket.socket) -> None:
        """Listen at a socket that another server had, beside which it goes on."""
        listener.setblocking(False)
        self._target, self._listener, self._is_local = target, listener, _is_loopback(listener)
        self._watched.add(listener, self._accept)
        if target.startswith("unix:"):
            self._place = place_of(target[5:])

    def leave(self) -> None:
        """Listen no more, for another server does, at the same place."""
        self._place = None
        self.close()

    def close(self) -> None:
        """Listen no more; who is being served goes on."""
        if self._listener is not None:
            self._watched.remove(self._listener)
            self._listener.close()
            self._listener = None
            remove(self._target[5:], self._place)
        self._target = ""

    def end(self) -> None:
        """Let go of everything."""
        self.close()
        for client in list(self._clients):
            client.close()

    def deadline(self) -> float:
        """When `due` wants to be called (``time.monotonic()``)."""
        return min((client.deadline for client in self._clients), default=float("inf"))

    def due(self, now: float) -> None:
        """Close the connections of those who took too long."""
        for client in [client for client in self._clients if client.deadline <= now]:
            client.close()

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if len(self._clients) >= CLIENTS:
            next(iter(self._clients)).close()
        self._clients[Client(sock, self._watched, self._answered, self._forget)] = None

    def _forget(self, client: Client) -> None:
        self._clients.pop(client, None)

    def _answered(self, head: bytes) -> bytes:
        """The whole response to what was read of a request."""
        end = head.find(b"\r\n\r\n")
        if end < 0 or end > HEAD:
            return _response(Answer(431, b"the head of the request is too long\n"), True)
        line = _LINE.match(head)
        fields = _fields(head[line.end() : end + 2]) if line is not None else None
        if line is None or fields is None or (line[3] == b"1" and b"host" not in fields):
            return _response(Answer(400, b"this is no request of HTTP/1.1\n"), True)
        method, path = line[1], line[2].partition(b"?")[0].decode("ascii")
        if method not in (b"GET", b"HEAD"):
            return _response(Answer(405, b"GET and HEAD are all there is\n"), True, "Allow: GET, HEAD\r\n")
        host = fields.get(b"host", b"").decode("latin-1")
        respond = self._pages.get(path)
        if self._is_local and path not in self._open and host and not is_plain(host):
            answer = Answer(403, b"this is for who asks by an address or by localhost\n")
        elif respond is None:
            answer = Answer(404, f"there is {', '.join(self._pages)}\n".encode())
        else:
            answer = respond(fields.get(b"accept", b"").decode("latin-1"))
        return _response(answer, method == b"GET")


def _fields(lines: bytes) -> dict[bytes, bytes] | None:
    """The fields of a head by their names in lower case, the last of each; None where these are no fields."""
    found, at = {}, 0
    while at < len(lines):
        field = _FIELD.match(lines, at)
        if field is None:
            return None
        found[field[1].lower()] = field[2]
        at = field.end()
    return found


def _response(answer: Answer, has_body: bool, more: str = "") -> bytes:
    head = (
        f"Date: {http_date(time.time())}\r\n"
        f"Content-Type: {answer.kind}\r\nContent-Length: {len(answer.text)}\r\nCache-Control: no-store\r\n"
        f"X-Content-Type-Options: nosniff\r\n{more}Connection: close\r\n\r\n"
    )
    return status_line(1, answer.status) + head.encode("ascii") + (answer.text if has_body else b"")


def _is_loopback(listener: socket.socket) -> bool:
    if listener.family == socket.AF_UNIX:
        return False
    return networks.within(networks.packed(listener.getsockname()[0]), networks.LOCAL)


def _listen(target: str) -> tuple[socket.socket, Place | None]:
    """:raises OSError: there can be no listener."""
    if target.startswith("unix:"):
        return listen_at(target[5:], CLIENTS)
    host, _, port = target.rpartition(":")
    host = host.strip("[]")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(CLIENTS)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener, None
