"""What both commands have in common: their options, and the ground on which servers run."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benching.ground import TOOLS, Ground, certified, is_root, prepared, soft_limit
from benching.machine import description

from bearing.servers import Kind

#: The load average from which on a page says that the machine was busy with something else.
BUSY = 1.5
DOCS = TOOLS.parent / "docs"


def parser(prog: str, about: str, kinds: Sequence[Kind]) -> argparse.ArgumentParser:
    """The options of both."""
    made = argparse.ArgumentParser(prog=prog, description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ", ".join(kind.name for kind in kinds)
    made.add_argument("--servers", default="", metavar="TEXT,...", help=f"only those with TEXT in their name: {names}")
    made.add_argument("--only", default="", metavar="TEXT", help="only the rows with TEXT in their name")
    made.add_argument("--list", action="store_true", help="name the rows")
    made.add_argument("--no-page", action="store_true", help="print the table, and leave the page as it is")
    made.add_argument(
        "--peers-root", default=os.environ.get("MPSERVER_PEERS_ROOT", ""), metavar="FOLDER",
        help="another root with peers installed in it, as debootstrap makes one (MPSERVER_PEERS_ROOT); for root only",
    )  # fmt: skip
    made.add_argument(
        "--peers-path", default=os.environ.get("MPSERVER_PEERS_PATH", ""), metavar="FOLDER:...",
        help="more folders for programs in that root (MPSERVER_PEERS_PATH)",
    )  # fmt: skip
    return made


def chosen(kinds: Sequence[Kind], text: str) -> list[Kind]:
    """The servers that were asked for."""
    words = [word.lower() for word in text.split(",") if word]
    return [kind for kind in kinds if not words or any(word in kind.name.lower() for word in words)]


def whole(options: argparse.Namespace) -> bool:
    """Whether all was asked for, so that a page can be written."""
    return not (options.servers or options.only or options.no_page)


@contextlib.contextmanager
def grounds(options: argparse.Namespace) -> Iterator[list[Ground]]:
    """Where servers run, with the site, a certificate and a long file in it.

    :raises SystemExit: another root is named, and we are not root
    """
    if options.peers_root and not is_root():
        raise SystemExit("--peers-root needs root's rights")
    soft_limit()
    with contextlib.ExitStack() as stack:
        made = [stack.enter_context(prepared())]
        if options.peers_root:
            made.append(stack.enter_context(prepared(Path(options.peers_root))))
        certified(made)
        for ground in made:
            (ground.folder / "site" / "static" / "6m.bin").write_bytes(bytes(6 << 20))
            (ground.folder / "site" / "static" / "6m.bin").chmod(0o644)
        yield made


def machine() -> str:
    """The machine and what else it had to do, and the versions of what is compared from PyPI."""
    about = description()
    found = []
    for name in ("gunicorn", "granian"):
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    busy = os.getloadavg()[0]
    other = f" The machine had other work: a load average of {busy:.0f}." if busy >= BUSY else ""
    return (
        f"{about['processor']}, {about['cores']} cores, {about['memory']}, {platform.system()} {platform.release()},"
        f" Python {about['Python']}{''.join(f', {text}' for text in found)}.{other}"
    )
