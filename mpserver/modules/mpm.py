"""prefork: how many workers there are (httpd's mpm_prefork).

Numbers that can't work are raised to the least that does, and said, as httpd does; what isn't a
number is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mpserver.config.registry import SERVER_ONLY, Args, Call, Directive, Module
from mpserver.config.settings import Conf, Setting
from mpserver.modules import values

START_SERVERS = Setting("StartServers", 5)
MIN_SPARE_SERVERS = Setting("MinSpareServers", 5)
MAX_SPARE_SERVERS = Setting("MaxSpareServers", 10)
SERVER_LIMIT = Setting("ServerLimit", 256)
MAX_REQUEST_WORKERS = Setting("MaxRequestWorkers", 256)
MAX_CONNECTIONS_PER_CHILD = Setting("MaxConnectionsPerChild", 0)
#: Seconds that a graceful stop waits for requests; 0 for ever.
GRACEFUL_SHUTDOWN_TIMEOUT = Setting("GracefulShutdownTimeout", 0.0)

#: The most that ServerLimit can be: each worker has its page of the scoreboard.
HIGHEST_LIMIT = 20000


class Limits(NamedTuple):
    """The numbers that fit each other, and what had to be changed for that."""

    start: int
    min_spare: int
    max_spare: int
    workers: int
    per_child: int
    warnings: tuple[str, ...]


def limits(conf: Conf) -> Limits:
    """The numbers in effect: no more workers than ServerLimit, more spare ones at most than at least."""
    warnings = []
    limit = conf[SERVER_LIMIT]
    workers = conf[MAX_REQUEST_WORKERS]
    if workers > limit:
        if MAX_REQUEST_WORKERS in conf:
            warnings.append(
                f"MaxRequestWorkers of {workers} exceeds ServerLimit value of {limit} servers, decreasing it to "
                f"{limit}. To increase, raise ServerLimit."
            )
        workers = limit
    min_spare = conf[MIN_SPARE_SERVERS]
    return Limits(
        start=min(conf[START_SERVERS], workers),
        min_spare=min_spare,
        max_spare=max(conf[MAX_SPARE_SERVERS], min_spare + 1),
        workers=workers,
        per_child=conf[MAX_CONNECTIONS_PER_CHILD],
        warnings=tuple(warnings),
    )


def _at_least_one(setting: Setting[int]) -> Callable[[Call], None]:
    read = values.number(1, 2**31 - 1, lower=True)

    def apply(call: Call) -> None:
        value = read(call, call.args[0])
        if value < 1:
            call.warn(f"{call.name} of {value} not allowed, increasing to 1")
            value = 1
        call.server[setting] = value

    return apply


def _server_limit(call: Call) -> None:
    _at_least_one(SERVER_LIMIT)(call)
    value = call.server[SERVER_LIMIT]
    if value > HIGHEST_LIMIT:
        call.warn(f"{call.name} of {value} exceeds the limit of {HIGHEST_LIMIT} servers, decreasing to that")
        call.server[SERVER_LIMIT] = HIGHEST_LIMIT


def _count(name: str, apply: Callable[[Call], None], what: str) -> Directive:
    return Directive(name, Args.TAKE1, SERVER_ONLY, apply, help=what)


_per_child = values.server(MAX_CONNECTIONS_PER_CHILD, values.number(0, remark=" (0 = no limit)"))
_workers = _at_least_one(MAX_REQUEST_WORKERS)
_PER_CHILD = "the connections after which a worker is replaced, 0 for never"
_WORKERS = "the most workers at a time"

#: What belongs to httpd's core, but only makes sense here.
CORE_DIRECTIVES = (
    _count("MaxConnectionsPerChild", _per_child, _PER_CHILD),
    _count("MaxRequestsPerChild", _per_child, _PER_CHILD),
)

MODULE = Module(
    "prefork.c",
    "mpm_prefork_module",
    (
        _count("StartServers", _at_least_one(START_SERVERS), "the workers at the start"),
        _count("MinSpareServers", _at_least_one(MIN_SPARE_SERVERS), "the least idle workers"),
        _count("MaxSpareServers", values.server(MAX_SPARE_SERVERS, values.number(0)), "the most idle workers"),
        _count("ServerLimit", _server_limit, "the most that MaxRequestWorkers can be"),
        _count("MaxRequestWorkers", _workers, _WORKERS),
        _count("MaxClients", _workers, _WORKERS),
        _count(
            "GracefulShutdownTimeout",
            values.server(GRACEFUL_SHUTDOWN_TIMEOUT, values.seconds),
            "how long a graceful stop waits, in seconds, 0 for ever",
        ),
    ),
)
