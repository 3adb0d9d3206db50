"""Running the steps of a plan, for requests of any kind: from outside, redirected, parts of pages, look-ups."""

from __future__ import annotations

from collections.abc import Sequence

from mpserver.api import constants
from mpserver.api.request import Request
from mpserver.errors import ClientGone, Unread, is_crowded
from mpserver.modules.hooks import Step
from mpserver.phases.error_response import log_error
from mpserver.phases.plan import Plan

DECLINED = constants.DECLINED


def run_steps(req: Request, steps: Sequence[Step], content: Step) -> int:
    """The steps of a request, until one of them ends it, and its content.

    :returns: OK, DONE, or the status to answer with; what the operating system refuses is a 500, or a 503 that passes.
    :raises ClientGone: nobody is there any more.
    """
    try:
        for step in steps:
            result = step(req)
            if result and result != DECLINED:
                return result
        return content(req)
    except ClientGone:
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


def elsewhere(req: Request, plan: Plan) -> int:
    """A request can't go on in another interpreter. :returns: its status."""
    log_error(
        req,
        f"{req.mp_uri} leads to the interpreter {plan.interpreter} ({plan.interpreter_id.kind}), but the request "
        f"runs in {req.interpreter}: give both the same PythonInterpreter",
    )
    return constants.HTTP_INTERNAL_SERVER_ERROR
