"""What pages of docs/ show as files of somebody's site, so that tests can do as the pages say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from support.processes import PROJECT

#: A block, and the file that it is.
BLOCK = re.compile(r"^`site/(?P<file>[\w/.-]+)`:\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
#: The same, or what is typed and what comes of it.
STEP = re.compile(r"^(?:`site/(?P<file>[\w/.-]+)`:\n\n```\w+|```console)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
#: Any block of text with a language.
ANY = re.compile(r"^```(?P<language>\w+)\n", re.MULTILINE)


class Step(NamedTuple):
    """A file with its text; or, without a name, lines of a terminal."""

    file: str | None
    text: str


class Typed(NamedTuple):
    """A command, and what it shows ("": whatever that is)."""

    command: str
    shown: str


def page(name: str) -> str:
    """The text of a page of docs/."""
    return (PROJECT / "docs" / name).read_text()


def blocks(text: str) -> dict[str, str]:
    """The files that a page shows."""
    return {block["file"]: block["text"] for block in BLOCK.finditer(text)}


def steps(text: str) -> list[Step]:
    """What a page has one do, in its order."""
    return [Step(found["file"], found["text"]) for found in STEP.finditer(text)]


def typed(text: str) -> Iterator[Typed]:
    """The commands of a block, which begin with ``$``, and go on in further lines as long as a double quote is open."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        match = re.match(r'(?P<command>[^"\n]*(?:"[^"]*"[^"\n]*)*)\n?(?P<shown>.*)', part, re.DOTALL)
        assert match is not None
        yield Typed(match["command"], match["shown"])
