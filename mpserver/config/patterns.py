"""Wildcard patterns as httpd's sections and Include use them (fnmatch(3) of POSIX).

``*`` and ``?`` match no slash in paths, ``[...]`` neither; ``[!...]`` and ``[^...]`` negate; a backslash
takes the next character literally.
"""

from __future__ import annotations

import re


def is_wild(text: str) -> bool:
    """Whether a text holds a wildcard (an escaped one does not count, an unclosed bracket neither)."""
    at, closed = 0, text.rfind("]")
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char in "*?" or (char == "[" and closed > at):
            return True
        at += 1
    return False


def compile_glob(
    pattern: str, *, path: bool = True, period: bool = False, ignore_case: bool = False
) -> re.Pattern[str]:
    """A regular expression to ``fullmatch`` with, in time that grows with the text, however many ``*`` there are.

    ``path``: wildcards match no slash. ``period``: they match no period at the start of a name.
    """
    pieces: list[str] = []
    #: What stands between two stars, but for the last piece.
    chunks: list[str] = []
    at, end = 0, len(pattern)
    guard, one = r"(?!\.)", "[^/]" if path else "."
    closes = True
    while at < end:
        char = pattern[at]
        first = at == 0 or (path and pattern[at - 1] == "/")
        at += 1
        if char in "*?[" and period and first:
            pieces.append(guard)
        if char == "*":
            chunks.append("".join(pieces))
            pieces = []
        elif char == "?":
            pieces.append(one)
        elif char == "[" and closes:
            text, after = _bracket(pattern, at, path)
            pieces.append(text)
            closes, at = after > at, after  # (where one does not close, none behind it does)
        else:
            if char == "\\" and at < end:
                char = pattern[at]
                at += 1
            pieces.append(re.escape(char))
    if chunks:
        # (where what follows a star is found first it need not be looked for further on: the next star takes the rest)
        begin, *inner = chunks
        pieces = [begin, *(f"(?>{one}*?{chunk})" for chunk in inner), f"{one}*", *pieces]
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
