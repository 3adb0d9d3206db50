"""Filters by the type of the response (httpd's mod_filter: AddOutputFilterByType)."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.config.settings import Setting

#: The media types of each filter, by its name, in the order in which they were named.
Types = Mapping[str, tuple[str, ...]]


def merge(outer: Types, inner: Types) -> Types:
    """What was named in an outer scope stays."""
    return {**outer, **{name: outer.get(name, ()) + types for name, types in inner.items()}}


BY_TYPE: Setting[Types] = Setting("AddOutputFilterByType", {}, merge)
