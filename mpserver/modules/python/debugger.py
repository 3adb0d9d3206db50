"""Handlers under the debugger: PythonEnablePdb (manual 5.4.1)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from mpserver.api.loader import Loader
from mpserver.modules.python.handlers import Handler
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.plan import RequestPlan


class DebuggedHandler(Handler):
    """A handler that stops at its first line, for someone at the terminal."""

    __slots__ = ()

    def resolve(self, plan: RequestPlan, loader: Loader, now: float, argument: Any) -> Callable[[Any], Any] | None:
        """See `Handler.resolve`."""
        function = super().resolve(plan, loader, now, argument)
        return None if function is None else partial(debug, function)


def debug(function: Callable[[Any], Any], argument: Any) -> Any:
    """Call a handler in the debugger, which talks to the terminal and not to the log.

    :raises bdb.BdbQuit: somebody quit it; that fails this request alone.
    """
    import bdb
    import pdb  # noqa: T100

    quitted = []

    class Debugger(pdb.Pdb):
        def set_quit(self) -> None:
            """Note that somebody quit it."""
            quitted.append(True)
            super().set_quit()

    result = Debugger(stdin=sys.__stdin__, stdout=sys.__stdout__).runcall(function, argument)
    if quitted:  # some Pythons keep that to themselves
        raise bdb.BdbQuit("the handler was left by quitting the debugger")
    return result
