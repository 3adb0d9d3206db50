"""From text to words: lines, continuation, comments, quoting, variables.

What is followed is httpd's own reader (httpd manual, "Configuration Files: Syntax"): a backslash
right before the line's end joins the next line, ``${NAME}`` is put into the whole line before it is
taken apart (so a value may hold several words), words are split at blanks, and quotes group.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from mpserver import lazyre

#: What C's isspace() calls a blank; other Unicode blanks are part of words.
BLANKS = " \t\n\r\v\f"

_UNQUOTED_END = lazyre.compile(r"[ \t\n\r\v\f]+")
_VARIABLE = lazyre.compile(r"\$\{([^}]*)\}")

#: Gives the text for a variable's name, or None if there is none (then the text stays as it is).
Lookup = Callable[[str], "str | None"]


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The logical lines of a file with their numbers (from 1), stripped; blank ones and comments left out.

    A line continued over several carries the number of its last one, as in httpd's messages.
    A comment continues over a backslash, too.
    """
    physical = text.split("\n")
    last = len(physical) - 1
    pending: list[str] = []
    for index, line in enumerate(physical):
        if line[-1:] == "\r":
            line = line[:-1]
        if line[-1:] == "\\" and index != last:
            pending.append(line[:-1])
            continue
        if pending:
            pending.append(line)
            line = "".join(pending)
            pending.clear()
        line = line.strip(BLANKS)
        if line and line[0] != "#":
            yield index + 1, line


def next_word(text: str, start: int = 0) -> tuple[str, int]:
    """The word at ``start`` (blanks before it are skipped) without its quotes, and where the rest begins.

    At the end of the text: an empty word. A closing quote ends its word even if no blank follows,
    and a missing one is closed by the line's end. Within quotes a backslash protects that quote
    and a backslash, outside only a backslash; anywhere else it stands for itself.
    """
    end = len(text)
    while start < end and text[start] in BLANKS:
        start += 1
    if start == end:
        return "", end
    quote = text[start]
    if quote not in "\"'":
        found = _UNQUOTED_END.search(text, start)
        word = text[start : found.start()] if found else text[start:]
        return word.replace("\\\\", "\\"), (found.end() if found else end)
    pieces: list[str] = []
    at = start + 1
    while at < end and text[at] != quote:
        if text[at] == "\\" and text[at + 1 : at + 2] in (quote, "\\"):
            at += 1
        pieces.append(text[at])
        at += 1
    at += 1
    while at < end and text[at] in BLANKS:
        at += 1
    return "".join(pieces), min(at, end)


def words(text: str) -> tuple[str, ...]:
    """All words of a text."""
    if '"' not in text and "'" not in text and "\\" not in text:
        text = text.strip(BLANKS)
        return tuple(_UNQUOTED_END.split(text)) if text else ()
    found: list[str] = []
    at = 0
    while at < len(text):
        word, at = next_word(text, at)
        found.append(word)
    return tuple(found)


def substitute(text: str, lookup: Lookup) -> str:
    """The text with each ``${NAME}`` replaced by what ``lookup`` has for it; values are not read again."""
    if "${" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        found = lookup(match.group(1))
        return match.group(0) if found is None else found

    # (what is never closed would be looked for to the end once for each that is opened)
    end = text.rfind("}") + 1
    return _VARIABLE.sub(value, text[:end]) + text[end:]


def quote(word: str) -> str:
    """A word as it has to be written so that it is read back as it is.

    Line ends can't be written in a configuration file; ``ValueError`` for them.
    """
    if "\n" in word:
        raise ValueError("a configuration file can't hold a line end in a word")
    if word and word[0] not in "\"'#" and not any(c in BLANKS or c == "\\" for c in word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
