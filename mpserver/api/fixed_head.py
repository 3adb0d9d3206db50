"""Changes of a response's head that are the same for every response: what they make is made once, not per request."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.api.table import HeaderTable, Table
from mpserver.http1.response import field_lines
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mpserver.typing import Self

#: Headers that say what the response is, how it is framed, or what becomes of the connection: what is done to them
#: depends on the response.
DEPENDENT = frozenset({
    "connection", "content-encoding", "content-language", "content-length", "content-type", "date", "expires",
    "keep-alive", "server", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip


class FixedChange:
    """A step of the hook ``head`` that looks at nothing but the two tables of a response, and changes nothing else.

    :param change: does it to ``err_headers_out`` and ``headers_out``, and touches no header of `DEPENDENT`.
    """

    __slots__ = ("change",)

    def __init__(self, change: Callable[[Table, Table], None]) -> None:
        self.change = change

    def __call__(self, req: Any) -> int:
        """Do it to the response of a request."""
        self.change(req.err_headers_out, req.headers_out)
        return constants.OK


class FixedHead(tuple[FixedChange, ...]):
    """All that is done to the heads of a plan's responses."""

    #: What comes of a response that has no headers of its own.
    lines: bytes
    #: The number of these lines.
    number: int

    def __new__(cls, changes: Sequence[FixedChange]) -> Self:
        """What some changes come to, in their order."""
        self = super().__new__(cls, changes)
        made = self.changed(())
        self.lines, self.number = field_lines(made), len(made)
        return self

    def fits(self, fields: int, size: int) -> bool:
        """Whether it is well within limits for the fields and the bytes of a head; 0: there is none."""
        return (not fields or self.number * 2 <= fields) and (not size or len(self.lines) * 2 <= size)

    def changed(self, fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """What becomes of a response with these fields in ``headers_out``, and none in ``err_headers_out``."""
        always, usual = HeaderTable(), HeaderTable.from_pairs(list(fields))
        for one in self:
            one.change(always, usual)
        return [*always.pairs(), *usual.pairs()]
