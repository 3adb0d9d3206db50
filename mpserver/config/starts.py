"""Sections by what they can only match at the beginning of a text: of thousands, few have to be tried.

Many sections with patterns mostly have one form and differ in a word: ``^/shop/``, ``^/blog/``, ``/users/*/mail``. So
the literal text that a pattern begins with is looked up, and only what begins so is tested.
"""

from __future__ import annotations

from collections.abc import Iterable

from mpserver import lazyre
from mpserver.config.entries import EVERYTHING, REGEX, Entry

#: A section, and its place among all of its kind.
Placed = tuple[int, Entry]

#: What stands for itself behind the ``^`` of a regular expression.
_LITERAL = lazyre.compile(r"\^((?:[^\\^$.|?*+()\[\]{}]|\\[^0-9A-Za-z])*+)")
_LAST = lazyre.compile(r"\\?.\Z", lazyre.DOTALL)
_ESCAPED = lazyre.compile(r"\\(.)", lazyre.DOTALL)
#: What holds no group and no branch of the whole, whatever is in it.
_OPAQUE = lazyre.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", lazyre.DOTALL)
#: What a wildcard pattern begins with.
_BEFORE_WILDCARDS = lazyre.compile(r"[^*?\[\\]*+")


class ByStart:
    """Sections whose patterns have to be tested."""

    __slots__ = ("_by_length",)

    def __init__(self, sections: Iterable[Placed]) -> None:
        #: By the length of what they begin with, and by that.
        self._by_length: dict[int, dict[str, list[Placed]]] = {}
        for placed in sections:
            start = start_of(placed[1])
            self._by_length.setdefault(len(start), {}).setdefault(start, []).append(placed)

    def matching(self, text: str) -> list[Placed]:
        """Those that match a text, in no order."""
        found: list[Placed] = []
        for length, starts in self._by_length.items():
            for placed in starts.get(text[:length], ()):
                test = placed[1].test
                if test is not None and test(text):
                    found.append(placed)
        return found


def start_of(entry: Entry) -> str:
    """What all texts begin with that a section's pattern matches; "" where that is not plain to see."""
    if entry.meant == EVERYTHING:
        return ""
    if entry.meant == REGEX:
        return _regex_start(entry.pattern)
    found = _BEFORE_WILDCARDS.match(entry.pattern)
    return found[0] if found else ""


def _regex_start(pattern: str) -> str:
    found = _LITERAL.match(pattern)
    if found is None or "\\Q" in pattern or _has_branches(pattern):
        return ""
    start = found[1]
    if pattern[found.end() : found.end() + 1] in ("?", "*", "+", "{"):
        start = _LAST.sub("", start)  # (that many of its last character)
    return _ESCAPED.sub(r"\1", start)


def _has_branches(pattern: str) -> bool:
    """Whether a regular expression as a whole is one of several."""
    depth = 0
    for char in _OPAQUE.sub("", pattern):
        if char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "|" and depth <= 0:
            return True
    return False
