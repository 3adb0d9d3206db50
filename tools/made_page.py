"""The commands that write a page of docs/, or check that it is what they would write."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def command(
    description: str | None, tool: str, file: Path, page: Callable[[], str], faults: Iterable[str], *, ends: bool = True
) -> int:
    """Write a page, or check it (``--check``), and print what is wrong. :returns: the exit status.

    :param page: makes its text; ``faults``: what is wrong besides, in the tables that it is made of.
    :param ends: whether a line at the end says what to do; else the one about the page does.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is not right")
    arguments = parser.parse_args()
    found = list(faults)
    if arguments.check:
        if not file.exists() or file.read_text() != page():
            found.append(f"{file.relative_to(ROOT)} is not what {tool} writes{'' if ends else ': run it'}")
    else:
        file.write_text(page())
    for fault in found:
        print(fault)
    if found and arguments.check and ends:
        print(f"Mend that, and run {tool}.")
    return int(bool(found))
