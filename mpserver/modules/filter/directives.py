"""The directives of mod_filter."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, Args, Call, Directive
from mpserver.modules import values
from mpserver.modules.filter import BY_TYPE, merge


def _by_type(call: Call) -> None:
    names, *types = call.args
    for name in values.filters(call, names).split(";"):
        call.conf[BY_TYPE] = merge(call.conf.values.get(BY_TYPE, {}), {name: tuple(types)})


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "AddOutputFilterByType",
        Args.ITERATE2,
        EVERYWHERE,
        _by_type,
        Override.FILEINFO,
        "filters' names, separated by semicolons, and one or more media types",
    ),
)
