"""The body of a request that comes through input filters."""

from __future__ import annotations

from mpserver.api.input import Input
from mpserver.typing import Any, Protocol

#: So much of a body is taken at a time.
PIECE = 65536


class InputFilter(Protocol):
    """One filter of a body. ``upstream``: the next one, nearer to the client."""

    upstream: InputFilter

    def more(self) -> bytes | None:
        """Wait for some bytes; None at the end."""

    def move(self, req: Any) -> None:
        """Be a filter of another request, before anything has come."""


class Raw:
    """The body as it came: what the last filter reads from."""

    __slots__ = ("source", "upstream")

    #: (there is none)
    upstream: InputFilter

    def __init__(self, source: Input) -> None:
        self.source = source

    def more(self) -> bytes | None:
        """See `InputFilter.more`."""
        return self.source.some(PIECE) or None

    def move(self, req: Any) -> None:
        """See `InputFilter.move`."""


class FilteredInput(Input):
    """A body behind filters; read like any other. The filter that was added first is asked first."""

    __slots__ = ("_ended", "_filters", "source")

    def __init__(self, source: Input) -> None:
        self.source = source
        self._filters: list[InputFilter] = [Raw(source)]
        self._buffer = b""
        self._position = 0
        self._ended = False
        self._expects = False
        self._kept = None
        self._dropped = False
        self.count = 0
        self.broken = 0
        self.received = source.received

    def add(self, added: InputFilter) -> None:
        """Put a filter behind the others, next to the client."""
        added.upstream = self._filters[-1]
        self._filters.insert(-1, added)
        if len(self._filters) > 2:
            self._filters[-3].upstream = added

    def move(self, req: Any) -> None:
        """Be the body of another request."""
        for one in self._filters:
            one.move(req)

    @property
    def complete(self) -> bool:
        """Whether all of the body has come, and gone through the filters."""
        return self._ended

    @property
    def waiting(self) -> int:
        """More than 0 where reading need not wait for the client."""
        own = len(self._buffer) - self._position
        return own or (0 if self._ended else self.source.waiting or int(self.source.complete))

    def some(self, size: int) -> bytes:
        """See `Input.some`."""
        while self._position == len(self._buffer) and self._more():
            pass
        return self.read(min(size, len(self._buffer) - self._position))

    def _more(self) -> bool:
        if self._ended:
            return False
        data = self._filters[0].more()
        self.received = self.source.received
        if data is None:
            self._ended = True
            del self._filters[:-1]  # (they know the request: it would wait for the garbage collector)
            return False
        self._buffer = self._buffer[self._position :] + data
        self._position = 0
        self.count += len(data)
        return True

    def invite(self) -> None:
        """See `Input.invite`."""
        self.source.invite()

    def discard(self) -> bool:
        """Throw away what is left; the filters see it."""
        self._buffer, self._position = b"", 0
        while self._more():
            self._buffer = b""
        return self.source.discard()


def move(body: Input | None, req: Any) -> None:
    """Let the filters of a body be those of another request, which goes on with it."""
    if isinstance(body, FilteredInput):
        body.move(req)


def unfiltered(body: Input | None) -> Input | None:
    """A body as it came, without its filters."""
    return body.source if isinstance(body, FilteredInput) else body
