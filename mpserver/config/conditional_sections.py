"""The conditional sections: IfDefine, IfModule, IfVersion, IfFile, IfDirective and IfSection.

Each condition gets the reader, the section's name as written and its argument (the text up to the
last ``>``, variables put in) and says whether the lines inside count.
httpd manual: core and mod_version.
"""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Callable, Mapping

from mpserver.config import lexer
from mpserver.config.regex import compile_regex
from mpserver.errors import ConfigError
from mpserver.typing import Protocol
from mpserver.version import HTTPD_VERSION

Version = tuple[int, ...]


class State(Protocol):
    """What conditions ask of the reader."""

    defines: dict[str, str]

    def absolute(self, path: str) -> str:
        """A path, relative to ServerRoot, as an absolute one."""

    def knows_module(self, name: str) -> bool:
        """Whether there is a module of that name (IfModule)."""

    def knows_directive(self, name: str) -> bool:
        """Whether there is a directive of that name (IfDirective)."""

    def knows_section(self, name: str) -> bool:
        """Whether there is a section of that name (IfSection)."""


Condition = Callable[[State, str, str], bool]


def _simple(test: Callable[[State, str], bool]) -> Condition:
    """A condition with one argument, negated by an exclamation mark before it."""

    def condition(state: State, name: str, argument: str) -> bool:
        word, _ = lexer.next_word(argument)
        negated = word.startswith("!")
        word = word[1:] if negated else word
        if not word:
            raise ConfigError(f"<{name}> directive requires additional arguments")
        return test(state, word) is not negated

    return condition


_OPERATORS: Mapping[str, Callable[[Version, Version], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


def _if_version(_state: State, _name: str, argument: str) -> bool:
    """``[[!]operator] version``, where ``~ regex``, ``= /regex/`` and ``/regex/`` match a pattern."""
    comparison, at = lexer.next_word(argument)
    wanted = argument[at:].strip(lexer.BLANKS)
    if not wanted:
        comparison, wanted = "=", comparison
    else:
        wanted, _ = lexer.next_word(wanted)
    negated = comparison.startswith("!") and len(comparison) > 1
    comparison = comparison[1:] if negated else comparison
    if comparison == "~":
        holds = _matches(wanted)
    elif comparison not in _OPERATORS:
        raise ConfigError(f"unrecognized operator '{comparison}'")
    elif comparison in ("=", "==") and len(wanted) > 1 and wanted[0] == wanted[-1] == "/":
        holds = _matches(wanted[1:-1])
    else:
        holds = _OPERATORS[comparison](HTTPD_VERSION, _version(wanted))
    return holds is not negated


def _matches(pattern: str) -> bool:
    try:
        compiled = compile_regex(pattern)
    except ConfigError as error:
        raise ConfigError("Unable to compile regular expression") from error
    return compiled.search(".".join(map(str, HTTPD_VERSION))) is not None


def _version(text: str) -> Version:
    if not re.fullmatch(r"[0-9]+(?:\.[0-9]+(?:\.[0-9]+)?)?", text):
        raise ConfigError(
            "Version appears to be invalid. It must have the format major[.minor[.patch]] "
            "where major, minor and patch are numbers."
        )
    parts = [int(part) for part in text.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


#: By lower-case name of the section.
TABLE: Mapping[str, Condition] = {
    "ifdefine": _simple(lambda state, name: name in state.defines),
    "ifmodule": _simple(lambda state, name: state.knows_module(name)),
    "iffile": _simple(lambda state, name: os.path.exists(state.absolute(name))),
    "ifdirective": _simple(lambda state, name: state.knows_directive(name)),
    "ifsection": _simple(lambda state, name: state.knows_section(name)),
    "ifversion": _if_version,
}
