"""The directives of the MPMs."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.registry import SERVER_ONLY, Args, Call, Directive
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.mpm import (
    GRACEFUL_SHUTDOWN_TIMEOUT,
    HIGHEST_LIMIT,
    HIGHEST_THREAD_LIMIT,
    LISTEN_BACKLOG,
    MAX_CONNECTIONS_PER_ADDRESS,
    MAX_CONNECTIONS_PER_CHILD,
    MAX_MEMORY_PER_CHILD,
    MAX_REQUEST_WORKERS,
    MAX_SPARE_SERVERS,
    MAX_SPARE_THREADS,
    MIN_SPARE_SERVERS,
    MIN_SPARE_THREADS,
    SERVER_LIMIT,
    SHUTDOWN_DELAY,
    START_SERVERS,
    THREAD_LIMIT,
    THREADS_PER_CHILD,
    WORKER_TIMEOUT,
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


def _limit(setting: Setting[int], highest: int, what: str) -> Callable[[Call], None]:
    at_least_one = _at_least_one(setting)

    def apply(call: Call) -> None:
        at_least_one(call)
        value = call.server[setting]
        if value > highest:
            call.warn(f"{call.name} of {value} exceeds the limit of {highest} {what}, decreasing to that")
            call.server[setting] = highest

    return apply


def _count(name: str, apply: Callable[[Call], None], what: str) -> Directive:
    return Directive(name, Args.TAKE1, SERVER_ONLY, apply, help=what)


_per_child = values.server(MAX_CONNECTIONS_PER_CHILD, values.number(0, remark=" (0 = no limit)"))
_per_address = values.server(MAX_CONNECTIONS_PER_ADDRESS, values.number(0, remark=" (0 = no limit)"))
_workers = _at_least_one(MAX_REQUEST_WORKERS)
_PER_CHILD = "the connections after which a worker is replaced, 0 for never"
_WORKERS = "the most workers at a time"

#: A worker alone, without applications, has a third of it.
LEAST_MEMORY = 64 << 20
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def _memory(call: Call) -> None:
    word = call.args[0].lower()
    unit = _UNITS.get(word[-1:], 0)
    digits = word[:-1] if unit else word
    size = int(digits) * (unit or 1) if digits.isascii() and digits.isdecimal() and len(digits) < 16 else -1
    if size != 0 and size < LEAST_MEMORY:
        raise ConfigError(
            f'{call.name} "{call.args[0]}" must be a size from {LEAST_MEMORY >> 20}M on, in bytes or with the unit K, '
            "M or G, as in 500M, or 0"
        )
    call.server[MAX_MEMORY_PER_CHILD] = size


#: What belongs to httpd's core, but only makes sense here. MPM acts while the configuration is read.
CORE_DIRECTIVES = (
    _count("MaxConnectionsPerChild", _per_child, _PER_CHILD),
    _count("MaxRequestsPerChild", _per_child, _PER_CHILD),
    _count("MaxConnectionsPerAddress", _per_address, "the most connections of an address at a time, 0 for any number"),
    _count("MPM", lambda _call: None, "prefork (one request at a time in each interpreter) or worker (threads)"),
)

_COMMON = (
    _count("StartServers", _at_least_one(START_SERVERS), "the workers at the start"),
    _count("ServerLimit", _limit(SERVER_LIMIT, HIGHEST_LIMIT, "servers"), "the most workers at a time"),
    _count(
        "GracefulShutdownTimeout",
        values.server(GRACEFUL_SHUTDOWN_TIMEOUT, values.seconds),
        "how long a graceful stop waits, in seconds, 0 for ever",
    ),
    _count(
        "ShutdownDelay",
        values.server(SHUTDOWN_DELAY, values.seconds),
        "how long a server that was told to end serves on before it ends gracefully, in seconds, 0 to end at once",
    ),
    _count(
        "ListenBackLog",
        values.server(LISTEN_BACKLOG, values.number(1, 2**31 - 1)),
        "the most connections that wait to be accepted; the system's net.core.somaxconn is a limit, too",
    ),
    _count(
        "MaxMemoryPerChild",
        _memory,
        "the resident memory of a worker beyond which it is replaced, such as 500M, 0 for any",
    ),
    _count(
        "WorkerTimeout",
        values.server(WORKER_TIMEOUT, values.seconds),
        "how long a worker may hang before it is replaced, in seconds, 0 for ever",
    ),
)

PREFORK_DIRECTIVES: tuple[Directive, ...] = (
    *_COMMON,
    _count("MinSpareServers", _at_least_one(MIN_SPARE_SERVERS), "the least idle workers"),
    _count("MaxSpareServers", values.server(MAX_SPARE_SERVERS, values.number(0)), "the most idle workers"),
    _count("MaxRequestWorkers", _workers, _WORKERS),
    _count("MaxClients", _workers, _WORKERS),
)

_REQUESTS = "the most requests at a time: ThreadsPerChild in each worker"
_THREADS = "the most requests at a time in each interpreter of a worker"


def _factor_is_free(call: Call) -> None:
    word = call.args[0]
    if not word.replace(".", "", 1).isdecimal():
        raise ConfigError(f"{call.name} must be a number, as 2 or 1.5")
    call.warn(f"{call.name} has no effect: idle connections take no thread here, and are not counted")


WORKER_DIRECTIVES: tuple[Directive, ...] = (
    *_COMMON,
    _count("ThreadsPerChild", _at_least_one(THREADS_PER_CHILD), _THREADS),
    _count(
        "ThreadLimit",
        _limit(THREAD_LIMIT, HIGHEST_THREAD_LIMIT, "threads"),
        "the most that ThreadsPerChild can be",
    ),
    _count(
        "MinSpareThreads",
        _at_least_one(MIN_SPARE_THREADS),
        "the least idle threads of all workers together",
    ),
    _count(
        "MaxSpareThreads",
        values.server(MAX_SPARE_THREADS, values.number(0)),
        "the most idle threads of all workers together",
    ),
    _count("MaxRequestWorkers", _workers, _REQUESTS),
    _count("MaxClients", _workers, _REQUESTS),
)

EVENT_DIRECTIVES: tuple[Directive, ...] = (
    *WORKER_DIRECTIVES,
    _count("AsyncRequestWorkerFactor", _factor_is_free, "a factor"),
)
