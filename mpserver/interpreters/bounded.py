"""A child of a zygote that tries to load something: it has to say how that went within a time, and while it is wanted.

When the time is over, the child itself tells what it is in. One that stays in C code, or has a handler of its own for
the signal, is killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator

from mpserver.errors import MpserverError
from mpserver.interpreters import opened
from mpserver.system import own_imports
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

#: What comes with an order: the end of the inbox, and the connection states.
ORDER_FDS = 2
#: What a keeper says when logs are other files from now on, before the numbers of the descriptors that they replace
#: (packed); and how many of them come with it at most. No order begins so.
REOPEN = b"reopen"
REOPEN_FDS = 64
#: Only look at what waits, without waiting; programs that are started meanwhile get none of its descriptors.
LOOK = socket.MSG_PEEK | socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC

#: How long a child may go on after its time, in seconds.
GRACE = 2.0

#: What the names of files that are no application's begin with.
_OTHERS = ("<", os.path.dirname(os.__file__) + os.sep, *own_imports.OWN_FILES)
_LIBRARIES = tuple(f"{os.sep}{name}-packages{os.sep}" for name in ("site", "dist"))


class NobodyWants(MpserverError):
    """Whoever would order interpreters is gone."""


class NothingSaid(MpserverError):
    """The child did not say anything in its time."""


def answer(ours: socket.socket, pid: int, within: float, keeper: socket.socket) -> bytes:
    """What a child says. Where this raises, it has been ended.

    :param ours: its socket.
    :param within: its time in seconds; 0: as long as it takes.
    :param keeper: where orders come from, which nobody takes meanwhile.
    :returns: b"" where it ended without a word.
    :raises NothingSaid: its time is over.
    :raises NobodyWants: the other end of ``keeper`` is closed, and of those who have ordered nobody is there.
    """
    until = time.monotonic() + within + GRACE if within else None
    poll = select.poll()
    poll.register(ours, select.POLLIN)
    poll.register(keeper, 0)  # (the end of the other side is always told)
    order: list[int] = []
    try:
        while True:
            ready = dict(poll.poll(None if until is None else max(until - time.monotonic(), 0.0) * 1000))
            if ours.fileno() in ready:
                return ours.recv(1 << 20)
            if not ready:
                end(pid)
                raise NothingSaid
            if keeper.fileno() in ready:
                poll.unregister(keeper)
                data, order, *_ = socket.recv_fds(keeper, len(REOPEN), ORDER_FDS, LOOK)
                if order and data != REOPEN:
                    poll.register(order[0], 0)  # (the inbox of the first order: its other end is a worker's)
                    continue
            end(pid)
            raise NobodyWants
    finally:
        for fd in order:
            os.close(fd)


def end(pid: int) -> None:
    """Kill a child, and the processes below it."""
    for one in (*opened.children_of(pid), pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    os.waitpid(pid, 0)


@contextlib.contextmanager
def limited(within: float, over: Callable[[str], None]) -> Iterator[None]:
    """In the child: limit the time of what is done here, in seconds; 0: it takes what it takes.

    :param over: called when the time is over, in the midst of that, with what it is in: "file, line 1".
    """
    if not within:
        yield
        return

    def ring(_number: int, frame: FrameType | None) -> None:
        over("C code" if frame is None else _place(frame))

    former = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, within)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def _place(frame: FrameType) -> str:
    """Where a thread is, in a file of an application's rather than in one of a library's."""
    frames, outer = [frame], frame.f_back
    while outer is not None:
        frames.append(outer)
        outer = outer.f_back
    its = next(filter(_is_of_application, frames), frame)
    return f"{its.f_code.co_filename}, line {its.f_lineno}"


def _is_of_application(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return not file.startswith(_OTHERS) and not any(folder in file for folder in _LIBRARIES)
