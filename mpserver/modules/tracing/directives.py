"""The directives of traces."""

from __future__ import annotations

import re

from mpserver.config.registry import SERVER_ONLY, SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.tracing import CONTEXT, EXPORT, LIBRARY, NEW, OFF, ON, SAMPLING, SERVICE

_FORM = "write http:// or https://, a host and a path, as in http://127.0.0.1:4318/v1/traces, or Off"


def _share(call: Call, word: str) -> float:
    """A number from 0 to 1. :raises ConfigError: it is none."""
    if not re.fullmatch(r"(0|1|0?\.\d{1,12}|0\.|1\.0*)", word, re.ASCII):
        raise ConfigError(f'{call.name} "{word}" must be a number from 0 to 1: 0.1 samples one of ten traces')
    return float(word)


def _url(call: Call, word: str) -> str:
    """Where spans are sent. :raises ConfigError: it is no URL for that."""
    match = re.fullmatch(r"https?://(?P<authority>[^/?#\s]+)/[^?#\s]*", word, re.ASCII)
    if match is None or not word.isprintable():
        raise ConfigError(f'{call.name} "{word}" is no URL of a collector: {_FORM}')
    if "@" in match["authority"]:
        raise ConfigError(
            f"{call.name}: everybody may see a password in the URL: put it into the environment variable "
            "OTEL_EXPORTER_OTLP_HEADERS, as in authorization=Basic%20..."
        )
    values.later(call, lambda: _missing(call.name))
    return word


def _missing(name: str) -> str | None:
    from importlib.util import find_spec  # (only who starts the server looks)

    try:
        found = find_spec(LIBRARY) is not None
    except ImportError:
        found = False
    if found:
        return None
    return (
        f"{name} needs the package opentelemetry-exporter-otlp-proto-http, which is not installed: "
        "pip install 'mpserver[opentelemetry]'"
    )


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "TraceContext", Args.TAKE1, SERVER_VHOST, values.server(CONTEXT, values.one_of(ON, NEW, OFF)),
        help="On takes part in clients' traces, New begins one with each request, Off knows of none",
    ),
    Directive(
        "TraceSampling", Args.TAKE1, SERVER_VHOST, values.server(SAMPLING, _share),
        help="the share of the traces that begin here which are sampled, from 0 to 1",
    ),
    Directive(
        "TraceExport", Args.TAKE1, SERVER_ONLY, values.server(EXPORT, values.optional(_url, "off")),
        help="the URL of a collector that takes OTLP over HTTP, or Off",
    ),
    Directive(
        "TraceServiceName", Args.TAKE1, SERVER_VHOST, values.server(SERVICE, values.filled),
        help="what the server is called in traces",
    ),
)  # fmt: skip
