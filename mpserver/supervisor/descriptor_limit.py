"""How many descriptors a process may have: what the configuration can use, asked of the system at the start."""

from __future__ import annotations

import resource

from mpserver.ipc.scoreboard_layout import INTERPRETERS
from mpserver.modules import mpm, python
from mpserver.system.descriptors import BASE, CONNECTIONS, INTERPRETER, LEAST_CONNECTIONS, MOST_RESERVE
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.finished import Finished


def wanted(configuration: Finished) -> int:
    """How many descriptors a worker, or the master, can use with a configuration."""
    limits = mpm.limits_of(configuration)
    hosts = configuration.number_of_hosts + 1
    interpreters = min(configuration.main.conf[python.INTERP_MAX] or hosts, INTERPRETERS)
    connections = max(CONNECTIONS * limits.workers * limits.threads, LEAST_CONNECTIONS)
    worker = BASE + MOST_RESERVE + INTERPRETER * interpreters + hosts + connections
    master = BASE + 4 * limits.server_limit + 2 * hosts  # (the workers and zygotes of two generations, and their logs)
    return max(worker, master)


def raise_limit(configuration: Finished) -> str:
    """Raise the soft limit to what a configuration can use. :returns: what to tell, "" where that is possible."""
    need = wanted(configuration)
    now, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now == resource.RLIM_INFINITY or now >= need:
        return ""
    most = need if hard == resource.RLIM_INFINITY else min(need, hard)
    if most > now:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (OSError, ValueError):
            most = now
    if most >= need:
        return ""
    return (
        f"a process may have {most} descriptors open, and this configuration can use {need}: where they are used up, "
        "the oldest idle connections are closed and new interpreters get 503. Raise the hard limit (ulimit -Hn, or "
        "LimitNOFILE= of a systemd unit), or lower MaxRequestWorkers"
    )
