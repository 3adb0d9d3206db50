"""What directives have in common: reading their values, refusing bad ones with the remedy, and later checks.

A directive's code gets a `Call`; these helpers turn its words into values and store them. Errors
start with the directive's name, as httpd's do, and say what would be right.

Checks against the machine (does the directory, the user exist?) are not made where a directive
stands but kept in `CHECKS`, for whoever starts the server or runs ``-t``: an interpreter that
compiles the same configuration later, perhaps as another user, must not fail by them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from mpserver import lazyre
from mpserver.config.expression import Expression
from mpserver.config.regex import read_regex
from mpserver.config.registry import Call
from mpserver.config.settings import Conf, Setting, append
from mpserver.errors import ConfigError, ExpressionError
from mpserver.modules import paths
from mpserver.typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Check(NamedTuple):
    """A check to make at the start: ``test`` gives what is wrong, or None."""

    test: Callable[[], str | None]
    file: str
    line: int


CHECKS: Setting[tuple[Check, ...]] = Setting("checks", (), append, travels=False)


class UsedFilter(NamedTuple):
    """A filter that a directive names, in lower case, and where it does."""

    name: str
    directive: str
    is_output: bool
    file: str
    line: int


USED_FILTERS: Setting[tuple[UsedFilter, ...]] = Setting("filters that are named", (), append, travels=False)


def later(call: Call, test: Callable[[], str | None]) -> None:
    """Keep a check for the start."""
    call.server[CHECKS] = (*call.server[CHECKS], Check(test, call.file, call.line))


def check(confs: Iterable[Conf]) -> list[ConfigError]:
    """Make the kept checks of these servers' own settings. :returns: the faults, in their order."""
    faults = []
    for conf in confs:
        for kept in conf[CHECKS]:
            fault = kept.test()
            if fault is not None:
                faults.append(ConfigError(fault, kept.file, kept.line))
    return faults


# ---- reading words

Reader = Callable[[Call, str], T]

#: A time: digits and a unit; httpd's units.
TIME = lazyre.compile(r"(\d+)(ms|s|mi|min|h)?\Z", re.ASCII)
UNITS = {"ms": 0.001, "s": 1.0, "mi": 60.0, "min": 60.0, "h": 3600.0}
DIGITS = lazyre.compile(r"[+-]?\d+\Z", re.ASCII)


def number(least: int, most: int | None = None, remark: str = "", *, lower: bool = False) -> Reader[int]:
    """A reader of whole numbers from ``least`` to ``most``; ``remark`` is added to the error.

    ``lower``: numbers below ``least`` are let through, for the directive's code to raise them.
    """
    span = f"a whole number from {least}" + (" on" if most is None else f" to {most}")

    def read(call: Call, word: str) -> int:
        # (int() would take underscores and other scripts' digits; and no sane number is longer)
        if DIGITS.match(word) and len(word) < 20:
            value = int(word)
            if (lower or least <= value) and (most is None or value <= most):
                return value
        raise ConfigError(f'{call.name} "{word}" must be {span}{remark}')

    return read


def seconds(call: Call, word: str) -> float:
    """A time in seconds; without a unit the number counts seconds."""
    match = TIME.match(word)
    if match is None or len(word) > 15:
        raise ConfigError(
            f'{call.name} has wrong format: "{word}" must be a number of seconds, or a number with the unit '
            "ms, s, min or h, as in 30, 500ms or 2min"
        )
    value = int(match[1])
    return value * UNITS[match[2]] if match[2] else float(value)


def choice(words: Mapping[str, T]) -> Reader[T]:
    """A reader of one of some words, in any case; their keys in lower case."""
    shown = ", ".join(words)

    def read(call: Call, word: str) -> T:
        try:
            return words[word.lower()]
        except KeyError:
            raise ConfigError(f'{call.name} "{word}" must be one of: {shown}') from None

    return read


