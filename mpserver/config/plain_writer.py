"""Finished settings made plain, see `mpserver.config.plain`."""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import Callable, Mapping

from mpserver import enumeration
from mpserver.config.plain import CONF, ENUMERATION, OBJECT, PATTERN, RECORD, Name, PlainConf
from mpserver.config.settings import Conf
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.config.settings import Setting

_ATOMS = frozenset((str, bytes, int, float, bool, type(None)))


class Writer:
    """Makes settings plain; ``names`` is what a `Reader` needs to read them."""

    def __init__(self) -> None:
        self.names: list[Name] = []
        self._numbers: dict[object, int] = {}

    def conf(self, conf: Conf) -> PlainConf:
        """The values of a scope. :raises TypeError: one has no plain form."""
        plain: dict[int, Any] = {}
        other: dict[int, Any] = {}
        for setting, value in conf.values.items():
            if setting.travels:
                written = self.value(value)
                (plain if _is_plain(written) else other)[self._setting(setting)] = written
        return plain, other

    def value(self, value: Any) -> Any:
        """A value. :raises TypeError: it has no plain form."""
        kind = type(value)
        if kind in _ATOMS:
            return value
        convert = _CONVERT.get(kind)
        if convert is not None:
            return convert(self, value)
        if isinstance(value, (enum.Enum, enumeration.Enum)):
            return [ENUMERATION, self._class(kind), value.value]
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return [RECORD, self._class(kind), *map(self.value, value)]
        if hasattr(kind, "from_plain"):
            return [OBJECT, self._class(kind), *map(self.value, value.to_plain())]
        raise TypeError(f"a setting's value has no plain form: {value!r}")

    def _setting(self, setting: Setting[Any]) -> int:
        number = self._numbers.get(setting)
        if number is None:
            found = vars(sys.modules[setting.module])
            name = next((name for name, its in found.items() if its is setting), None)
            if name is None:
                raise TypeError(f"{setting!r} is no constant of {setting.module}, so nobody finds it there")
            number = self._add(setting, (setting.module, name))
        return number

    def _class(self, kind: type) -> int:
        number = self._numbers.get(kind)
        return self._add(kind, (kind.__module__, kind.__qualname__)) if number is None else number

    def _add(self, named: object, name: Name) -> int:
        number = self._numbers[named] = len(self.names)
        self.names.append(name)
        return number


_CONVERT: Mapping[type, Callable[[Writer, Any], Any]] = {
    tuple: lambda writer, value: tuple(map(writer.value, value)),
    dict: lambda writer, value: {key: writer.value(its) for key, its in value.items()},
    frozenset: lambda writer, value: frozenset(map(writer.value, value)),
    re.Pattern: lambda _writer, value: [PATTERN, value.pattern, value.flags],
    Conf: lambda writer, value: [CONF, *writer.conf(value)],
}


def _is_plain(written: Any) -> bool:
    kind = type(written)
    if kind is list:
        return False
    if kind is dict:
        return all(map(_is_plain, written.values()))
    return kind is not tuple or all(map(_is_plain, written))
