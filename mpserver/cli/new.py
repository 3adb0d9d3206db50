"""``mpserver new FOLDER``: a site to begin with, with one page of each kind, comments, and a test."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from mpserver.cli.options import SITE_FILE
from mpserver.errors import UsageError
from mpserver.system.titles import printable

#: By the files of a site: the text that each has, in the folder ``new_site`` beside this module.
FILES: Mapping[str, str] = {
    SITE_FILE: "mpserver.conf.in",
    "www/index.psp": "index.psp.in",
    "www/notes.py": "notes.py.in",
    "code/hello.py": "hello.py.in",
    "code/shop.py": "shop.py.in",
    "static/style.css": "style.css.in",
    "test_site.py": "test_site.py.in",
    ".gitignore": "gitignore.in",
    "run/.gitignore": "run_gitignore.in",
}

#: What a path can't hold: the configuration and a page have it, where these would end a word or begin another thing.
_FORBIDDEN = frozenset("\"'\\<>&$%*?[\n")

_AS_ROOT = """
# Root made this site, and may read it. Before others use it: name an account that can read this folder, and no more.
User root
"""


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(
        "mpserver new",
        description="Make a site to begin with: a configuration, a handler, a module whose functions are pages, a page "
        "with Python in it, a WSGI application, a file, and a test. mpserver -X serves it, in its folder.",
    )
    made.add_argument("folder", help="where it shall be; there must be no such folder yet, or it must be empty")
    return made


def make(folder: Path) -> None:
    """Write the files of a site. :raises UsageError: they can't be written there, or something is there already."""
    if wrong := _FORBIDDEN.intersection(str(folder)):
        raise UsageError(f"{folder} can't be the folder of a site: choose a path without {' '.join(sorted(wrong))}")
    if printable(str(folder)) != str(folder):
        raise UsageError(f"{printable(str(folder))} can't be the folder of a site: choose a path that is UTF-8")
    texts = files("mpserver.cli") / "new_site"
    values = {"@NAME@": folder.name, "@SITE@": str(folder), "@USER@": _AS_ROOT if os.geteuid() == 0 else ""}
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty: name a folder that is not there yet")
        for name, source in FILES.items():
            text = (texts / source).read_text("utf-8")
            for word, value in values.items():
                text = text.replace(word, value)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{folder} can't be made: {error}") from error


def main(arguments: Sequence[str]) -> int:
    """The command. :returns: the exit status."""
    options = parser().parse_args(arguments)
    folder = Path(os.path.abspath(options.folder))
    try:
        make(folder)
    except UsageError as error:
        sys.stderr.write(f"mpserver new: {error}\n")
        return 1
    shown = shlex.quote(options.folder)
    print(
        f"{folder} has a site now. To see it:\n"
        f"    cd {shown}\n"
        "    mpserver -X            # then open http://127.0.0.1:8000/; Ctrl-C ends it\n"
        "    python -m unittest     # asks every page\n"
        f"{SITE_FILE} says what serves what."
    )
    return 0
