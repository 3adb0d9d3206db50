"""Wildcard patterns as httpd's sections and Include use them (fnmatch(3) of POSIX).

``*`` and ``?`` match no slash in paths, ``[...]`` neither; ``[!...]`` and ``[^...]`` negate; a backslash
takes the next character literally.
"""

from __future__ import annotations

import re


def is_wild(text: str) -> bool:
    """Whether a text holds a wildcard (an escaped one does not count, an unclosed bracket neither)."""
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char in "*?" or (char == "[" and "]" in text[at + 1 :]):
            return True
        at += 1
    return False


def compile_glob(
    pattern: str, *, path: bool = True, period: bool = False, ignore_case: bool = False
) -> re.Pattern[str]:
    """A regular expression to ``fullmatch`` with.

    ``path``: wildcards match no slash. ``period``: they match no period at the start of a name.
    """
    pieces: list[str] = []
    at, end = 0, len(pattern)
    guard = r"(?!\.)"
    while at < end:
        char = pattern[at]
        first = at == 0 or (path and pattern[at - 1] == "/")
        at += 1
        if char in "*?[" and period and first:
            pieces.append(guard)
        if char == "*":
            pieces.append("[^/]*" if path else ".*")
        elif char == "?":
            pieces.append("[^/]" if path else ".")
        elif char == "[":
            text, at = _bracket(pattern, at, path)
            pieces.append(text)
        else:
            if char == "\\" and at < end:
                char = pattern[at]
                at += 1
            pieces.append(re.escape(char))
    return re.compile("".join(pieces), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _bracket(pattern: str, at: int, path: bool) -> tuple[str, int]:
    """The set that begins behind an opening bracket and where the rest begins; a lone bracket is literal."""
    start = at
    negated = pattern[at : at + 1] in ("!", "^") and at < len(pattern)
    if negated:
        at += 1
    members: list[str] = []
    while at < len(pattern) and (pattern[at] != "]" or not members):
        if pattern[at] == "\\" and at + 1 < len(pattern):
            at += 1
            members.append(re.escape(pattern[at]))
        elif pattern[at] == "-" and members and pattern[at + 1 : at + 2] not in ("]", ""):
            members.append("-")
        else:
            members.append(re.escape(pattern[at]))
        at += 1
    if at >= len(pattern):
        return r"\[", start
    text = f"[{'^' if negated else ''}{''.join(members)}]"
    try:
        re.compile(text)
    except re.error:  # a range that runs backwards matches nothing
        text = r"(?!)"
    return ("(?!/)" if path else "") + text, at + 1
