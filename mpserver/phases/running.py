"""Running the steps of a plan, for requests of any kind: from outside, redirected, parts of pages, look-ups."""

from __future__ import annotations

from collections.abc import Sequence

from mpserver.api import constants
from mpserver.api.request import Request
from mpserver.errors import Awaits, ClientGone, Moves, Unread, is_crowded
from mpserver.modules.hooks import Step
from mpserver.phases.error_response import log_error
from mpserver.phases.plan import Plan
from mpserver.phases.stages import Stage
from mpserver.typing import Any

DECLINED = constants.DECLINED


def run_steps(req: Request, plan: Plan, first: int = 0, content: Step | None = None) -> int:
    """The steps of a request, until one of them ends it, and its content.

    :param first: the number of the first step.
    :param content: another content than the plan's, or the plan's once nothing is to be waited for.
    :returns: OK, DONE, or the status to answer with; what the operating system refuses is a 500, or a 503 that passes.
    :raises ClientGone: nobody is there any more.
    :raises Moves: one of them belongs to another interpreter.
    :raises Awaits: it has come to its content, which is likely to read a body that has not all come.
    """
    try:
        for step in plan.steps[first:] if first else plan.steps:
            result = step(req)
            if result and result != DECLINED:
                return result
        if content is None:
            step, body = plan.content, req.mp_input
            if body is not None and not body.complete and _awaits(req, plan):
                raise Awaits
        else:
            step = content
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


def _awaits(req: Request, plan: Plan) -> bool:
    """Whether a request whose body has not all come had better wait for that, as it comes to its content.

    Parts of pages, and what others were redirected to, are within the content of those.
    """
    body, link = req.mp_input, req.mp_link
    return (
        (plan.needs_python or req.mp_handler is not None or req.mp_is_directory)
        and body is not None and body is link.input and body.is_plain
        and req.mp_main is None and req.mp_prev is None
        and not req.mp_started and not req.mp_finished
    )  # fmt: skip


def elsewhere(req: Request, uri: str, interpreter_id: Sequence[Any]) -> int:
    """A part of a page can't go on in another interpreter. :returns: its status."""
    log_error(
        req,
        f"{uri} leads to the interpreter {interpreter_id[1]} ({interpreter_id[0]}), but the page is made in "
        f"{req.interpreter}: give both the same PythonInterpreter",
    )
    return constants.HTTP_INTERNAL_SERVER_ERROR
