"""The directives of traces."""

from __future__ import annotations

import re

from mpserver.config.registry import SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.tracing import CONTEXT, NEW, OFF, ON, SAMPLING


def _share(call: Call, word: str) -> float:
    """A number from 0 to 1. :raises ConfigError: it is none."""
    if not re.fullmatch(r"(0|1|0?\.\d{1,12}|0\.|1\.0*)", word, re.ASCII):
        raise ConfigError(f'{call.name} "{word}" must be a number from 0 to 1: 0.1 samples one of ten traces')
    return float(word)


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "TraceContext", Args.TAKE1, SERVER_VHOST, values.server(CONTEXT, values.one_of(ON, NEW, OFF)),
        help="On takes part in clients' traces, New begins one with each request, Off knows of none",
    ),
    Directive(
        "TraceSampling", Args.TAKE1, SERVER_VHOST, values.server(SAMPLING, _share),
        help="the share of the traces that begin here which are sampled, from 0 to 1",
    ),
)  # fmt: skip
