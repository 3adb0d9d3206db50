"""The connection object (manual 4.5.4)."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.members import ReadOnly, data_of, integer, named, readonly, writable
from mpserver.api.members import message as log_text
from mpserver.api.table import Table
from mpserver.builtin import index
from mpserver.errors import ClientGone
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from mpserver.api.connection_stream import Incoming
    from mpserver.api.error_log import ErrorLog
    from mpserver.api.server import Server

#: A socket's address as applications see it: IP and port.
Address = tuple[str, int]


@named("mp_conn")
class Connection:
    """``req.connection``: who is at the other end; one object for all requests of the connection.

    What an application sets on it stays as long as the connection.
    """

    __slots__ = (
        "mp_aborted", "mp_base_server", "mp_client_addr", "mp_counted", "mp_double_reverse", "mp_id", "mp_incoming",
        "mp_is_logged", "mp_is_pinned", "mp_keepalive", "mp_keepalives", "mp_local_addr", "mp_local_host", "mp_log",
        "mp_notes", "mp_remote_host", "mp_server_view", "mp_take_over", "__dict__", "__weakref__",
    )  # fmt: skip

    #: Whether an application has looked at what may hold something of its own (its notes, its number), or has read or
    #: written the connection itself.
    mp_is_pinned: bool

    def __init__(
        self, number: int, client: Address, local: Address, base_server: Server, log: ErrorLog,
        take_over: Callable[[], Incoming] | None = None,
    ) -> None:  # fmt: skip
        """:param take_over: gives what reads the connection itself, when it is asked for first."""
        self.mp_id = number
        self.mp_client_addr = client
        self.mp_local_addr = local
        self.mp_base_server = base_server
        self.mp_server_view: Server | None = None
        self.mp_log = log
        self.mp_aborted = 0
        self.mp_double_reverse = 0
        self.mp_keepalive = constants.AP_CONN_UNKNOWN
        #: How many requests it served before this one, and whether this one counts with them by now.
        self.mp_keepalives, self.mp_counted = 0, 0
        self.mp_local_host: str | None = None
        self.mp_remote_host: str | None = None
        self.mp_notes: Table | None = None
        #: None: the connection is closed, or another interpreter has it.
        self.mp_take_over = take_over
        #: What reads and writes below HTTP; None as long as nobody does.
        self.mp_incoming: Incoming | None = None
        self.mp_is_pinned = False
        #: Whether the error log has what is told once about a connection.
        self.mp_is_logged = False

    local_addr: Address = readonly("mp_local_addr", "The server's (IP, port).")
    client_addr: Address = readonly("mp_client_addr", "The client's (IP, port).")
    remote_host: str | None = readonly("mp_remote_host", "The client's DNS name; None until looked up, '' if none.")
    local_host: str | None = readonly("mp_local_host", "The server's DNS name, None if not looked up.")
    aborted: int = readonly("mp_aborted", "1 once the client was found gone.")
    keepalive: int = writable("mp_keepalive", integer, "One of AP_CONN_*; AP_CONN_CLOSE closes after the response.")
    double_reverse: int = readonly("mp_double_reverse", "Double reverse look-up: 1 done, 0 not yet, -1 failed.")

    @property
    def mp_stays(self) -> bool:
        """Whether an application may have something on it, so that it stays in its interpreter: attributes, too."""
        return self.mp_is_pinned or bool(self.__dict__)

    @ReadOnly
    def id(self) -> int:
        """A number unique among the open connections: an application that asks may remember it."""
        self.mp_is_pinned = True
        return self.mp_id

    @ReadOnly
    def base_server(self) -> Server:
        """The server of the address that the connection came in through."""
        if self.mp_server_view is None:
            self.mp_server_view = self.mp_base_server.mp_view()
        return self.mp_server_view

    @ReadOnly
    def keepalives(self) -> int:
        """How many requests it served before this one; with this one as soon as its head has left, as in httpd.

        One whose client asked for the connection's end does not count.
        """
        return self.mp_keepalives + self.mp_counted

    def mp_told(self, keeps: bool, counts: bool) -> None:
        """The client was told whether another request may follow, and whether this one counts for that."""
        self.mp_keepalive = constants.AP_CONN_KEEPALIVE if keeps else constants.AP_CONN_CLOSE
        self.mp_counted = int(counts)

    @ReadOnly
    def client_ip(self) -> str:
        """The client's IP."""
        return self.mp_client_addr[0]

    @ReadOnly
    def local_ip(self) -> str:
        """The server's IP."""
        return self.mp_local_addr[0]

    @ReadOnly
    def remote_addr(self) -> Address:
        """`client_addr` under its name of httpd 2.2 (logs that it is deprecated)."""
        self.mp_log.log(constants.APLOG_WARNING, "mod_python: conn.remote_addr deprecated in 2.4, use client_addr")
        return self.mp_client_addr

    @ReadOnly
    def remote_ip(self) -> str:
        """`client_ip` under its name of httpd 2.2 (logs that it is deprecated)."""
        self.mp_log.log(constants.APLOG_WARNING, "mod_python: conn.remote_ip deprecated in 2.4, use client_ip")
        return self.mp_client_addr[0]

    @ReadOnly
    def remote_logname(self) -> str | None:
        """The name by RFC 1413: never asked for, so None."""
        return None

    @ReadOnly
    def notes(self) -> Table:
        """A table that lives as long as the connection."""
        if self.mp_notes is None:
            self.mp_notes = Table()
            self.mp_is_pinned = True
        return self.mp_notes

    # ---- the connection itself

    def read(self, length: int = 0) -> bytes | None:
        """Some bytes: waits until there are any, and gives at most ``length`` of them (0: whatever there is).

        -1 reads until the client closes. In a request what was read ahead of it is there.

        :returns: None if the client has closed and no length was given.
        :raises OSError: it has closed, when a length was given; or it was silent for Timeout.
        """
        size = index(length)
        try:
            return self.mp_stream().read(size)
        except (ClientGone, EOFError) as error:
            raise self.mp_lost(error, "Connection read error") from error

    def readline(self, length: int = 0) -> bytes:
        """A line with its end, or what is left of one; at most ``length`` bytes of it (0: 65536).

        :raises OSError: the client has closed, or was silent for Timeout.
        """
        size = index(length)
        try:
            return self.mp_stream().readline(size)
        except (ClientGone, EOFError) as error:
            raise self.mp_lost(error, "Connection read error") from error

    def write(self, string: str | bytes) -> None:
        """Send text (as UTF-8) or bytes at once. In a request they go before what of its answer was not sent yet.

        :raises TypeError: it is neither.
        :raises OSError: the client is gone.
        """
        data = data_of(string)
        try:
            if data:
                self.mp_stream().wire.send(data)
        except ClientGone as error:
            raise self.mp_lost(error, "Write failed, client closed connection.") from error

    def mp_stream(self) -> Incoming:
        """What reads and writes it."""
        if self.mp_incoming is None:
            if self.mp_take_over is None:
                raise ClientGone("the connection is not here any more")
            self.mp_is_pinned = True  # (what it speaks with its client is known here alone)
            self.mp_incoming = self.mp_take_over()
        return self.mp_incoming

    def mp_lost(self, error: Exception, text: str) -> ClientGone:
        """The error of a client that is gone, or said nothing for too long; or (EOFError) that will say no more."""
        if not isinstance(error, EOFError):
            self.mp_aborted = 1
        return ClientGone(text)

    def log_error(self, message: str, level: int = constants.APLOG_ERR) -> None:
        """Write a line with the client's address to the error log."""
        self.mp_log.log(index(level), log_text(message), module="python", about=self)

    def mp_whose(self) -> tuple[None, Connection]:
        """See `mpserver.api.error_log.About`."""
        return None, self

    def mp_client(self) -> Address:
        """The same as `client_addr`."""
        return self.mp_client_addr

    def mp_look_up(self, double: bool) -> str | None:
        """The client's DNS name, asked once; with ``double`` only if the name leads back to the client."""
        if self.mp_remote_host is None:
            import socket  # (only where names are looked up)

            try:
                self.mp_remote_host = socket.gethostbyaddr(self.mp_client_addr[0])[0]
            except (OSError, UnicodeError):  # (a name that is no text)
                self.mp_remote_host = ""
        if double and self.mp_double_reverse == 0:
            self.mp_double_reverse = 1 if self.mp_leads_back() else -1
        if double and self.mp_double_reverse < 0:
            return None
        return self.mp_remote_host or None

    def mp_look_up_local(self) -> str:
        """The DNS name of the server's address, asked once; the address itself where it has none."""
        if self.mp_local_host is None:
            import socket  # (as above)

            try:
                self.mp_local_host = socket.gethostbyaddr(self.mp_local_addr[0])[0]
            except (OSError, UnicodeError):
                self.mp_local_host = self.mp_local_addr[0]
        return self.mp_local_host

    def mp_leads_back(self) -> bool:
        """Whether the client's name has its address (HostnameLookups Double)."""
        if not self.mp_remote_host:
            return False
        import socket  # (as above)

        try:
            found: list[Any] = socket.getaddrinfo(self.mp_remote_host, None)
        except (OSError, UnicodeError):  # (as above; whose address it is chooses its name)
            return False
        return any(entry[4][0] == self.mp_client_addr[0] for entry in found)
