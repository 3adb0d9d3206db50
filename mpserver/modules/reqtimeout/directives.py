"""The directive of mod_reqtimeout."""

from __future__ import annotations

import re

from mpserver import lazyre
from mpserver.config.registry import SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules.reqtimeout import READ_TIMEOUTS, ReadTimeouts, Stage

#: stage=timeout[-maxtimeout][,MinRate=rate]
_WORD = lazyre.compile(
    r"(handshake|header|body)=(\d{1,9})(?:-(\d{1,9}))?(?:,MinRate=(\d{1,9}))?", re.IGNORECASE | re.ASCII
)
_FORM = "write header=20-40,MinRate=500, or body=20,MinRate=500, or handshake=10"


def _read_timeout(call: Call) -> None:
    found = dict(call.server.values.get(READ_TIMEOUTS, ReadTimeouts())._asdict())
    for word in call.args:
        match = _WORD.fullmatch(word)
        if match is None:
            raise ConfigError(f"RequestReadTimeout: {word!r} is no stage with its time: {_FORM}")
        stage, first, most, rate = match.groups()
        if most is not None and rate is None:
            raise ConfigError(f"RequestReadTimeout: {word!r} has a longest time, but nothing to prolong it: {_FORM}")
        if rate is not None and not int(rate):
            raise ConfigError(f"RequestReadTimeout: {word!r}: Minimum data rate must be larger than 0")
        if most is not None and int(most) <= int(first):
            raise ConfigError(f"RequestReadTimeout: {word!r}: Maximum timeout must be larger than initial timeout")
        found[stage.lower()] = Stage(float(first), float(most or 0), int(rate or 0))
    call.server[READ_TIMEOUTS] = ReadTimeouts(**found)


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "RequestReadTimeout",
        Args.ITERATE,
        SERVER_VHOST,
        _read_timeout,
        help="stages with their times, as header=20-40,MinRate=500 body=20,MinRate=500",
    ),
)
