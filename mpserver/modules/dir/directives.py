"""The directives of mod_dir."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.dir import (
    DIRECTORY_CHECK_HANDLER,
    DIRECTORY_INDEX,
    DIRECTORY_SLASH,
    FALLBACK,
    INDEX_REDIRECT,
)


def _directory_index(call: Call) -> None:
    """Names of one scope add up; ``disabled`` alone forgets those before it."""
    names = call.args
    if len(names) == 1 and names[0].lower() == "disabled":
        call.conf[DIRECTORY_INDEX] = ()
        return
    call.conf[DIRECTORY_INDEX] = (*call.conf.values.get(DIRECTORY_INDEX, ()), *names)


_STATUSES = {"on": 302, "temp": 302, "permanent": 301, "seeother": 303, "off": 0}


def _index_redirect(call: Call, word: str) -> int:
    status = _STATUSES.get(word.lower())
    if status is not None:
        return status
    if not (word.isascii() and word.isdecimal() and len(word) == 3 and word.startswith("3")):
        raise ConfigError(f"{call.name} only accepts values between 300 and 399, or {', '.join(_STATUSES)}")
    return int(word)


def _fallback(call: Call) -> None:
    word = values.filled(call, call.args[0])
    call.conf[FALLBACK] = "" if word.lower() == "disabled" else word


DIRECTIVES: tuple[Directive, ...] = (
    Directive("DirectoryIndex", Args.RAW, EVERYWHERE, _directory_index, Override.INDEXES, "names of files"),
    Directive(
        "DirectorySlash",
        Args.FLAG,
        EVERYWHERE,
        values.directory(DIRECTORY_SLASH, values.flag),
        Override.INDEXES,
    ),
    Directive(
        "DirectoryCheckHandler",
        Args.FLAG,
        EVERYWHERE,
        values.directory(DIRECTORY_CHECK_HANDLER, values.flag),
        Override.INDEXES,
    ),
    Directive(
        "DirectoryIndexRedirect",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(INDEX_REDIRECT, _index_redirect),
        Override.INDEXES,
        "on, off, temp, permanent, seeother, or a status of 300 to 399",
    ),
    Directive(
        "FallbackResource",
        Args.TAKE1,
        EVERYWHERE,
        _fallback,
        Override.INDEXES,
        "the path of a URI, or disabled",
    ),
)
