"""How many processes and threads serve: httpd's mpm_prefork and mpm_worker.

Under prefork an interpreter serves one request at a time, and MaxRequestWorkers counts workers. Under
worker each interpreter has up to ThreadsPerChild threads, and MaxRequestWorkers counts these.

Numbers that can't work are changed to the nearest that do, and said, as httpd does; what isn't a
number is an error.
"""

from __future__ import annotations

from mpserver.config.settings import Conf, Setting
from mpserver.typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from mpserver.config.server import Server

# (the defaults are prefork's; worker's are in `_worker`)
START_SERVERS = Setting("StartServers", 5)
MIN_SPARE_SERVERS = Setting("MinSpareServers", 5)
MAX_SPARE_SERVERS = Setting("MaxSpareServers", 10)
SERVER_LIMIT = Setting("ServerLimit", 256)
MAX_REQUEST_WORKERS = Setting("MaxRequestWorkers", 256)
MAX_CONNECTIONS_PER_CHILD = Setting("MaxConnectionsPerChild", 0)
#: How many connections an address may have at a time; 0: any number.
MAX_CONNECTIONS_PER_ADDRESS = Setting("MaxConnectionsPerAddress", 0)
THREADS_PER_CHILD = Setting("ThreadsPerChild", 25)
THREAD_LIMIT = Setting("ThreadLimit", 64)
MIN_SPARE_THREADS = Setting("MinSpareThreads", 75)
MAX_SPARE_THREADS = Setting("MaxSpareThreads", 250)
#: Seconds that a graceful stop waits for requests; 0 for ever.
GRACEFUL_SHUTDOWN_TIMEOUT = Setting("GracefulShutdownTimeout", 0.0)
#: Seconds between a SIGTERM, from which on `/readyz` says no, and the end; 0: it ends at once, as httpd.
SHUTDOWN_DELAY = Setting("ShutdownDelay", 0.0)
#: The resident memory in bytes beyond which a worker is replaced; 0: it may have any.
MAX_MEMORY_PER_CHILD = Setting("MaxMemoryPerChild", 0)
#: How many connections wait to be accepted.
LISTEN_BACKLOG = Setting("ListenBackLog", 511)
#: Seconds for which a worker may not answer its master before it is replaced; 0: for ever.
WORKER_TIMEOUT = Setting("WorkerTimeout", 0.0)

#: The names of the two, and of the one for which worker is taken: all connections are in event loops here.
PREFORK, WORKER, EVENT = "mpm_prefork_module", "mpm_worker_module", "mpm_event_module"

#: The most that ServerLimit can be: each worker has its page of the scoreboard.
HIGHEST_LIMIT = 20000
#: The most that ThreadLimit can be, as in httpd.
HIGHEST_THREAD_LIMIT = 20000

#: The interpreters of the server's own that serve many requests at a time under either MPM: these wait for others most
#: of the time. And how many threads each has under prefork.
THREADED = frozenset({"(proxy)"})
THREADS_OF_OWN = 64

#: What worker has without ServerLimit and StartServers.
_WORKER_SERVERS = 16
_WORKER_START = 3


class Configuration(Protocol):
    """What a configuration, read or finished, tells of the MPM."""

    @property
    def mpm(self) -> str:
        """The name of the MPM in effect, as LoadModule has it; "" if there is none."""

    @property
    def main(self) -> Server:
        """The main server."""


class Limits(NamedTuple):
    """The numbers that fit each other, and what had to be changed for that.

    ``workers``: processes, at most ``server_limit``. ``min_spare`` and ``max_spare`` count processes under
    prefork, under worker threads: of each interpreter ``threads``, which is at most ``thread_limit``.
    """

    start: int
    min_spare: int
    max_spare: int
    workers: int
    per_child: int
    server_limit: int
    threads: int
    thread_limit: int
    warnings: tuple[str, ...]


def is_threaded(configuration: Configuration) -> bool:
    """Whether the worker MPM was chosen, or event."""
    return configuration.mpm in (WORKER, EVENT)


def limits_of(configuration: Configuration) -> Limits:
    """The numbers in effect for the MPM that a configuration chose."""
    return limits(configuration.main.conf, is_threaded(configuration))


def threads_of(configuration: Configuration, interpreter: str) -> int:
    """How many threads an interpreter of a name has."""
    threads = limits_of(configuration).threads
    return max(threads, THREADS_OF_OWN) if interpreter in THREADED else threads


def limits(conf: Conf, threaded: bool = False) -> Limits:
    """The numbers in effect: no more workers than ServerLimit, more spare ones at most than at least."""
    return _worker(conf) if threaded else _prefork(conf)


def _prefork(conf: Conf) -> Limits:
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
        server_limit=limit,
        threads=1,
        thread_limit=1,
        warnings=tuple(warnings),
    )


def _worker(conf: Conf) -> Limits:
    warnings = []
    limit = conf.values.get(SERVER_LIMIT, _WORKER_SERVERS)
    thread_limit, threads = conf[THREAD_LIMIT], conf[THREADS_PER_CHILD]
    if threads > thread_limit:
        warnings.append(
            f"ThreadsPerChild of {threads} exceeds ThreadLimit of {thread_limit} threads, decreasing it to "
            f"{thread_limit}. To increase, raise ThreadLimit."
        )
        threads = thread_limit
    most = conf.values.get(MAX_REQUEST_WORKERS, limit * threads)
    if most < threads:
        warnings.append(
            f"MaxRequestWorkers of {most} is less than ThreadsPerChild of {threads}, increasing it to {threads}: it "
            "must be at least the number of threads of one process."
        )
        most = threads
    if most % threads:
        fitting = most - most % threads
        warnings.append(
            f"MaxRequestWorkers of {most} is not a multiple of ThreadsPerChild of {threads}, decreasing it to the "
            f"nearest, {fitting}, for {fitting // threads} servers at most."
        )
        most = fitting
    workers = most // threads
    if workers > limit:
        warnings.append(
            f"MaxRequestWorkers of {most} would require {workers} servers and exceed ServerLimit of {limit}, "
            f"decreasing it to {limit * threads}. To increase, raise ServerLimit."
        )
        workers = limit
    min_spare = conf[MIN_SPARE_THREADS]
    return Limits(
        start=min(conf.values.get(START_SERVERS, _WORKER_START), workers),
        min_spare=min_spare,
        max_spare=max(conf[MAX_SPARE_THREADS], min_spare + threads),
        workers=workers,
        per_child=conf[MAX_CONNECTIONS_PER_CHILD],
        server_limit=limit,
        threads=threads,
        thread_limit=thread_limit,
        warnings=tuple(warnings),
    )
