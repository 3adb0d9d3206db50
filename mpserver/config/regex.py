r"""Regular expressions as httpd takes them (PCRE), made fit for Python's ``re``.

Most patterns mean the same in both. What differs and is met in configurations is translated:
``(?<name>...)`` and ``(?'name'...)``, ``$`` (httpd: only at the very end), ``\z``, ``\Z``, ``\h``,
``\Q...\E``, and POSIX classes like ``[[:alpha:]]``.
"""

from __future__ import annotations

import math
import re

from mpserver import lazyre
from mpserver.errors import ConfigError
from mpserver.typing import cast

#: Patterns whose time grows with so high a power of a text's length are guarded against long texts. (The square of the
#: longest request line takes half a second.)
LEAST_POWER = 3
#: So many steps may be made for a text without a guard: less than a tenth of a second.
STEPS = 3_000_000

_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\\x00-\\x7f",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\t-\\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}

_TOKEN = lazyre.compile(
    r"""\\Q(?P<literal>.*?)(?:\\E|\Z)
      | \\(?P<escape>.)
      | (?P<set>\[\^?\]?(?:\[:\^?[a-z]+:\]|\\.|[^\]\\])*\])
      | (?P<unclosed>\[(?:\\.|[^\]\\])*+\\?\Z)
      | \(\?(?:<(?P<angle>[A-Za-z_]\w*)>|'(?P<tick>[A-Za-z_]\w*)')
      | (?P<dollar>\$)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)

_ESCAPES = {"z": r"\Z", "Z": r"(?=\n?\Z)", "h": r"[ \t]", "R": r"(?:\r\n|[\n\v\f\r])", "e": r"\x1b"}
_SET_TOKEN = lazyre.compile(r"\[:(\^?)([a-z]+):\]|\\(.)|(.)", re.DOTALL)


def compile_regex(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """The pattern compiled; a dot matches line ends, too, as in httpd 2.4, and classes are those of ASCII.

    Raises ConfigError (httpd's words, and what Python's ``re`` says) if it can't be.
    """
    try:
        return re.compile(translate(pattern), re.DOTALL | re.ASCII | (re.IGNORECASE if ignore_case else 0))
    except (re.error, OverflowError, RecursionError) as error:
        raise ConfigError(f"Regex could not be compiled: {error}") from error


def read_regex(pattern: str, *, ignore_case: bool = False) -> re.Pattern[str]:
    """The same for what requests are matched with: a pattern that could be kept busy for hours is refused.

    One whose time grows with the third power of a text's length, or a higher one, has long texts matched in linear
    time (`mpserver.config.linear`).
    """
    from mpserver.config.explosions import degrees, explodes  # (only while directives are read)

    made = compile_regex(pattern, ignore_case=ignore_case)
    if explodes(made.pattern, made.flags):
        raise ConfigError(
            f"Regex could not be compiled: a loop in '{pattern}' can take the same characters in two ways, so that a "
            "request could keep the server busy for hours. Write the inner loop once, as [a-z]+ in place of ([a-z]+)+, "
            "put between its rounds what the rounds can't have in them, or let it give nothing back: (?>...)"
        )
    if sum(map(made.pattern.count, "*+{")) < LEAST_POWER - 1:  # (so few loops can't do it)
        return made
    power, inner = degrees(made.pattern, made.flags)
    if power < LEAST_POWER:
        return made
    from mpserver.config.linear import Guarded, Linear, Unfit  # (few patterns need it)

    try:
        if inner >= LEAST_POWER:
            raise Unfit("loops in a look-around or an atomic group")
        Linear(made)
    except Unfit as error:
        raise ConfigError(
            f"Regex could not be compiled: '{pattern}' takes time with power {power} of the length of a text, so that "
            f"a request could keep the server busy for minutes, and has {error}, which keeps it from being matched in "
            "another way. Write what a part can't have in it, as [^/]* in place of .*, or begin with ^"
        ) from error
    return cast("re.Pattern[str]", Guarded(made, longest(power)))


def longest(power: int) -> int:
    """The length of the texts that a pattern is tried on as `re` does it, where its time grows with such a power."""
    return int((STEPS * math.factorial(power)) ** (1 / power))


def guarded(pattern: str, most: int, *, ignore_case: bool = False) -> re.Pattern[str]:
    """A pattern that `read_regex` has read, elsewhere; ``most``: the length of the texts that are `re`'s (0: all)."""
    made = compile_regex(pattern, ignore_case=ignore_case)
    if not most:
        return made
    from mpserver.config.linear import Guarded

    return cast("re.Pattern[str]", Guarded(made, most))


def guard_of(pattern: re.Pattern[str]) -> int:
    """What `guarded` needs to know of a pattern that was read."""
    return int(getattr(pattern, "longest", 0))


def translate(pattern: str) -> str:
    """The PCRE pattern in the words of Python's ``re``."""
    return _TOKEN.sub(_piece, pattern)


def _piece(match: re.Match[str]) -> str:
    kind = match.lastgroup
    text = match.group(kind) if kind else ""
    if kind == "literal":
        return re.escape(text)
    if kind == "escape":
        return _ESCAPES.get(text, "\\" + text)
    if kind == "set":
        return _set(text)
    if kind in ("angle", "tick"):
        return f"(?P<{text}>"
    if kind == "dollar":
        return r"\Z"
    if kind == "unclosed":
        return "["  # (the fault is told of it; its rest is none of a pattern)
    return match.group(0)


def _set(text: str) -> str:
    """A bracket expression; a literal ``[`` in it is escaped, since Python reserves nested sets."""
    head = 2 if text.startswith("[^") else 1
    body = text[head:-1]
    if body.startswith("]"):
        return text[:head] + "\\]" + _SET_TOKEN.sub(_member, body[1:]) + "]"
    return text[:head] + _SET_TOKEN.sub(_member, body) + "]"


def _member(match: re.Match[str]) -> str:
    negated, name, escape, other = match.groups()
    if name is not None:
        if name not in _POSIX or negated:
            raise ConfigError(f"Regex could not be compiled: the class {match.group(0)} is not supported")
        return _POSIX[name]
    if escape is not None:
        return " \\t" if escape == "h" else "\\" + escape
    return "\\" + str(other) if other in "[&|~" else str(other)
