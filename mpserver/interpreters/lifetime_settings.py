"""How long an interpreter lives: PythonInterpMaxRequests, PythonInterpIdleTimeout, PythonInterpReload.

Requests of several sections may run in interpreters of one name; `mpserver.phases.survey` says which of these sections
decides.
"""

from __future__ import annotations

from mpserver.modules import mpm, python
from mpserver.phases import facts
from mpserver.serving.lifetime import UNLIMITED, InterpreterLifetime
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.finished import Finished
    from mpserver.phases.plan import InterpreterId


def lifetime(configuration: Finished, where: InterpreterId) -> InterpreterLifetime:
    """The lifetime of an interpreter: what the main server says where no section is known to use its name."""
    if where.name in mpm.THREADED:
        return UNLIMITED  # (no application is there)
    told = facts.lifetime(configuration, where.name)
    if told is not None:
        return InterpreterLifetime(*told)
    base = configuration.main.base
    return InterpreterLifetime(
        base[python.INTERP_MAX_REQUESTS], base[python.INTERP_IDLE_TIMEOUT], base[python.INTERP_RELOAD]
    )
