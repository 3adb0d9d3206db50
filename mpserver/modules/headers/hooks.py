"""When headers are changed: the request's before its content, the response's just before its head is made."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.modules.headers import ALWAYS, REQUEST, RESPONSE, Change
from mpserver.modules.hooks import Planning, Step
from mpserver.modules.known import Order
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.server import Server

Changes = tuple[Change, ...]

#: (what other modules set for the request is there; expires has told its own)
ORDER = {"begin": Order.FIRST, "fixups": Order.LAST, "head": Order.LAST, "error_head": Order.LAST}

PLAIN = frozenset({"head"})


def begin(server: Server) -> Step | None:
    """What is to be changed early: of the request, and of the response as it is before anybody works on it."""
    base = server.base
    return _step(base[REQUEST], base[ALWAYS], base[RESPONSE], early=True)


def fixups(planning: Planning) -> Step | None:
    """RequestHeader."""
    return _step(planning.conf[REQUEST], (), ())


def head(planning: Planning) -> Step | None:
    """Header, for a response that goes well: both tables."""
    always, response = planning.conf[ALWAYS], planning.conf[RESPONSE]
    step = _step((), always, response)
    if step is None:
        return None
    from mpserver.modules.headers.changes import fixed

    return fixed(always, response) or step


def error_head(planning: Planning) -> Step | None:
    """Header always, for errors and redirects of the server's."""
    return _step((), planning.conf[ALWAYS], ())


def _step(request: Changes, always: Changes, response: Changes, *, early: bool = False) -> Step | None:
    if not any(change.early is early for change in (*request, *always, *response)):
        return None
    from mpserver.modules.headers.changes import compiled  # (only where there are some)

    of_request = compiled(request, early=early, of_response=False)
    of_always = compiled(always, early=early, of_response=True)
    of_response = compiled(response, early=early, of_response=True)

    def step(req: Request) -> int:
        for apply in of_request:
            apply(req, req.headers_in)
        for apply in of_always:
            apply(req, req.err_headers_out)
        for apply in of_response:
            apply(req, req.headers_out)
        return constants.OK

    return step
