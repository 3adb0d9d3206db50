"""Forking a worker, and what becomes of the process in it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable

from mpserver.api import error_log as error_log_module
from mpserver.errors import StartError
from mpserver.supervisor.worker_handle import WorkerHandle
from mpserver.system import process
from mpserver.system.process import BLOCKED, close_inherited, reset_signals, set_title
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration
    from mpserver.ipc.scoreboard import Scoreboard
    from mpserver.modules.unixd import Identity
    from mpserver.supervisor.worker_start import Post


#: A worker's exit status when it could not start at all, as httpd's APEXIT_CHILDFATAL.
FATAL = 15


class KeeperLike(Protocol):
    """What the master asks of the keeper of a generation's process interpreters."""

    def request(self, data: bytes, fds: list[int]) -> tuple[Any, ...] | None:
        """A worker's message, with the descriptors that came with it (the keeper's to close).

        :returns: what all workers of the generation should know, an order of `mpserver.routing.worker_commands`;
            or None.
        """

    def reaped(self, pid: int, status: int) -> bool:
        """A child of the master ended; whether it was one of the keeper's."""

    def renew(self, name: str | None) -> None:
        """Interpreters of a name (None: all) come from new processes from now on; the former ones wait."""

    def settle(self, name: str | None, worked: bool) -> None:
        """Let go of the former ones; or of the new ones, where these did not work."""

    def close(self) -> None:
        """The generation is over."""


class Engine(NamedTuple):
    """What the processes run: `mpserver.worker` and `mpserver.interpreters.zygote`, or a test's stand-ins.

    ``start`` makes a WorkerStart from its fields by name, ``serve`` is the worker. ``keeper`` makes the keeper
    of a generation (its number comes last). ``keeper_process`` forks a process that keeps the process
    interpreters of a one-process server, and gives the control socket to it.
    """

    start: Callable[..., Any]
    serve: Callable[[Any], None]
    keeper: Callable[[Configuration, dict[str, int], Scoreboard, Identity | None, int], KeeperLike]
    keeper_process: Callable[[Configuration, dict[str, int], Scoreboard, Identity | None], socket.socket]


def fork_worker(post: Post, engine: Engine, now: float) -> WorkerHandle:
    """Fork a worker into its slot. Returns in the master only.

    :raises OSError: the system has no room for another process.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    post.scoreboard.prepare(post.slot)
    sys.stdout.flush()
    sys.stderr.flush()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    try:
        pid = os.fork()
        if pid == 0:
            become_worker(post, engine, theirs, blocked)
    except OSError:
        post.scoreboard.leave(post.slot)
        ours.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()
    ours.setblocking(False)
    return WorkerHandle(pid, post.slot, post.generation, ours, now)


def become_worker(post: Post, engine: Engine, control: socket.socket, blocked: Iterable[Any]) -> NoReturn:
    """The child's life, from the fork to its end; nothing of the master's is run or cleaned up."""
    status = FATAL
    try:
        reset_signals(blocked)
        close_inherited(
            [
                control.fileno(),
                post.scoreboard.fd,
                post.error_log.fd,
                *post.logs.values(),
                *(sock.fileno() for sock in post.listeners),
            ]
        )
        set_title(f"mpserver: worker {post.slot}")
        if post.identity is not None:
            process.assume(post.identity)
        engine.serve(worker_start(post, engine, control, one_process=False))
        status = 0
    except StartError as error:
        post.error_log.log(error_log_module.CRIT, str(error))
    except BaseException:
        # The end of the process: whatever it was, it goes to the log, and the master sees the status.
        post.error_log.log(error_log_module.CRIT, "the worker failed:\n" + traceback.format_exc())
    finally:
        os._exit(status)


def worker_start(post: Post, engine: Engine, control: socket.socket, *, one_process: bool) -> Any:
    """The worker's orders as the engine wants them."""
    return engine.start(
        number=post.slot,
        generation=post.generation,
        configuration=post.configuration,
        listeners=post.listeners,
        logs=post.logs,
        scoreboard=post.scoreboard,
        control=control,
        one_process=one_process,
        orders=post.orders,
    )
