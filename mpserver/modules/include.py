"""The directives of server side includes, and which responses they apply to (httpd's mod_include).

What a page's elements do is in `mpserver.modules.ssi_page`.
"""

from __future__ import annotations

import stat

from mpserver.api.error_log import WARN
from mpserver.config.registry import (
    EVERYWHERE,
    IN_DIRECTORY,
    SERVER_VHOST,
    Args,
    Call,
    Directive,
    Module,
    Override,
)
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules import options, values
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: The filter's name, in lower case.
FILTER = "includes"

START_TAG = Setting("SSIStartTag", "<!--#")
END_TAG = Setting("SSIEndTag", "-->")
ERROR_MESSAGE = Setting("SSIErrorMsg", "[an error occurred while processing this directive]")
TIME_FORMAT = Setting("SSITimeFormat", "%A, %d-%b-%Y %H:%M:%S %Z")
UNDEFINED_ECHO = Setting("SSIUndefinedEcho", "(none)")
#: "off", "on" or "full".
X_BIT_HACK = Setting("XBitHack", "off")


def by_bit(req: Request) -> bool:
    """Whether XBitHack makes a file a page: it is HTML, and its owner may execute it."""
    found, media = req.mp_stat, req.mp_content_type or ""
    if found is None or not found.st_mode & stat.S_IXUSR or media.partition(";")[0] != "text/html":
        return False
    return bool(options.effective(req.mp_plan.conf) & options.Option.INCLUDES)


def keeps_time(req: Request) -> bool:
    """Whether the file's time is the page's: its group may execute it, under XBitHack Full."""
    if req.mp_plan.conf[X_BIT_HACK] != "full" or req.mp_stat is None:
        return False
    return bool(req.mp_stat.st_mode & stat.S_IXGRP)


def applies(req: Request) -> bool:
    """Whether the filter works on a response; else it says why, and lets the page through as it is."""
    if options.effective(req.mp_plan.conf) & options.Option.INCLUDES:
        return True
    text = f"mod_include: Options +Includes (or IncludesNoExec) wasn't set, INCLUDES filter removed: {req.mp_uri}"
    req.mp_log.log(WARN, text, module="include", client=req.connection.client_addr, number=1374)
    return False


def _legacy(call: Call) -> None:
    if call.flag:
        raise ConfigError(
            f"{call.name} On is not supported: write conditions in the syntax of httpd 2.4, as in "
            "<!--#if expr=\"v('name') = 'value'\" -->"
        )


MODULE = Module(
    "mod_include.c",
    "include_module",
    (
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
        Directive(
            "XBitHack",
            Args.TAKE1,
            EVERYWHERE,
            values.directory(X_BIT_HACK, values.choice({word: word for word in ("off", "on", "full")})),
            Override.OPTIONS,
            "Off, On, or Full",
        ),
    ),
)
