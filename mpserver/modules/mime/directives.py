"""The directives of mod_mime."""

from __future__ import annotations

import os
from collections.abc import Callable

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, SERVER_VHOST, Args, Call, Directive
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.mime import (
    ADD_CHARSET,
    ADD_ENCODING,
    ADD_HANDLER,
    ADD_INPUT_FILTER,
    ADD_LANGUAGE,
    ADD_OUTPUT_FILTER,
    ADD_TYPE,
    DEFAULT_LANGUAGE,
    MULTIVIEWS_MATCH,
    TYPES_CONFIG,
    Extensions,
)
from mpserver.modules.mime.media_types import TypesFile


def extension(word: str) -> str:
    """An extension as it is looked up: lower case, without its dot."""
    return word.lower().removeprefix(".")


def _add(setting: Setting[Extensions], read: values.Reader[str] = values.filled) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        value = read(call, call.args[0]).lower()
        scope = call.conf.values.get(setting, {})
        added = {extension(word): value for word in call.args[1:]}
        # what Remove... took away in this very scope stays away, as in httpd
        kept = {word: value for word, value in added.items() if word not in scope or scope[word] is not None}
        values.set_in(call.conf, setting, kept)

    return apply


def _remove(setting: Setting[Extensions]) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        values.set_in(call.conf, setting, dict.fromkeys(map(extension, call.args)))

    return apply


def _types_config(call: Call) -> None:
    path = values.path(call, call.args[0])

    def test() -> str | None:
        if os.access(path, os.R_OK):
            return None
        return f"TypesConfig: could not open mime types config file {path}: give a file that can be read"

    values.later(call, test)
    call.conf[TYPES_CONFIG] = TypesFile(path)


def _multiviews_match(call: Call) -> None:
    words = {word.lower() for word in call.args}
    if not words <= {"any", "negotiatedonly", "filters", "handlers"}:
        raise ConfigError(f"{call.name}: unrecognized option: write NegotiatedOnly, Filters, Handlers or Any")
    if len(words) > 1 and words & {"any", "negotiatedonly"}:
        raise ConfigError(f"{call.name}: Any and NegotiatedOnly stand alone; Filters and Handlers go together")
    call.conf[MULTIVIEWS_MATCH] = tuple(sorted(words - {"negotiatedonly"}))


_KINDS: tuple[tuple[str, Setting[Extensions], str], ...] = (
    ("Type", ADD_TYPE, "a media type"),
    ("Handler", ADD_HANDLER, "a handler's name"),
    ("Encoding", ADD_ENCODING, "a content coding"),
    ("Language", ADD_LANGUAGE, "a language"),
    ("Charset", ADD_CHARSET, "a charset"),
)
_EXTENSIONS = "extensions of files' names"

_FILTERS = (("InputFilter", ADD_INPUT_FILTER), ("OutputFilter", ADD_OUTPUT_FILTER))

DIRECTIVES: tuple[Directive, ...] = (
    *(
        Directive(
            f"Add{kind}",
            Args.ITERATE2,
            EVERYWHERE,
            _add(setting),
            Override.FILEINFO,
            f"{what} and {_EXTENSIONS}",
        )
        for kind, setting, what in _KINDS
    ),
    *(
        Directive(
            f"Add{kind}",
            Args.ITERATE2,
            EVERYWHERE,
            _add(setting, values.filters),
            Override.FILEINFO,
            f"filters' names, separated by semicolons, and {_EXTENSIONS}",
        )
        for kind, setting in _FILTERS
    ),
    *(
        Directive(f"Remove{kind}", Args.ITERATE, EVERYWHERE, _remove(setting), Override.FILEINFO, _EXTENSIONS)
        for kind, setting in (*((kind, setting) for kind, setting, _ in _KINDS), *_FILTERS)
    ),
    Directive(
        "DefaultLanguage",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(DEFAULT_LANGUAGE, values.filled),
        Override.FILEINFO,
        "the language of files whose names tell none",
    ),
    Directive(
        "MultiviewsMatch",
        Args.ITERATE,
        EVERYWHERE,
        _multiviews_match,
        Override.FILEINFO,
        "NegotiatedOnly, Filters, Handlers or Any",
    ),
    Directive("TypesConfig", Args.TAKE1, SERVER_VHOST, _types_config, help="a file in the format of mime.types"),
)
