"""What a connection asks of its owner."""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mpserver.api.connection import Address
    from mpserver.errors import RequestError
    from mpserver.http1.head import Head
    from mpserver.ipc.address_table import AddressTable
    from mpserver.ipc.slow_clients import SlowClients
    from mpserver.phases.host import Host
    from mpserver.serving.courier import Courier
    from mpserver.serving.delayed_flush import DelayedFlush
    from mpserver.system.loop import Loop
    from mpserver.system.thread_loop import SharedLoop


class Owner(Protocol):
    """Who keeps connections: a router, an interpreter, or what sends the requests of a leaving interpreter on.

    Each ``connection`` is a `mpserver.serving.connection.Connection`, which knows this protocol and not the reverse.
    """

    loop: Loop
    #: Whether connections end after their current request.
    draining: bool
    #: Sends the held beginnings of responses; None: nothing may be held.
    delayed_flush: DelayedFlush | None

    @property
    def began(self) -> float:
        """When the running request began (seconds since the epoch), 0: none runs."""

    @property
    def courier(self) -> Courier | None:
        """Sends what responses have written while their handlers run; None: there are no handlers."""

    @property
    def slow_clients(self) -> SlowClients | None:
        """What is kept there for clients that are slow; None: nothing is counted."""

    @property
    def addresses(self) -> AddressTable:
        """Where connections that count for their addresses have places."""

    def host_of(self, local: Address, name: str | None, /) -> Host:
        """The server for a local address and a Host header."""

    def serve(self, connection: Any, head: Head) -> None:
        """A request is ready: its head, and up to 64 KiB its body."""

    def refuse(self, connection: Any, error: RequestError) -> None:
        """A request can't be served as it came: answer and close."""

    def broken(self, connection: Any, error: Exception) -> None:
        """The server itself failed: log it, and close."""

    def closed(self, connection: Any) -> None:
        """The connection has ended, or another owner has it now."""


class SharedOwner(Owner, Protocol):
    """The owner of connections whose requests are served by threads beside its own (worker MPM)."""

    loop: SharedLoop
