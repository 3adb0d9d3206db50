"""How processes are recognised: by the titles that they gave themselves."""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: str) -> str:
    """A text as titles have it: a path may hold bytes that are no UTF-8, which can't stand there as they are."""
    return text.encode(errors="backslashreplace").decode()


def title(words: Sequence[str]) -> str:
    """The title that a process gave itself, or the words of its command with a blank between them.

    A title that is longer than the command was comes without an end of its own, and psutil takes it apart at its
    blanks; a shorter one is followed by empty words.

    :param words: what psutil says of its command line.
    """
    return " ".join(words).rstrip()


def parts(name: str) -> tuple[str, str]:
    """What a title of ours says of its process, and the configuration of its server; "" where that is not told whole.

    (A title that found no room for all of it has no bracket at its end.)
    """
    start, _, rest = name.partition(" [")
    return start, rest[:-1] if rest.endswith("]") else ""
