"""Filters by the type of the response (httpd's mod_filter: AddOutputFilterByType)."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.config.registry import EVERYWHERE, Args, Call, Directive, Module, Override
from mpserver.config.settings import Setting
from mpserver.modules import values

#: The media types of each filter, by its name, in the order in which they were named.
Types = Mapping[str, tuple[str, ...]]


def _merge(outer: Types, inner: Types) -> Types:
    """What was named in an outer scope stays."""
    return {**outer, **{name: outer.get(name, ()) + types for name, types in inner.items()}}


BY_TYPE: Setting[Types] = Setting("AddOutputFilterByType", {}, _merge)


def matches(content_type: str | None, types: tuple[str, ...]) -> bool:
    """Whether a response's type is among them; its parameters don't count."""
    return content_type is not None and content_type.partition(";")[0].strip() in types


def _by_type(call: Call) -> None:
    names, *types = call.args
    for name in values.filters(call, names).split(";"):
        call.conf[BY_TYPE] = _merge(call.conf.values.get(BY_TYPE, {}), {name: tuple(types)})


MODULE = Module(
    "mod_filter.c",
    "filter_module",
    (
        Directive(
            "AddOutputFilterByType",
            Args.ITERATE2,
            EVERYWHERE,
            _by_type,
            Override.FILEINFO,
            "filters' names, separated by semicolons, and one or more media types",
        ),
    ),
)
