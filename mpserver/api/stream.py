"""What a request asks of the client's connection that it came on; `mpserver.serving` implements it."""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mpserver.api.connection import Connection
    from mpserver.api.input import Input
    from mpserver.api.parts import Begun, Part
    from mpserver.errors import RequestError


class Encryption(Protocol):
    """TLS as a request sees it."""

    def variable(self, name: str) -> str | None:
        """The value of one of mod_ssl's variables (``SSL_PROTOCOL``); None: it has none."""

    def environment(self, standard: bool, certificates: bool) -> dict[str, str]:
        """HTTPS, SSL_TLS_SNI, and what SSLOptions StdEnvVars and ExportCertData add: for reading only."""

    def client_chain(self) -> list[bytes]:
        """The client's certificate, which was checked, and those that vouch for it; empty: it has shown none."""

    def refusal(self, host: Any, name: str | None, /) -> RequestError | None:
        """Why a request for a host can't be served on this connection; ``name``: that of its Host header."""


class Link(Protocol):
    """One client's connection, as a request uses it."""

    #: Its descriptor, to see what comes.
    fd: int
    #: What sends and receives on it, as a socket that never waits; a page's part has none.
    sock: Any
    #: Whether the connection may serve another request after this one, as far as known yet.
    keep_alive: bool
    #: The body of the request, as it comes from the client; None: it has none.
    input: Input | None
    #: For how many seconds it waits for the next request.
    keep_alive_timeout: float
    #: The longest silence of the client in seconds.
    timeout: float
    #: What is known of the connection's encryption; None: it has none.
    tls: Encryption | None
    #: The client's IP and port by the word of a proxy (PROXY protocol); None: none has said any.
    agent: tuple[str, int] | None
    #: The client's IP and port.
    client: tuple[str, int]
    #: Whether a task may wait in the loop that the connection belongs to (`mpserver.api.tasks`).
    lets_wait: bool

    @property
    def is_behind(self) -> bool:
        """Whether something waits that the client has not taken yet."""

    @property
    def requests_left(self) -> int:
        """How many more requests it may serve; -1: any number."""

    def may_wait(self) -> bool:
        """Whether who writes may wait for the client: not in a loop, where others would wait for that."""

    def connection(self) -> Connection:
        """The object for ``req.connection``."""

    def client_name(self) -> str | None:
        """The client's name, where that was looked up: what ``req.connection.remote_host`` is."""

    def hold(self, head: bytes, body: bytes) -> bool:
        """Keep the beginning of a response for some milliseconds: its end is likely to follow. False: it can't wait.

        It is sent, in chunks, when its time is over or something else is sent.
        """

    def take_held(self) -> Begun | None:
        """What `hold` keeps, None where it is on its way."""

    def send(self, parts: list[Part]) -> None:
        """Send all now; what a slow client does not take at once follows, beside the handler.

        It waits only for one that is far behind, up to its timeout. :raises ClientGone: the client did not take it.
        """

    def await_sent(self) -> None:
        """Wait until the client has taken all that was sent, up to its timeout. :raises ClientGone: it did not."""

    def finish(self, parts: list[Part]) -> None:
        """Send all; what the client does not take at once goes out later, from the loop."""

    def finish_whole(self, data: bytes) -> None:
        """`finish` for a response that is one piece of bytes."""

    def receive(self) -> bytes:
        """Wait for bytes of the body. :raises ClientGone: none came within the timeout, or the client left."""

    def receive_any(self) -> bytes:
        """Wait for some bytes; empty once the client has closed. :raises ClientGone: it was silent, or is gone."""

    def take_read(self) -> bytes:
        """What was read and belongs to no request yet."""

    def unread(self, data: bytes) -> None:
        """Give back bytes that belong to the next request."""
