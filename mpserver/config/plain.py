"""Finished settings as plain data, which ``marshal`` takes, and back.

What settings hold is plain, or one of a few kinds of things: records (NamedTuples), enumerations, regular
expressions, and objects whose class has ``to_plain`` and ``from_plain``. Such a thing is a list here, its kind
first: settings hold no lists, which could change. Settings, and the classes of values, are named by their modules
and names there; what was written together shares one table of them.
"""

from __future__ import annotations

from importlib import import_module

from mpserver import lazyre
from mpserver.config.settings import Conf
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

#: The kinds of things.
RECORD, ENUMERATION, PATTERN, OBJECT, CONF = range(5)

#: A setting or a class: the module that declares it, and its name there.
Name = tuple[str, str]
#: A Conf: the values of its settings that are plain all through, and the others; by the settings' numbers.
PlainConf = tuple[dict[int, Any], dict[int, Any]]


class Reader:
    """Makes settings of what a `mpserver.config.plain_writer.Writer` wrote; imports the modules that declare them."""

    __slots__ = ("_found", "_names")

    def __init__(self, names: Sequence[Name]) -> None:
        self._names = names
        self._found: list[Any] = [None] * len(names)

    def conf(self, written: PlainConf) -> Conf:
        """The scope."""
        plain, other = written
        named, value = self._named, self._value
        values = {named(number): its for number, its in plain.items()}
        for number, its in other.items():
            values[named(number)] = value(its)
        return Conf(values)

    def entries(self, written: tuple[Any, ...]) -> list[Any]:
        """The values of a tuple."""
        return [self._value(its) for its in written]

    def _value(self, written: Any) -> Any:
        kind = type(written)
        if kind is tuple:
            return tuple([self._value(its) for its in written])
        if kind is dict:
            return {key: self._value(its) for key, its in written.items()}
        return self._things[written[0]](self, written) if kind is list else written

    def _named(self, number: int) -> Any:
        found = self._found[number]
        if found is None:
            module, name = self._names[number]
            found = self._found[number] = getattr(import_module(module), name)
        return found

    def _record(self, written: list[Any]) -> Any:
        return self._named(written[1])._make([self._value(its) for its in written[2:]])

    def _enumeration(self, written: list[Any]) -> Any:
        return self._named(written[1])(written[2])

    def _pattern(self, written: list[Any]) -> re.Pattern[str]:
        return lazyre.compile(written[1], written[2])

    def _object(self, written: list[Any]) -> Any:
        return self._named(written[1]).from_plain(*[self._value(its) for its in written[2:]])

    def _conf(self, written: list[Any]) -> Conf:
        return self.conf((written[1], written[2]))

    #: By kind.
    _things = (_record, _enumeration, _pattern, _object, _conf)
