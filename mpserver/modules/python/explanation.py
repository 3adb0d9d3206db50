"""mod_python's part of a plan in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mpserver.modules import python
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.handler_list import HandlerEntry
    from mpserver.api.plan import RequestPlan
    from mpserver.modules.python.handlers import PhaseHandlers


def rows(plan: RequestPlan) -> Iterator[tuple[str, str]]:
    """Names and texts, in the order in which a request meets what they tell of."""
    for phase in (*python.EARLY_PHASES, *python.LATE_PHASES):
        found = plan.handlers.get(phase)
        if found is not None:
            yield phase, "\n".join(_handlers(found))
    for title, setting in (
        ("PythonOutputFilter", python.OUTPUT_FILTERS),
        ("PythonInputFilter", python.INPUT_FILTERS),
    ):
        specs = plan.conf[setting]
        if specs:
            yield title, "\n".join(f"{name}: {spec.handler}" for name, spec in specs.items())
    yield "PythonPath", plan.python_path or "the interpreter's"
    yield "PythonAutoReload", _switch(plan.autoreload)
    yield "PythonDebug", _switch(plan.debug)


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
