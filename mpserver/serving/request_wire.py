"""The connection of a request as an application uses it that reads and writes it itself."""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.after_request import AfterRequest


class RequestWire:
    """The connection of a request: first what was read ahead of it, then what comes."""

    __slots__ = ("_link",)

    def __init__(self, link: AfterRequest) -> None:
        self._link = link

    def receive(self) -> bytes:
        """See `mpserver.api.connection_stream.Wire`.

        A body that is not read to its end has none that could be found: the connection ends then.
        """
        link = self._link
        body = link.input
        if body is not None:
            if body.waiting:
                return body.read(body.waiting)
            if not body.complete:
                link.keep_alive = False
                body.received = True
        return link.take_read() or link.receive_any()

    def send(self, data: bytes) -> None:
        """See `mpserver.api.connection_stream.Wire`."""
        self._link.send([data])
        self._link.await_sent()
