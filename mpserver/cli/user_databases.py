"""``mpserver htdbm`` and ``mpserver httxt2dbm``: databases of users and groups, with the options of httpd's programs.

What they make are SQLite files, which Python's ``dbm`` opens from 3.13 on (`mpserver.modules.databases` reads them).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from mpserver.cli.user_files import (
    Wrong,
    check,
    check_options,
    encrypt,
    in_place_of,
    no_file,
    no_user,
    read,
    run,
    verify,
)
from mpserver.modules.databases import COMPANIONS, TYPES, uri
from mpserver.typing import TypeVar

T = TypeVar("T")

HTDBM = """\
Usage: mpserver htdbm [-cimBs25dtvxC:] [-b] FILE USER [PASSWORD] [REMARK]
       mpserver htdbm -n[...] [-b] USER [PASSWORD] [REMARK]
       mpserver htdbm -l FILE
  -c  make a new file, in place of one that is there
  -n  show what would be stored, and change no file
  -t  the last argument is a remark; what stands before its first colon are the user's groups for Require dbm-group
  -x  remove the user               -v  verify the user's password      -l  list the users
  -T TYPE: default or sqlite, which are the same
-b, -i and the ways to encrypt (-B -C -m -2 -5 -s -d) are those of mpserver htpasswd.
"""
HTTXT2DBM = """\
Usage: mpserver httxt2dbm [-f TYPE] -i TEXT -o FILE
Makes a new database of a text of lines "KEY VALUE"; lines that begin with # are remarks.
  -f  default or sqlite, which are the same
"""

#: Seconds to wait for another who writes.
_PATIENCE = 10.0
_TABLE = "CREATE TABLE IF NOT EXISTS Dict (key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)"


def htdbm(words: Sequence[str]) -> int:
    """The command. :returns: its exit status."""
    return run(words, HTDBM, _htdbm)


def httxt2dbm(words: Sequence[str]) -> int:
    """The command. :returns: its exit status."""
    return run(words, HTTXT2DBM, _httxt2dbm)


def _htdbm(words: Sequence[str]) -> str:
    asked = read(_without_type(words), "cnbiBm25sdtvxlC")
    options = asked.options
    shows, lists, given, remarks = "n" in options, "l" in options, "b" in options, "t" in options
    if len(asked.words) != (1 if lists else (not shows) + 1 + given + remarks):
        raise Wrong("there are too few or too many arguments")
    check_options(options, "cnvxl", "tv", "tx", "tl")
    if lists:
        keys = _in_file(asked.words[0], lambda file: file.execute("SELECT key FROM Dict ORDER BY key").fetchall())
        return "\n".join(os.fsdecode(key) for (key,) in keys)
    path, user = ("" if shows else asked.words[0]), asked.words[0 if shows else 1]
    check(user, "user name")
    key = os.fsencode(user)
    remark = f":{asked.words[-1]}" if remarks else ""
    if remarks:
        asked = asked._replace(words=asked.words[:-1])
    if "x" in options:
        if not _in_file(path, lambda file: file.execute("DELETE FROM Dict WHERE key = ?", (key,)).rowcount):
            raise no_user(user, path)
        return ""
    if "v" in options:
        row = _in_file(path, lambda file: file.execute("SELECT value FROM Dict WHERE key = ?", (key,)).fetchone())
        if row is None:
            raise no_user(user, path)
        return verify(asked, given, user, row[0].decode("latin-1").partition(":")[0])
    if not (shows or "c" in options):
        _in_file(path, lambda _file: None)  # (nobody types a password for a file that is not there)
    encrypted = encrypt(asked, given)
    if shows:
        return f"{user}:{encrypted}{remark}"
    entry = key, os.fsencode(encrypted + remark)
    if "c" in options:
        _make(path, [entry])
    else:
        _in_file(path, lambda file: file.execute("REPLACE INTO Dict (key, value) VALUES (?, ?)", entry))
    return ""


def _without_type(words: Sequence[str]) -> list[str]:
    """The words without -T and its value, which may stand in the same word."""
    rest = list(words)
    for place, word in enumerate(rest):
        if word.startswith("-T"):
            count = 1 if word[2:] else 2
            _check_type("".join(rest[place : place + count])[2:])
            return rest[:place] + rest[place + count :]
    return rest


def _check_type(word: str) -> None:
    if word.lower() not in TYPES:
        raise Wrong(f"files of the type {word!r} can't be made: there are {' and '.join(TYPES)}, which are the same")


def _httxt2dbm(words: Sequence[str]) -> str:
    options = dict(zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or len(options) * 2 != len(words) or not {"-i", "-o"} <= options.keys() <= {"-i", "-o", "-f"}:
        raise Wrong("write -i TEXT -o FILE")
    _check_type(options.get("-f", "default"))
    with open(options["-i"], "rb") as file:
        lines = [line.split(None, 1) for line in file if not line.startswith(b"#")]
    _make(options["-o"], ((parts[0], parts[1].rstrip()) for parts in lines if len(parts) == 2))
    return ""


def _in_file(path: str, work: Callable[[sqlite3.Connection], T]) -> T:
    """Do something in a file that is there, wholly or not at all. :raises Wrong: it can't be used."""
    if not os.path.exists(path):
        raise no_file(path)
    try:
        with closing(sqlite3.connect(uri(os.path.abspath(path), "mode=rw"), uri=True, timeout=_PATIENCE)) as file, file:
            file.execute("SELECT 1 FROM Dict LIMIT 1").fetchall()
            return work(file)
    except sqlite3.Error as error:
        raise Wrong(f"{path} can't be used: {error}", 1) from error


def _make(path: str, entries: Iterable[tuple[bytes, bytes]]) -> None:
    """Put a new file in the place of another."""
    path = os.path.realpath(path)
    with in_place_of(path) as made:
        with closing(sqlite3.connect(uri(made, "mode=rw"), uri=True)) as file, file:
            file.execute(_TABLE)
            file.executemany("REPLACE INTO Dict (key, value) VALUES (?, ?)", entries)
        for ending in COMPANIONS:  # (what was left beside the old one would be taken for the new one's)
            if os.path.exists(path + ending):
                os.unlink(path + ending)
