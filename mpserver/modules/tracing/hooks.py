"""What makes the traces of a server's requests, and what is noted of them for the process that exports them."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.modules.hooks import ANY_HANDLER, Observer, Planning, Step
from mpserver.modules.open_logs import OpenLog
from mpserver.modules.tracing import NEW, OFF, SAMPLING, SERVICE, TO_WHO_ASKED, TOLD, context, target
from mpserver.modules.tracing.places import Context
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.server import Server

#: Modules that take part in every request: there is nothing to be seen of them but their handlers.
USUAL = frozenset({"core", "mime", "dir"})
#: The directives of handlers, by the hooks in which these run.
DIRECTIVES = {
    "post_read_request": "PythonPostReadRequestHandler",
    "translate_name": "PythonTransHandler",
    "header_parser": "PythonHeaderParserHandler",
    "access_checker": "PythonAccessHandler",
    "check_user_id": "PythonAuthenHandler",
    "auth_checker": "PythonAuthzHandler",
    "type_checker": "PythonTypeHandler",
    "fixups": "PythonFixupHandler",
    "handlers": "PythonHandler",
    "log_transaction": "PythonLogHandler",
}


def trace_context(server: Server) -> Context | None:
    """How the requests of a server come to their traces; None where it knows of none."""
    kind = context(server.conf)
    return None if kind == OFF else Context(believes=kind != NEW, share=server.conf[SAMPLING])


def open_logs(server: Server, descriptor: Callable[[str], int]) -> tuple[OpenLog, ...] | None:
    """Where records of requests go, where they are exported."""
    if server.conf[TOLD]:
        from mpserver.modules.tracing.report import Report  # (of `mpserver --trace` alone)

        return (OpenLog(TO_WHO_ASKED, Report()),)
    where = target(server.conf)
    if where is None:
        return None
    from mpserver.modules.tracing.collecting import Records  # (only who exports needs it)

    conf = server.conf
    records = Records(conf[SERVICE], sure=conf[SAMPLING] >= 1, believes=context(conf) != NEW)
    return (OpenLog(descriptor(where), records),)


def observe(planning: Planning) -> Observer | None:
    """What notes the times of steps, where they are exported, or told to who asks."""
    conf = planning.server.conf
    if planning.engine.loader is None or not (conf[TOLD] or target(conf) is not None):
        return None
    if conf[TOLD]:
        from mpserver.modules.tracing.report import told as noted  # (as above)

        return _observer(planning, lambda name, step, unsure: noted(name, step, planning.engine, may_decline=unsure))
    from mpserver.modules.tracing.collecting import timed

    return _observer(planning, lambda name, step, unsure: timed(name, step, may_decline=unsure), USUAL)


def _observer(
    planning: Planning, noted: Callable[[str, Step, bool], Step], usual: frozenset[str] = frozenset()
) -> Observer:
    """What has steps noted, but for those of modules that are in every request.

    ``noted`` gets the name of a step, and whether nothing ran where it declines.
    """

    def observer(hook: str, module: str, step: Step, handler: str = "") -> Step:
        if module == "python":
            # (handlers of a phase may be added to a request)
            return noted(_handlers(planning, hook), step, DIRECTIVES.get(hook) not in planning.plan.handlers)
        if hook == "handlers":
            return noted("default-handler" if handler == ANY_HANDLER else handler, step, False)
        return step if module in usual else noted(f"{hook} {module}", step, False)

    return observer


def _handlers(planning: Planning, hook: str) -> str:
    """The name of a span of handlers: their directive and themselves."""
    directive = DIRECTIVES.get(hook, hook)
    found = planning.plan.handlers.get(directive)
    entries = () if found is None else (*found.plain, *(one for its in found.by_extension.values() for one in its))
    return " ".join((directive, *dict.fromkeys(handler.entry.handler for handler in entries)))
