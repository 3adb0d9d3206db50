"""How bodies come to their handlers (RequestBodyBuffer...), and responses to slow clients (ResponseBuffer...).

How large the heads of responses may be (LimitResponseHead...) is told here, too.
"""

from __future__ import annotations

import os
import re

from mpserver import lazyre
from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, NOT_HTACCESS, SERVER_ONLY, SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.core import (
    LIMIT_RESPONSE_FIELDS,
    LIMIT_RESPONSE_HEAD,
    REQUEST_BODY_BUFFER,
    REQUEST_BODY_SPOOL,
    REQUEST_BODY_STREAMING,
    RESPONSE_BUFFER,
    RESPONSE_SPOOL,
    SLOW_CLIENT_DISK,
    SLOW_CLIENT_MEMORY,
    Spool,
)

_SIZE = lazyre.compile(r"(\d{1,15})([kmg]?)", re.IGNORECASE | re.ASCII)
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _size(call: Call, word: str) -> int:
    match = _SIZE.fullmatch(word)
    if match is None:
        raise ConfigError(f'{call.name} "{word}" must be a number of bytes, or one of K, M or G behind it, as in 512K')
    return int(match[1]) * _UNITS[match[2].lower()]


def _spool(call: Call) -> Spool:
    directory = values.path(call, call.args[0])
    most = _size(call, call.args[1]) if len(call.args) > 1 else None

    def usable() -> str | None:
        if not os.path.isdir(directory):
            return f"{call.name}: there is no directory {directory}: make it, or name another one"
        return None

    values.later(call, usable)
    return Spool(directory, most)


def _request_spool(call: Call) -> None:
    call.conf[REQUEST_BODY_SPOOL] = _spool(call)


def _response_spool(call: Call) -> None:
    call.server[RESPONSE_SPOOL] = _spool(call)


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "RequestBodyBuffer",
        Args.TAKE1,
        NOT_HTACCESS,
        values.directory(REQUEST_BODY_BUFFER, _size),
        help="the bytes that are kept in memory of a body until its handler runs (K, M or G behind them)",
    ),
    Directive(
        "RequestBodySpool",
        Args.TAKE12,
        NOT_HTACCESS,
        _request_spool,
        help="the directory for what is longer, and the longest body that is kept (without: LimitRequestBody)",
    ),
    Directive(
        "RequestBodyStreaming",
        Args.FLAG,
        EVERYWHERE,
        values.directory(REQUEST_BODY_STREAMING, values.flag),
        Override.FILEINFO,
        "On or Off: whether handlers run before the bodies have come, and read them as they come",
    ),
    Directive(
        "LimitResponseFields",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(LIMIT_RESPONSE_FIELDS, values.number(0, remark=" (0 = no limit)")),
        help="the most header fields that are set for a response, 0 for any number; more are answered with 500",
    ),
    Directive(
        "LimitResponseHead",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(LIMIT_RESPONSE_HEAD, _size),
        help="the most bytes of a response's head (K, M or G behind them), 0 for any number",
    ),
    Directive(
        "ResponseBuffer",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(RESPONSE_BUFFER, _size),
        help="the bytes that are kept in memory of a response that its client takes slowly (K, M or G behind them)",
    ),
    Directive(
        "ResponseSpool",
        Args.TAKE12,
        SERVER_VHOST,
        _response_spool,
        help="the directory for more of it, and the bytes beyond which its handler waits for the client (128M)",
    ),
    Directive(
        "SlowClientMemory",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(SLOW_CLIENT_MEMORY, _size),
        help="the bytes that bodies and responses of all slow clients may have in memory (512M); more goes to the disk",
    ),
    Directive(
        "SlowClientDisk",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(SLOW_CLIENT_DISK, _size),
        help="the bytes that they may have on the disk (16G); then bodies are refused (503), and handlers wait",
    ),
)
