"""A plan in words, for pages that show what the server does with a request (``mod_python.testhandler``)."""

from __future__ import annotations

from collections.abc import Iterator

from mpserver.modules import core
from mpserver.phases.plan import plan_of
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

QUOTE = '"'


def rows(req: Request) -> Iterator[tuple[str, str]]:
    """What a request's plan is made of: names and texts, in the order in which a request meets them."""
    plan = plan_of(req)
    yield "runs in", f"{plan.interpreter_id.name}, asked for as {plan.interpreter_id.kind}"
    yield "virtual host", req.mp_host.name
    for its in plan.ask("explain"):
        yield from its
    for title, setting in (
        ("SetOutputFilter", core.SET_OUTPUT_FILTER),
        ("SetInputFilter", core.SET_INPUT_FILTER),
    ):
        names = plan.conf[setting]
        if names is not None:
            yield title, names
    yield "required", "\n".join(plan.requires) or "nothing"
    if plan.auth_type is not None:
        yield "authentication", f"{plan.auth_type}, {plan.auth_name or 'without a realm'}"
    yield "handler by SetHandler", plan.conf[core.SET_HANDLER] or "none"
    yield "LimitRequestBody", f"{plan.limit_body} bytes" if plan.limit_body else "none"
    # (what begins with a quotation mark is a text, and else an address)
    documents = (
        f"{status}: {(told if isinstance(told, str) else told.text).removeprefix(QUOTE)}"
        for status, told in plan.error_documents.items()
    )
    yield "error documents", "\n".join(documents) or "none"
    yield "access logs", str(len(req.mp_host.access_logs))
    yield "after the response", "something to do" if plan.has_end else "nothing to do"
