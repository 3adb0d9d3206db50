"""Processes: a fresh child's signals and descriptors, the reaping of children, titles."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from mpserver.system.titles import printable
from mpserver.typing import Any, NoReturn

#: Seconds that the last children (zygotes with their interpreters, piped programs) have to end once the workers are
#: gone.
LAST_ONES = 3.0

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


#: Blocked around a fork: a signal meant for the parent must not run its handlers in the child.
BLOCKED = tuple(_DISPOSITIONS)


def fork(child: Callable[[Iterable[int]], NoReturn]) -> int:
    """Fork a child that runs no handler of a signal meant for us. Returns in the parent only: its process number.

    :param child: its life, which gets the mask for `reset_signals`; it never returns, nor raises anything.
    :raises OSError: the system has no room for another process.
    """
    sys.stdout.flush()  # (what is there would be written twice)
    sys.stderr.flush()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    try:
        pid = os.fork()
        if pid == 0:
            child(blocked)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return pid


def fork_orphan(child: Callable[[Iterable[int]], NoReturn]) -> int:
    """Fork a process that is not our child, but that of whoever takes orphans: a service manager, where there is one.

    So that one may call it the service's main process: systemd does not wait for one that was another's child when it
    was told of it, and kills it at once when the service is to stop.

    :param child: its life, as for `fork`.
    :returns: its process number.
    :raises OSError: the system has no room for another process.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        between = fork(partial(_leave_behind, child, writer))
    except OSError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    with open(reader, "rb") as file:
        said = file.read(_NUMBER)
    os.waitpid(between, 0)
    if len(said) < _NUMBER:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return int(said)


#: The length of a process number that is told.
_NUMBER = 10


def _leave_behind(child: Callable[[Iterable[int]], NoReturn], writer: int, blocked: Iterable[int]) -> NoReturn:
    """Between the two: fork the one, tell its number, and be gone."""
    try:
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            child(blocked)
        os.write(writer, b"%*d" % (_NUMBER, pid))
    finally:
        os._exit(0)


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


def ended_children() -> Iterator[tuple[int, int]]:
    """Reap the children that have ended, without waiting for others: their process numbers and wait statuses."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return  # there are none at all
        if pid == 0:
            return
        yield pid, status


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
                return  # all have ended
            left = until - time.monotonic()
            if left <= 0 or signal.sigtimedwait([signal.SIGCHLD], left) is None:
                return
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def set_title(title: str) -> None:
    """Name the process for ps and top."""
    title = printable(title)
    try:
        import setproctitle
    except ImportError:  # a Python that the server was not installed for
        write_title(title)
    else:
        setproctitle.setproctitle(title)


#: The command line is made so long that titles find room in it.
ROOM = 200


def write_title(title: str) -> None:
    """Name the process where there is no library for it: over its command line, as far as that has room."""
    import ctypes

    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    if end - start > ROOM:
        ctypes.memmove(start, title.encode()[: end - start - 1].ljust(end - start, b"\0"), end - start)
