"""Programs that run for a request: CGI scripts and what pages execute.

A program gets a session, and so a process group, of its own, the environment that it is given, and no
descriptor but its three streams. It is started without a fork of this process (``vfork``, as
`subprocess` does where there is no ``preexec_fn``), for a fork would be fatal beside subinterpreters.
Its group is told to the runtime, so that whoever survives this interpreter can end it.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Mapping, Sequence

from mpserver.api.runtime import current
from mpserver.modules.cgi import Limit

#: How long a program that closed its output may take to end by itself, in seconds.
GRACE = 0.05
#: How long it has after SIGTERM before it is killed (as httpd), in seconds.
STUBBORN = 3.0


def _restrict(pid: int, limits: Mapping[str, Limit]) -> None:
    """Give a program its limits: what it took before they came counts, too."""
    import resource

    for name, (soft, hard) in limits.items():
        kind = getattr(resource, name)
        ceiling = resource.getrlimit(kind)[1]
        if ceiling >= 0 and not 0 <= hard <= ceiling:
            hard = ceiling  # (only root could raise it)
        if hard >= 0 and not 0 <= soft <= hard:
            soft = hard
        try:
            resource.prlimit(pid, kind, (soft, hard))
        except ProcessLookupError:
            return  # (it has ended)


class Program:
    """A child process. :raises OSError: it can't be started."""

    __slots__ = ("_ended", "_watch", "pid", "stderr", "stdin", "stdout")

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[bytes, bytes], directory: str, *, fed: bool,
        limits: Mapping[str, Limit],
    ) -> None:  # fmt: skip
        import subprocess

        pipes = _pipes(3 if fed else 2)
        theirs = [pipes[0][1], pipes[1][1], *(pair[0] for pair in pipes[2:])]
        ours = [pipes[0][0], pipes[1][0], *(pair[1] for pair in pipes[2:])]
        try:
            started = subprocess.Popen(
                arguments,
                stdin=theirs[2] if fed else subprocess.DEVNULL,
                stdout=theirs[0],
                stderr=theirs[1],
                close_fds=True,
                cwd=directory,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self.pid = started.pid
        if limits:
            _restrict(self.pid, limits)
        started.returncode = 0  # its status is ours to take: the object need not mind
        self._ended = False
        runtime = current()
        if runtime is not None:
            runtime.runs(self.pid)
        for fd in ours:
            os.set_blocking(fd, False)
        #: Descriptors; -1 once closed (or where there is none).
        self.stdout, self.stderr, self.stdin = ours if fed else (*ours, -1)
        try:
            self._watch = os.pidfd_open(self.pid)
        except OSError:
            self._signal(signal.SIGKILL, True)
            os.waitpid(self.pid, 0)
            for fd in ours:
                os.close(fd)
            raise

    def close(self, name: str) -> None:
        """Close one of the streams."""
        fd: int = getattr(self, name)
        if fd >= 0:
            setattr(self, name, -1)
            os.close(fd)

    def end(self, whole: bool) -> None:
        """See that it ends, and take its status; ``whole``: its process group goes with it, as it is not wanted.

        One that has closed its output is given a moment; then it gets SIGTERM, and in the end SIGKILL.
        """
        if self._ended:
            return
        self._ended = True
        for name in ("stdin", "stdout", "stderr"):
            self.close(name)
        try:
            if whole:
                self._signal(signal.SIGTERM, True)
            elif not self._over(GRACE):
                self._signal(signal.SIGTERM, False)
            if not self._over(STUBBORN) or whole:
                self._signal(signal.SIGKILL, whole)
            os.waitpid(self.pid, 0)
        except ChildProcessError:
            pass  # somebody took its status: an application that waits for any child
        finally:
            runtime = current()
            if runtime is not None:
                runtime.runs(0)
            os.close(self._watch)

    def over(self) -> bool:
        """Whether it has ended."""
        return self._ended or self._over(0)

    @property
    def watch(self) -> int:
        """A descriptor that is readable once it has ended."""
        return self._watch

    def _over(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._watch, select.POLLIN)
        until = time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            if poll.poll(max(0, left) * 1000):
                return True
            if left <= 0:
                return False

    def _signal(self, number: signal.Signals, whole: bool) -> None:
        # (it is our child and its status not taken: the number can't be another process's)
        try:
            if whole:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # it has ended, or runs as somebody else now


def _pipes(count: int) -> list[tuple[int, int]]:
    """So many pipes. :raises OSError: there is no room for all; then there are none."""
    made: list[tuple[int, int]] = []
    try:
        made.extend(os.pipe() for _ in range(count))
    except OSError:
        for fd in (fd for pair in made for fd in pair):
            os.close(fd)
        raise
    return made
