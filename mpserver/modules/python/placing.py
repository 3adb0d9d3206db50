"""Phases that belong to another interpreter than others of the same request (PythonInterpPerDirective, manual 4.1).

Such a request goes on in the other interpreter at the border between the two phases; where several phases are one step
of the plan, those that are over are not run again.
"""

from __future__ import annotations

from mpserver.errors import Moves
from mpserver.modules.hooks import OF_ACCOUNTS
from mpserver.modules.python.environment import has_account
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.modules.hooks import Engine, Step


def placed(step: Step, phase: str, early: bool, name: str, interpreter_id: Any, engine: Engine) -> Step:
    """A phase's step, which sends the request to the interpreter that the phase belongs to.

    :param early: it comes before the plan of the request is known.
    :param name: what that is called: several names may stand for one (PythonInterpBackend main).

    Look-ups of an index and parts of pages run all of their handlers where their main request is.
    """
    # (a process of another account is believed that its own phases have run, and no others)
    mark = OF_ACCOUNTS if has_account(interpreter_id.environment) else ""

    def run(req: Request) -> int:
        if req.mp_is_part:
            return step(req)
        key = f"{mark}{phase} {req.mp_uri}"
        passed = req.mp_passed
        if passed is not None and key in passed:
            if mark and req.mp_claimed is not None:
                req.mp_user, req.mp_ap_auth_type = req.mp_claimed
            return passed[key]
        if engine.home != interpreter_id:
            raise Moves(interpreter_id)
        req.mp_interpreter = name  # (also of what comes between this phase and the next)
        result = step(req)
        if early:
            req.mp_interpreter = None
        if req.mp_passed is None:
            req.mp_passed = {}
        req.mp_passed[key] = result
        return result

    return run
