"""How long an interpreter lives: PythonInterpMaxRequests, PythonInterpIdleTimeout, PythonInterpReload.

An interpreter is found by its name, and a name may be that of several sections; `mpserver.phases.survey` says which
of them counts.
"""

from __future__ import annotations

from mpserver.modules import python
from mpserver.phases import facts
from mpserver.serving.lifetime import InterpreterLifetime
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.finished import Finished
    from mpserver.phases.plan import InterpreterId


def lifetime(configuration: Finished, where: InterpreterId) -> InterpreterLifetime:
    """The lifetime of an interpreter; that of the main server where no section shows its name."""
    told = facts.lifetime(configuration, where.name)
    if told is not None:
        return InterpreterLifetime(*told)
    base = configuration.main.base
    return InterpreterLifetime(
        base[python.INTERP_MAX_REQUESTS], base[python.INTERP_IDLE_TIMEOUT], base[python.INTERP_RELOAD]
    )
