"""A plan in words, for pages that show what the server does with a request (``mod_python.testhandler``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mpserver.modules import core, python
from mpserver.phases.plan import plan_of
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.handler_list import HandlerEntry
    from mpserver.api.request import Request
    from mpserver.modules.python.handlers import PhaseHandlers

QUOTE = '"'


def rows(req: Request) -> Iterator[tuple[str, str]]:
    """What a request's plan is made of: names and texts, in the order in which a request meets them."""
    plan = plan_of(req)
    yield "runs in", f"{plan.interpreter_id.name}, asked for as {plan.interpreter_id.kind}"
    yield "virtual host", req.mp_host.name
    for phase in (*python.EARLY_PHASES, *python.LATE_PHASES):
        found = plan.handlers.get(phase)
        if found is not None:
            yield phase, "\n".join(_handlers(found))
    for title, setting in (
        ("SetOutputFilter", core.SET_OUTPUT_FILTER),
        ("SetInputFilter", core.SET_INPUT_FILTER),
    ):
        names = plan.conf[setting]
        if names is not None:
            yield title, names
    for title, known in (
        ("PythonOutputFilter", python.OUTPUT_FILTERS),
        ("PythonInputFilter", python.INPUT_FILTERS),
    ):
        specs = plan.conf[known]
        if specs:
            yield title, "\n".join(f"{name}: {spec.handler}" for name, spec in specs.items())
    yield "required", "\n".join(plan.requires) or "nothing"
    if plan.auth_type is not None:
        yield "authentication", f"{plan.auth_type}, {plan.auth_name or 'without a realm'}"
    yield "handler by SetHandler", plan.conf[core.SET_HANDLER] or "none"
    yield "PythonPath", plan.python_path or "the interpreter's"
    yield "PythonAutoReload", _switch(plan.autoreload)
    yield "PythonDebug", _switch(plan.debug)
    yield "LimitRequestBody", f"{plan.limit_body} bytes" if plan.limit_body else "none"
    # (what begins with a quotation mark is a text, and else an address)
    documents = (f"{status}: {text.removeprefix(QUOTE)}" for status, text in plan.error_documents.items())
    yield "error documents", "\n".join(documents) or "none"
    yield "access logs", str(len(req.mp_host.access_logs))
    yield "after the response", "something to do" if plan.has_end else "nothing to do"


def _switch(value: bool) -> str:
    return "On" if value else "Off"


def _handlers(found: PhaseHandlers) -> Iterator[str]:
    """The handlers of a phase, those for an extension after the others."""
    yield from map(_told, (handler.entry for handler in found.plain))
    for extension, handlers in found.by_extension.items():
        for handler in handlers:
            yield f"{_told(handler.entry)} | {extension}"


def _told(entry: HandlerEntry) -> str:
    parts: Iterable[str] = (
        entry.handler,
        f"in {'Location ' if entry.is_location else ''}{entry.directory}" if entry.directory else "",
        "(silent)" if entry.silent else "",
    )
    return " ".join(filter(None, parts))
