"""How connections begin where some hosts speak TLS: the client's greeting is read, and nothing is answered yet.

The router reads it to know whose connection it is, and the interpreter that gets it once more, for it speaks TLS. What
was read travels with the connection, as the head of a request does.
"""

from __future__ import annotations

from collections.abc import Callable

from mpserver.api.error_log import INFO
from mpserver.errors import RequestError
from mpserver.serving.beginning import Beginning, leave_loop
from mpserver.serving.connection import Connection
from mpserver.serving.states import GONE, READING
from mpserver.tls.hello import Hello, HelloReader, NotTls

#: What is told to who speaks HTTP where TLS is spoken.
PLAIN = (
    "This address speaks HTTP over TLS, and the request came without it: use the same address with https:// in front"
)


def speaks_tls(connection: Connection) -> bool:
    """Whether a connection has to begin with TLS: it is a client's own, it is new, and its server has TLS on."""
    return connection.default.tls is not None and not connection.served and not connection.is_relayed


class Greeting(Beginning):
    """A connection whose client has not said yet whom it greets."""

    __slots__ = ("_greeted", "_reader")

    def __init__(self, connection: Connection, greeted: Callable[[Connection, Hello], None]) -> None:
        """``greeted`` is called once the greeting is there; what was read is in the connection's buffer."""
        super().__init__(connection)
        self._greeted = greeted
        self._reader = HelloReader()

    def _look(self) -> None:
        try:
            found = self._reader.read(self._connection.buffer)
        except NotTls as error:
            self._plain(error.looks_like_text)
            return
        if found is not None:
            self._go_on(lambda connection: self._greeted(connection, found))

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
    leave_loop(connection)
    connection.buffer, connection.state = b"", READING
    connection.start()
