"""Settings: typed values that directives set and scopes merge.

A module declares a `Setting` for each thing that its directives decide, with a default and a
rule for merging an outer scope with an inner one. A `Conf` holds the values of one scope: of
the server, of a virtual host, of a Directory, or of all that matched a request.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from mpserver.typing import Any, Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


def override(_outer: T, inner: T) -> T:
    """The inner scope's value replaces the outer one's (httpd's usual rule)."""
    return inner


def append(outer: tuple[T, ...], inner: tuple[T, ...]) -> tuple[T, ...]:
    """The inner scope's values come after the outer one's."""
    return outer + inner


def prepend(outer: tuple[T, ...], inner: tuple[T, ...]) -> tuple[T, ...]:
    """The inner scope's values come before the outer one's: where the first that holds decides."""
    return inner + outer


def update(outer: Mapping[K, T], inner: Mapping[K, T]) -> dict[K, T]:
    """The inner scope's entries replace the outer one's of the same key."""
    return {**outer, **inner}


class Setting(Generic[T]):
    """One typed setting: a name for people, a default, and how scopes merge.

    It is a constant of a module, and knows which: where a setting has a value, its module may have to act; and by the
    names of both another interpreter finds the same one, see `mpserver.config.plain`. Without ``travels`` it only
    matters where configuration is read.
    """

    __slots__ = ("default", "merge", "module", "name", "travels")

    def __init__(self, name: str, default: T, merge: Callable[[T, T], T] = override, *, travels: bool = True) -> None:
        self.name = name
        self.default = default
        self.merge = merge
        self.travels = travels
        #: The name of the module that declares it.
        self.module: str = sys._getframe(1).f_globals["__name__"]  # noqa: SLF001  # the library has no other way

    def __repr__(self) -> str:
        return f"<Setting {self.name}>"


class Conf:
    """The values of one scope. Treated as frozen once it was compiled."""

    __slots__ = ("values",)

    def __init__(self, values: dict[Setting[Any], Any] | None = None) -> None:
        self.values: dict[Setting[Any], Any] = {} if values is None else values

    def __getitem__(self, setting: Setting[T]) -> T:
        """The value of a setting, its default where no directive set it."""
        value: T = self.values.get(setting, setting.default)
        return value

    def __contains__(self, setting: Setting[Any]) -> bool:
        """Whether a directive set it in this scope."""
        return setting in self.values

    def __bool__(self) -> bool:
        return bool(self.values)

    def __setitem__(self, setting: Setting[T], value: T) -> None:
        """Set a value while the scope is being compiled."""
        self.values[setting] = value

    def merged(self, inner: Conf) -> Conf:
        """This scope with an inner one merged over it; neither changes."""
        if not inner.values:
            return self
        if not self.values:
            return inner
        values = dict(self.values)
        for setting, value in inner.values.items():
            if setting in values:
                values[setting] = setting.merge(values[setting], value)
            else:
                values[setting] = value
        return Conf(values)
