"""Macro, Use and UndefMacro: parts of a configuration that are written once (httpd's mod_macro).

A macro keeps its lines as they are written. Where it is used its parameters are replaced, as text and the longest
first, and what comes out is read as if it stood there. What is defined by Define is put in then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from mpserver.config import lexer
from mpserver.errors import ConfigError
from mpserver.typing import NamedTuple, Protocol

#: What a parameter may begin with, so that it is told from other text.
SIGNS = "$@%"
#: The one of them with which an argument arrives in quotation marks.
QUOTED = "@"

Line = tuple[int, str]


class Macro(NamedTuple):
    """A macro: its parameters, its lines with their numbers, and where it was defined."""

    name: str
    parameters: tuple[str, ...]
    lines: tuple[Line, ...]
    file: str
    line: int

    def used(self, arguments: Sequence[str]) -> list[Line]:
        """The lines with these arguments in the parameters' places. :raises ConfigError: there are more, or fewer."""
        if len(arguments) != len(self.parameters):
            raise ConfigError(
                f"macro '{self.name}' ({self.place}) with {len(self.parameters)} arguments used with "
                f"{len(arguments)} (in that order: {' '.join(self.parameters) or 'none'})"
            )
        if not self.parameters:
            return list(self.lines)
        values = {
            parameter: _quoted(argument) if parameter[0] == QUOTED else argument
            for parameter, argument in zip(self.parameters, arguments, strict=True)
        }
        pattern = re.compile("|".join(map(re.escape, sorted(values, key=len, reverse=True))))
        return [(number, pattern.sub(lambda found: values[found[0]], text)) for number, text in self.lines]

    @property
    def place(self) -> str:
        """Where it was defined."""
        return f"defined on line {self.line} of {self.file}"


def _quoted(argument: str) -> str:
    """An argument as one word of a line, whatever is in it."""
    return '"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Reader(Protocol):
    """What macros need of the reader of files."""

    macros: dict[str, Macro]
    using: list[str]

    @property
    def place(self) -> tuple[str, int]:
        """The file and line that is read."""

    def warn(self, text: str) -> None:
        """Note a warning about it."""

    def read_at_once(self, lines: Sequence[Line], file: str) -> None:
        """Read lines at this place."""


class Collector:
    """Takes the lines of a macro that begins, up to its end."""

    __slots__ = ("_lines", "_name", "_parameters", "_place")

    def __init__(self, reader: Reader, text: str) -> None:
        """Begin with ``text``, that of ``<Macro text>``. :raises ConfigError: a name is missing, or there twice."""
        self._place = reader.place
        self._lines: list[Line] = []
        words = lexer.words(text)
        if not words or not words[0]:
            raise ConfigError("<Macro> must have a name: write <Macro name $parameter ...>")
        self._name, self._parameters = words[0], words[1:]
        for number, parameter in enumerate(self._parameters):
            if not parameter or parameter in self._parameters[:number]:
                raise ConfigError(f"<Macro {self._name}>: parameter {number + 1} is empty or named twice")
            if parameter[0] not in SIGNS:
                reader.warn(
                    f"macro '{self._name}': better begin a parameter name ('{parameter}') with one of {' '.join(SIGNS)}"
                )
            for other in self._parameters[:number]:
                if parameter.startswith(other) or other.startswith(parameter):
                    reader.warn(f"macro '{self._name}': parameter name conflict ('{other}' and '{parameter}')")

    def take(self, number: int, text: str) -> bool:
        """Take a line. :returns: whether it was the last. :raises ConfigError: another macro begins in it."""
        word = lexer.next_word(text)[0].lower()
        if word == "</macro>":
            return True
        if word.startswith("<macro"):
            raise ConfigError(
                f"<Macro {self._name}>: a macro can't be defined within another one: close it by </Macro>"
            )
        self._lines.append((number, text))
        return False

    def end(self, reader: Reader) -> None:
        """It is whole: whoever comes after it may use it."""
        file, line = self._place
        macro = Macro(self._name, self._parameters, tuple(self._lines), file, line)
        before = reader.macros.get(self._name.lower())
        if before is not None:
            reader.warn(f"macro '{self._name}' multiply defined: {before.place}, redefined on line {line} of {file}")
        contents = "\n".join(text for _, text in self._lines)
        for parameter in self._parameters:
            if parameter not in contents:
                reader.warn(f"macro '{self._name}' ({macro.place}): parameter '{parameter}' never used")
        if not self._lines:
            reader.warn(f"macro '{self._name}' ({macro.place}) is empty")
        reader.macros[self._name.lower()] = macro

    def not_closed(self) -> ConfigError:
        """The file ends before it does."""
        return ConfigError(f"<Macro {self._name}> was not closed: </Macro> is missing", *self._place)


def use(reader: Reader, raw: str) -> None:
    """``Use name argument ...``.

    :raises ConfigError: there is no such macro, it is in use, or the arguments don't fit.
    """
    words = lexer.words(raw)
    if not words or not words[0]:
        raise ConfigError("Use: no macro name specified")
    key = words[0].lower()
    macro = reader.macros.get(key)
    if macro is None:
        known = ", ".join(sorted(found.name for found in reader.macros.values())) or "none so far"
        raise ConfigError(f"Use: macro '{words[0]}' undefined (there are: {known})")
    if key in reader.using:
        raise ConfigError(f"Use: recursive use of macro '{macro.name}' is invalid")
    file, line = reader.place
    lines = macro.used(words[1:])
    reader.using.append(key)
    try:
        reader.read_at_once(lines, f"macro '{macro.name}' ({macro.place}) used on line {line} of {file}")
    finally:
        reader.using.pop()


def undefine(reader: Reader, raw: str) -> None:
    """``UndefMacro name``. :raises ConfigError: there is no such macro."""
    words = lexer.words(raw)
    if not words or reader.macros.pop(words[0].lower(), None) is None:
        raise ConfigError(f"UndefMacro: cannot remove undefined macro '{words[0] if words else ''}'")


#: The directives, by their names in lower case.
DIRECTIVES: dict[str, Callable[[Reader, str], None]] = {"use": use, "undefmacro": undefine}
