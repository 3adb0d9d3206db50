"""How long an interpreter lives: the figures of its configuration."""

from __future__ import annotations

from mpserver.typing import NamedTuple


class InterpreterLifetime(NamedTuple):
    """PythonInterpMaxRequests and PythonInterpIdleTimeout (seconds), 0 where there is no limit; PythonInterpReload."""

    requests: int
    idle: float
    #: Whether a changed file of the application replaces the interpreter; see `mpserver.modules.python.INTERP_RELOAD`.
    reload: int


UNLIMITED = InterpreterLifetime(0, 0.0, 0)
