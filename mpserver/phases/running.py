"""Running the steps of a plan, for requests of any kind: from outside, redirected, parts of pages, look-ups."""

from __future__ import annotations

from collections.abc import Sequence

from mpserver.api import constants
from mpserver.api.request import Request
from mpserver.errors import ClientGone, Moves, Unread, is_crowded
from mpserver.modules.hooks import Step
from mpserver.phases.error_response import log_error
from mpserver.phases.plan import Plan
from mpserver.phases.stages import Stage
from mpserver.typing import Any

DECLINED = constants.DECLINED


def run_steps(req: Request, plan: Plan, first: int = 0, content: Step | None = None) -> int:
    """The steps of a request, until one of them ends it, and its content.

    :param first: the number of the first step.
    :param content: another content than the plan's.
    :returns: OK, DONE, or the status to answer with; what the operating system refuses is a 500, or a 503 that passes.
    :raises ClientGone: nobody is there any more.
    :raises Moves: one of them belongs to another interpreter.
    """
    try:
        for step in plan.steps[first:] if first else plan.steps:
            result = step(req)
            if result and result != DECLINED:
                return result
        step = content or plan.content
        return step(req)
    except ClientGone:
        raise
    except Moves as move:
        if step in plan.steps:
            move.step = plan.steps.index(step)
        else:
            move.stage = Stage.CONTENT
        raise
    except (OSError, Unread) as error:
        log_error(req, f"{req.mp_filename or req.mp_uri}: {error}")
        if not is_crowded(error):
            return constants.HTTP_INTERNAL_SERVER_ERROR
        outermost = req
        while outermost.mp_main is not None:
            outermost = outermost.mp_main
        outermost.err_headers_out["Retry-After"] = "1"
        return constants.HTTP_SERVICE_UNAVAILABLE


def elsewhere(req: Request, uri: str, interpreter_id: Sequence[Any]) -> int:
    """A part of a page can't go on in another interpreter. :returns: its status."""
    log_error(
        req,
        f"{uri} leads to the interpreter {interpreter_id[1]} ({interpreter_id[0]}), but the page is made in "
        f"{req.interpreter}: give both the same PythonInterpreter",
    )
    return constants.HTTP_INTERNAL_SERVER_ERROR
