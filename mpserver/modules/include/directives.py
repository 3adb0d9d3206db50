"""The directives of mod_include."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, IN_DIRECTORY, SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.include import (
    END_TAG,
    ERROR_MESSAGE,
    ETAG,
    LAST_MODIFIED,
    START_TAG,
    TIME_FORMAT,
    UNDEFINED_ECHO,
    X_BIT_HACK,
)


def _legacy(call: Call) -> None:
    if call.flag:
        raise ConfigError(
            f"{call.name} On is not supported: write conditions in the syntax of httpd 2.4, as in "
            "<!--#if expr=\"v('name') = 'value'\" -->"
        )


DIRECTIVES: tuple[Directive, ...] = (
    Directive("SSIStartTag", Args.TAKE1, SERVER_VHOST, values.directory(START_TAG, values.filled), help="a tag"),
    Directive("SSIEndTag", Args.TAKE1, SERVER_VHOST, values.directory(END_TAG, values.filled), help="a tag"),
    Directive(
        "SSIErrorMsg",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(ERROR_MESSAGE, values.text),
        Override.ALL,
        "a text",
    ),
    Directive(
        "SSITimeFormat",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(TIME_FORMAT, values.text),
        Override.ALL,
        "a format of strftime",
    ),
    Directive(
        "SSIUndefinedEcho",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(UNDEFINED_ECHO, values.text),
        Override.ALL,
        "a text",
    ),
    Directive("SSILegacyExprParser", Args.FLAG, IN_DIRECTORY, _legacy, Override.LIMIT),
    Directive("SSILastModified", Args.FLAG, IN_DIRECTORY, values.directory(LAST_MODIFIED, values.flag), Override.LIMIT),
    Directive("SSIETag", Args.FLAG, IN_DIRECTORY, values.directory(ETAG, values.flag), Override.LIMIT),
    Directive(
        "XBitHack",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(X_BIT_HACK, values.one_of("off", "on", "full")),
        Override.OPTIONS,
        "Off, On, or Full",
    ),
)
