"""What rules make of requests: what a module with rules and the phases say to each other."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from mpserver.api.request import Request


class Effects(Protocol):
    """What rules change of a request, beside its resource."""

    def begin(self, req: Request) -> None:
        """Change it before its phases."""

    def force(self, req: Request) -> None:
        """Change it after its fixups."""


class Rewritten(NamedTuple):
    """What rules make of a request: another path (decoded), or a file; None: its own path.

    ``status``: what it is answered with instead; 0: nothing.
    ``no_file``: its path is for no file, whatever it is; ``filename`` tells the other server.
    """

    uri: str | None
    filename: str | None
    status: int
    effects: Effects
    no_file: bool = False


#: Gets a request that has no resource yet, and leaves it as it is; None: the rules want nothing of it.
Rewriter = Callable[["Request"], "Rewritten | None"]

#: Gets a request that goes no further; gives the URI that it will be redirected to internally, None for none.
LeadsTo = Callable[["Request"], "str | None"]
