"""Internal redirects, error documents, look-ups of an index: a request goes on as another one (manual 4.5.3)."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.api import constants
from mpserver.api.request import Request
from mpserver.phases.error_response import log_error
from mpserver.phases.plan import Plan

#: What a redirect's URI may begin with and does not need.
ABSOLUTE = lazyre.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*(?=[/?]|$)")


#: httpd's limit of internal redirects of one request.
REDIRECTS = 10


def _elsewhere(req: Request, plan: Plan) -> int:
    """A request can't go on in another interpreter. :returns: its status."""
    log_error(
        req,
        f"{req.mp_uri} leads to the interpreter {plan.interpreter} ({plan.interpreter_id.kind}), but the request "
        f"runs in {req.interpreter}: give both the same PythonInterpreter",
    )
    return constants.HTTP_INTERNAL_SERVER_ERROR
