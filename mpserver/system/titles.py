"""How processes are recognised: by the titles that they gave themselves."""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil


def printable(text: str) -> str:
    """A text as titles have it: a path may hold bytes that are no UTF-8, which can't stand there as they are."""
    return text.encode(errors="backslashreplace").decode()


def title(process: psutil.Process) -> str:
    """The title that a process gave itself, or the words of its command with a blank between them.

    A title that is longer than the command was comes without an end of its own, and psutil takes it apart at its
    blanks; a shorter one is followed by empty words.

    :raises psutil.Error: it has ended, or may not be looked at.
    """
    return " ".join(process.cmdline()).rstrip()
