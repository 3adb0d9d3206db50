"""How connections begin where some hosts speak TLS: the client's greeting is read, and nothing is answered yet.

The router reads it to know whose connection it is, and the interpreter that gets it once more, for it speaks TLS. What
was read travels with the connection, as the head of a request does.
"""

from __future__ import annotations

from collections.abc import Callable

from mpserver.api.error_log import INFO
from mpserver.errors import RequestError
from mpserver.serving.connection import Connection
from mpserver.serving.states import GONE, READING, TLS
from mpserver.tls.hello import Hello, HelloReader, NotTls

#: What is told to who speaks HTTP where TLS is spoken.
PLAIN = (
    "This address speaks HTTP over TLS, and the request came without it: use the same address with https:// in front"
)


def speaks_tls(connection: Connection) -> bool:
    """Whether a connection has to begin with TLS: it is a client's own, it is new, and its server has TLS on."""
    return connection.default.tls is not None and not connection.served and not connection.is_relayed


class Greeting:
    """A connection whose client has not said yet whom it greets."""

    __slots__ = ("_connection", "_greeted", "_reader")

    def __init__(self, connection: Connection, greeted: Callable[[Connection, Hello], None]) -> None:
        """``greeted`` is called once the greeting is there; what was read is in the connection's buffer."""
        self._connection, self._greeted = connection, greeted
        self._reader = HelloReader()

    def arrive(self) -> None:
        """As `start`, for a connection that was just accepted: its client has usually said something already."""
        if self._connection.read_first():
            self.start()

    def start(self) -> None:
        """Look at what was read already, and wait for the rest."""
        connection = self._connection
        connection.state = TLS
        loop = connection.owner.loop
        loop.add(connection.fd, self.on_event)
        loop.watch(connection)
        if connection.buffer:
            self._look()

    def on_event(self, _event: int) -> None:
        """More has come, or the client is gone."""
        connection = self._connection
        try:
            data = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            connection.close()
            return
        connection.buffer += data
        self._look()

    def _look(self) -> None:
        connection = self._connection
        try:
            found = self._reader.read(connection.buffer)
        except NotTls as error:
            self._plain(error.looks_like_text)
            return
        if found is None:
            return
        loop = connection.owner.loop
        loop.remove(connection.fd)
        loop.unwatch(connection)
        try:
            self._greeted(connection, found)
        except Exception as error:
            connection.owner.broken(connection, error)

    def _plain(self, looks_like_text: bool) -> None:
        """The client does not speak TLS; where it seems to speak HTTP, it is told."""
        connection = self._connection
        if not looks_like_text:
            connection.host.log.log(INFO, "the client does not speak TLS", module="ssl", client=connection.client)
            connection.close()
            return
        line = connection.buffer.partition(b"\r\n")[0][:200].decode("latin-1")
        begin_plain(connection)
        if connection.state != GONE:
            connection.owner.refuse(connection, RequestError(400, PLAIN, line))


def begin_plain(connection: Connection) -> None:
    """Put a connection whose greeting was read into the loop as one that waits for a request."""
    loop = connection.owner.loop
    loop.remove(connection.fd)
    loop.unwatch(connection)
    connection.buffer, connection.state = b"", READING
    connection.start()