def one_of(*words: str) -> Reader[str]:
    """A reader of one of some words, in any case; they are kept in lower case."""
    return choice({word: word for word in words})


def flag(call: Call, word: str) -> bool:
    """On or Off."""
    word = word.lower()
    if word not in ("on", "off"):
        raise ConfigError(f"{call.name} must be On or Off")
    return word == "on"


def text(_call: Call, word: str) -> str:
    """Any word."""
    return word


def filled(call: Call, word: str) -> str:
    """A word that is not empty."""
    if not word:
        raise ConfigError(f"{call.name} can't be empty: write a value, or leave the directive out")
    return word


def filters(call: Call, word: str) -> str:
    """Names of filters in lower case, separated by semicolons. :raises ConfigError: one is empty."""
    names = [name.strip() for name in word.lower().split(";")]
    if not all(names):
        raise ConfigError(f'{call.name}: "{word}" has an empty name: write FILTER or FILTER;ANOTHER')
    is_output = "Output" in call.name
    used = tuple(UsedFilter(name, call.name, is_output, call.file, call.line) for name in names)
    call.server[USED_FILTERS] = (*call.server.values.get(USED_FILTERS, ()), *used)
    return ";".join(names)


def path(call: Call, word: str) -> str:
    """A file or directory, relative to ServerRoot."""
    return paths.absolute(call.root, filled(call, word))


def target(call: Call, word: str) -> str:
    """The same of what the rest of a URI's path may be put right behind: a slash at the end of the word stays."""
    found = path(call, word)
    return found + "/" if word.endswith("/") and found != "/" else found


def is_command(call: Call, word: str) -> bool:
    """Whether a log is a program that reads it: ``|command``. :raises ConfigError: there is none after the bar."""
    if word.startswith("|") and not word.strip("|$ "):
        raise ConfigError(f'{call.name}: there is no command after the "|"')
    return word.startswith("|")


def regex(call: Call, pattern: str) -> re.Pattern[str]:
    """A regular expression in PCRE's words.

    :raises ConfigError: Python can't compile it.
    """
    try:
        return read_regex(pattern)
    except ConfigError as error:
        reason = error.message.partition(": ")[2]
        raise ConfigError(f"Regular expression could not be compiled: {call.name} {pattern!r}: {reason}") from None


def signed(word: str) -> tuple[str, str]:
    """The sign before a word, + or -, or "" without one; and the rest of it."""
    return (word[0], word[1:]) if word[:1] in ("+", "-") else ("", word)


def expression(call: Call, source: str) -> Expression:
    """A text with variables (httpd: expressions as strings). :raises ConfigError: it is none."""
    from mpserver.config import expression_grammar  # (few configurations have any)

    try:
        return expression_grammar.string(source)
    except ExpressionError as error:
        raise ConfigError(f"Cannot parse expression in {call.name}: {error}") from error


# ---- storing values


def server(setting: Setting[T], read: Reader[T]) -> Callable[[Call], None]:
    """The code of a directive that gives one server-level setting its value."""

    def apply(call: Call) -> None:
        call.server[setting] = read(call, call.args[0])

    return apply


def directory(setting: Setting[T], read: Reader[T]) -> Callable[[Call], None]:
    """The code of a directive that gives one directory-level setting its value."""

    def apply(call: Call) -> None:
        call.conf[setting] = read(call, call.args[0])

    return apply


def optional(read: Reader[T], none: str = "none") -> Reader[T | None]:
    """A reader for which one word, in any case, means that there is no value."""

    def read_optional(call: Call, word: str) -> T | None:
        return None if word.lower() == none else read(call, word)

    return read_optional


def set_in(conf: Conf, setting: Setting[dict[str, Any]], entries: Mapping[str, Any]) -> None:
    """Add entries to a dict-like setting of one scope (never changing a default)."""
    conf[setting] = {**conf.values.get(setting, {}), **entries}
