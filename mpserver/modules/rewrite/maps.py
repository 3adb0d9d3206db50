"""RewriteMap: what a map has for a key (txt, rnd, int, dbm, prg)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from mpserver.config.registry import Call
from mpserver.errors import ConfigError
from mpserver.http1 import percent
from mpserver.modules import expression_functions, values
from mpserver.modules.rewrite import Map
from mpserver.typing import Protocol

#: Gives what a map has for a key; None: nothing.
Lookup = Callable[[str], "str | None"]


def _unescape(key: str) -> str:
    return percent.decode(key.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


FUNCTIONS: Mapping[str, Lookup] = {
    "tolower": expression_functions.lower,
    "toupper": expression_functions.upper,
    "escape": percent.encode_path,
    "unescape": _unescape,
}


class Opened(Protocol):
    """A map that is in use."""

    def __call__(self, key: str, /) -> str | None:
        """What it has for a key."""


class TextMap:
    """A file of lines ``key value``, read again when it changes.

    :param random: a value is several, with bars between them, of which one is chosen each time (rnd).
    """

    __slots__ = ("_path", "_random", "_stamp", "_values")

    def __init__(self, path: str, random: bool) -> None:
        self._path, self._random = path, random
        self._stamp: tuple[int, int, int] | None = None
        self._values: dict[str, str] = {}

    def __call__(self, key: str) -> str | None:
        """See `Opened`. :raises OSError: the file can't be read."""
        found = os.stat(self._path)
        stamp = found.st_mtime_ns, found.st_size, found.st_ino
        if stamp != self._stamp:
            self._values, self._stamp = _read(self._path), stamp
        value = self._values.get(key)
        if value is None or not self._random or "|" not in value:
            return value
        choices = value.split("|")
        return choices[int.from_bytes(os.urandom(4)) % len(choices)]


def _read(path: str) -> dict[str, str]:
    values: dict[str, str] = {}
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            words = line.split(None, 2)
            if words and not line.startswith("#") and len(words) > 1:
                values.setdefault(words[0], words[1])
    return values


class DatabaseMap:
    """A file of the library's `dbm`, opened for each key: whoever writes it may do so at any time."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, key: str) -> str | None:
        """See `Opened`. :raises OSError: the file can't be read."""
        import dbm  # (few have such maps)

        try:
            with dbm.open(self._path, "r") as file:
                value: bytes | None = file.get(key.encode("utf-8", "surrogateescape"))
        except dbm.error as error:
            raise OSError(f"{self._path}: {error}") from error
        return None if value is None else value.decode("utf-8", "surrogateescape")


def source(call: Call, kind: str, words: tuple[str, ...]) -> Map:
    """What a directive says. :raises ConfigError: there is no such map."""
    name = words[0]
    if kind == "int":
        if name not in FUNCTIONS:
            raise ConfigError(f"RewriteMap: internal map not found: {name} (there are {', '.join(FUNCTIONS)})")
        return Map("int", (name,))
    if kind in ("dbd", "fastdbd"):
        raise ConfigError(f"RewriteMap: {kind} maps ask a database by SQL, which is not there: write a txt or dbm map")
    if kind == "prg":
        command = " ".join(words).split()
        program = values.path(call, command[0] if command else "")
        values.later(
            call,
            lambda: (
                None
                if os.access(program, os.X_OK)
                else f"RewriteMap: file for map {call.args[0]} not found: {program} is no program that can be run"
            ),
        )
        return Map("prg", (program, *command[1:]))
    base = kind.partition("=")[0]
    if base not in ("txt", "rnd", "dbm"):
        raise ConfigError(f"RewriteMap: unknown kind '{kind}': write txt, rnd, dbm, int or prg")
    path = values.path(call, name)
    values.later(
        call,
        lambda: (
            None
            if os.path.exists(path) or base == "dbm"
            else f"RewriteMap: file for map {call.args[0]} not found: {path}"
        ),
    )
    return Map(base, (path,))


def opened(its: Map) -> Opened:
    """A map, ready for use."""
    if its.kind == "int":
        function: Opened = FUNCTIONS[its.source[0]]
        return function
    if its.kind == "dbm":
        return DatabaseMap(its.source[0])
    if its.kind == "prg":
        from mpserver.modules.rewrite.programs import ProgramMap  # (few have one)

        return ProgramMap(its.source)
    return TextMap(its.source[0], its.kind == "rnd")
