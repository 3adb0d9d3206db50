"""What pages of docs/ show as files of somebody's site, so that tests can do as the pages say."""

from __future__ import annotations

import re

from support.processes import PROJECT

#: A block, and the file that it is.
BLOCK = re.compile(r"^`site/(?P<file>[\w/.]+)`:\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    """The text of a page of docs/."""
    return (PROJECT / "docs" / name).read_text()


def blocks(text: str) -> dict[str, str]:
    """The files that a page shows."""
    return {block["file"]: block["text"] for block in BLOCK.finditer(text)}
