"""The parts of a request's trace, as the formats of logs name them: ``%^tp``, ``%{trace_id}^tp``..."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpserver.errors import ConfigError
from mpserver.typing import Any

#: By the argument: what is shown of a traceparent and the id of the span above it. Names are those of OpenTelemetry.
PARTS: Mapping[str, Callable[[str, str], str]] = {
    "": lambda text, _parent: text,
    "trace_id": lambda text, _parent: text[3:35],
    "span_id": lambda text, _parent: text[36:52],
    "trace_flags": lambda text, _parent: text[53:],
    "parent_id": lambda _text, parent: parent,
}


def trace_part(argument: str) -> Callable[[Any], str | None]:
    """What shows a part of a request's trace; it gives None where there is none.

    :raises ConfigError: there is no part of this name.
    """
    part = PARTS.get(argument)
    if part is None:
        known = ", ".join(f"%{{{name}}}^tp" for name in PARTS if name)
        raise ConfigError(f"%{{{argument}}}^tp is no part of a trace: write %^tp, {known}")

    def show(req: Any) -> str | None:
        traced = req.mp_traced()
        return None if traced is None else part(*traced) or None

    return show
