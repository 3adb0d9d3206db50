"""A worker as its master sees it, and the fork that makes one.

The child's side of the fork is `become_worker`: it lets go of everything of the master's (signals,
descriptors, rights) before any engine or application code runs.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable

from mpserver import privileges
from mpserver.api import log
from mpserver.api.log import ErrorLog
from mpserver.errors import StartError
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

if TYPE_CHECKING:
    from mpserver.config.compile import Configuration
    from mpserver.modules.unixd import Identity
    from mpserver.scoreboard import Scoreboard

#: What a worker tells its master on ``control`` (all else is a request for the keeper).
READY = b"ready"  # it serves
#: A connection for another worker: this, the worker's slot (4 bytes, little endian), the message.
PASS = b"pass"
#: In the place of a slot: for any other worker.
ANYONE = 0xFFFFFFFF
#: What an encoded `mpserver.handoff.Message` follows: an answer, or changed files.
NEWS = b"news"
LEAVING = b"leaving"  # it takes nothing new (MaxConnectionsPerChild...) and wants to be replaced

#: The longest message on ``control``, and the most descriptors with it.
MESSAGE = 64 * 1024
MESSAGE_FDS = 16

#: Seconds that a worker has to end after TERM before it is killed.
KILL_AFTER = 5.0

#: Seconds that the last children (zygotes with their interpreters, piped programs) have to end when the workers are
#: gone.
LAST_ONES = 3.0

#: A worker's exit status when it could not start at all, as httpd's APEXIT_CHILDFATAL.
FATAL = 15

#: What signals mean to a worker until it says otherwise itself; the rest is for the master.
_DISPOSITIONS: dict[signal.Signals, Any] = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGCHLD: signal.SIG_DFL,
    signal.SIGUSR1: signal.SIG_DFL,
    signal.SIGUSR2: signal.SIG_IGN,
    signal.SIGHUP: signal.SIG_IGN,
    signal.SIGINT: signal.SIG_IGN,
    signal.SIGWINCH: signal.SIG_IGN,
}

#: Blocked around a fork: a signal meant for the master must not run its handlers in the child.
BLOCKED = tuple(_DISPOSITIONS)


class KeeperLike(Protocol):
    """What the master asks of the keeper of a generation's process interpreters."""

    def request(self, data: bytes, fds: list[int]) -> tuple[Any, ...] | None:
        """A worker's message, with the descriptors that came with it (the keeper's to close).

        :returns: what all workers of the generation should know, an order of `mpserver.orders`; or None.
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
    """What the processes run: `mpserver.worker` and `mpserver.zygote`, or a test's stand-ins.

    ``start`` makes a WorkerStart from its fields by name, ``serve`` is the worker. ``keeper`` makes the keeper
    of a generation (its number comes last). ``keeper_process`` forks a process that keeps the process
    interpreters of a one-process server, and gives the control socket to it.
    """

    start: Callable[..., Any]
    serve: Callable[[Any], None]
    keeper: Callable[[Configuration, dict[str, int], Scoreboard, Identity | None, int], KeeperLike]
    keeper_process: Callable[[Configuration, dict[str, int], Scoreboard, Identity | None], socket.socket]


class Post(NamedTuple):
    """Where a worker is put: everything it gets from the master."""

    slot: int
    generation: int
    configuration: Configuration
    listeners: list[socket.socket]
    logs: dict[str, int]
    scoreboard: Scoreboard
    identity: Identity | None
    error_log: ErrorLog
    #: What it starts with to replace another worker, see `mpserver.orders.Orders.prepare`.
    orders: bytes = b""


class Child:
    """One worker: where it is, how far it has come, and what it was told."""

    __slots__ = ("control", "deadline", "generation", "leaving", "pid", "ready", "slot", "started", "told", "trial")

    def __init__(self, pid: int, slot: int, generation: int, control: socket.socket, started: float) -> None:
        self.pid, self.slot, self.generation, self.control = pid, slot, generation, control
        #: ``time.monotonic()`` of its fork.
        self.started = started
        #: It serves.
        self.ready = False
        #: It takes nothing new, by its own will or ours.
        self.leaving = False
        #: It is to replace another one, if it can start.
        self.trial = False
        #: The last signal that we sent to end it.
        self.told: signal.Signals | None = None
        #: ``time.monotonic()`` after which it is killed; None: it has all the time it needs.
        self.deadline: float | None = None

    def drain(self, last: bool = False) -> None:
        """Let it finish what it has and go; one that does not serve yet has nothing, and goes now.

        ``last``: the whole server ends, so it takes those along who wait at the listeners.
        """
        if not self.ready:
            self.end()
        elif self.told is None:
            self.leaving = True
            self._tell(signal.SIGUSR2 if last else signal.SIGUSR1)

    def end(self) -> None:
        """Make it go now; it is killed when it is still there after `KILL_AFTER`."""
        self.leaving = True
        if self.told not in (signal.SIGTERM, signal.SIGKILL):
            self._tell(signal.SIGTERM)
            self.deadline = time.monotonic() + KILL_AFTER

    def kill(self) -> None:
        """End it without its doing."""
        self.leaving = True
        self.deadline = None
        self._tell(signal.SIGKILL)

    def _tell(self, number: signal.Signals) -> None:
        self.told = number
        # (It is our child and not reaped yet: the number can't be another process's.)
        os.kill(self.pid, number)


def fork_worker(post: Post, engine: Engine, now: float) -> Child:
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
    return Child(pid, post.slot, post.generation, ours, now)


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
            privileges.assume(post.identity)
        engine.serve(worker_start(post, engine, control, one_process=False))
        status = 0
    except StartError as error:
        post.error_log.log(log.CRIT, str(error))
    except BaseException:
        # The end of the process: whatever it was, it goes to the log, and the master sees the status.
        post.error_log.log(log.CRIT, "the worker failed:\n" + traceback.format_exc())
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


def reset_signals(mask: Iterable[Any] = ()) -> None:
    """In a child of the master: forget its signal handlers and its wake-up descriptor, then unblock."""
    signal.set_wakeup_fd(-1)
    for number, disposition in _DISPOSITIONS.items():
        signal.signal(number, disposition)
    signal.pthread_sigmask(signal.SIG_SETMASK, set(mask) - set(BLOCKED))


def close_inherited(keep: Iterable[int]) -> None:
    """In a child of the master: close every descriptor but 0, 1, 2 and these.

    The master's ends of other workers' control sockets are among them: while any copy is open, nobody
    sees the master's death. Python objects that own them must stay referenced (they do: the master's
    frames lie below us), for their number may soon be somebody else's.
    """
    kept = sorted({0, 1, 2, *keep})
    highest = max(max((int(name) for name in os.listdir("/proc/self/fd")), default=0), kept[-1]) + 1
    for low, high in zip(kept, [*kept[1:], highest], strict=True):
        os.closerange(low + 1, high)


def tell_end(error_log: ErrorLog, child: Child, status: int) -> None:
    """Log how a worker ended, by its wait status, unless it was told to end so."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != child.told:
            name = signal.strsignal(number) or "?"
            error_log.log(log.NOTICE, f"child pid {child.pid} exit signal {name} ({number})", number=52)
    elif os.WEXITSTATUS(status) != 0:
        text = f"worker {child.slot} (pid {child.pid}) ended with status {os.WEXITSTATUS(status)}"
        error_log.log(log.ERROR, text if child.ready else f"{text} before it served")


def reap_all() -> None:
    """Wait until every child has ended, or for `LAST_ONES`."""
    until = time.monotonic() + LAST_ONES
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    try:
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] != 0:
                    continue
            except ChildProcessError:
                return
            left = until - time.monotonic()
            if left <= 0 or signal.sigtimedwait([signal.SIGCHLD], left) is None:
                return
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def set_title(title: str) -> None:
    """Name the process for ps and top."""
    try:
        import setproctitle
    except ImportError:  # a Python that the server was not installed for
        from mpserver.elsewhere import write_title

        write_title(title)
    else:
        setproctitle.setproctitle(title)
