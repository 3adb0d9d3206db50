"""Variables for scripts and applications (httpd's mod_env): SetEnv, PassEnv, UnsetEnv."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.typing import NamedTuple


class Variables(NamedTuple):
    """What a scope says: values by names, and names that it takes from the scopes around it.

    Names that differ in their case are the same, and keep the first one's.
    """

    values: tuple[tuple[str, str], ...] = ()
    unset: frozenset[str] = frozenset()

    def having(self, name: str, value: str) -> Variables:
        """The same with one more."""
        return self._replace(values=_put(self.values, ((name, value),)))


def _put(values: tuple[tuple[str, str], ...], more: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    found = {name.lower(): (name, value) for name, value in values}
    for name, value in more:
        key = name.lower()
        found[key] = found.get(key, (name, ""))[0], value
    return tuple(found.values())


def _merge(outer: Variables, inner: Variables) -> Variables:
    left = tuple(pair for pair in outer.values if pair[0].lower() not in inner.unset)
    return Variables(_put(left, inner.values))


VARIABLES: Setting[Variables] = Setting("SetEnv", Variables(), _merge)
