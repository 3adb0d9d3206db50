"""Clean-ups go on beside the requests: what takes longer than a moment is done in small steps, by a thread of its own.

They are called after a request, and hold up its interpreter for `AT_ONCE` seconds at most. What is left, a thread does,
which rests longer than it works. It ends with its clean-up, or with its interpreter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from mod_python import apache
from mod_python._sessions.base import server
from mod_python._sessions.once import Once
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: How long a clean-up may hold up the interpreter that it began in, and how long each step takes; in seconds.
AT_ONCE = 0.005
STEP = 0.002
#: How long its thread rests after each step, in seconds.
REST = 0.02

#: What clean-ups take is a small part of all time: one of 0.4 seconds may come again 8 seconds after it. Where it took
#: less than `SHORT` seconds, it may come as often as it is called.
SHARE = 20
SHORT = 0.05


class Notes:
    """Where a clean-up tells of itself: with its request, and with the server's log once that has ended."""

    def __init__(self, req: Request) -> None:
        self._req: Request | None = req
        self._server: object = None

    def __call__(self, text: str) -> None:
        if self._req is not None:
            self._req.log_error(text, apache.APLOG_NOTICE)
        else:
            server().log(apache.APLOG_NOTICE, text, self._server)

    def leave(self) -> None:
        """The request ends."""
        if self._req is not None:
            self._server, self._req = self._req.server, None


class Watch:
    """How long a clean-up has worked, without its rests; in seconds."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since = time.monotonic()

    def worked(self) -> float:
        """So far."""
        return self._before + time.monotonic() - self._since

    def is_over(self) -> bool:
        """Whether the step has lasted long enough."""
        return time.monotonic() - self._since > STEP

    def stop(self) -> None:
        """A step ends."""
        self._before = self.worked()
        self._since = time.monotonic()

    def go_on(self) -> None:
        """The next one begins."""
        self._since = time.monotonic()


def pause(took: float) -> float:
    """How long the next clean-up has to wait after one that took so many seconds; in seconds."""
    return 0.0 if took < SHORT else took * SHARE


def may_come(ended: float, took: float) -> bool:
    """Whether the next clean-up may come.

    :param ended: when the last one did, in seconds since the epoch; and how long it ``took``.
    """
    return not 0 <= time.time() - ended < pause(took)


def run(steps: Iterator[None], notes: Notes) -> None:
    """Do a clean-up: here if it is short, else to its end beside the requests.

    :param steps: yields after each step.
    """
    until = time.monotonic() + AT_ONCE
    for _ in steps:
        if time.monotonic() >= until:
            notes.leave()
            sweeps().begin(steps, notes)
            return


class Sweeps:
    """The clean-ups that go on in this interpreter."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._running: set[threading.Thread] = set()
        server().register_cleanup(self.end)

    def begin(self, steps: Iterator[None], notes: Notes) -> None:
        """Have one go on."""
        thread = threading.Thread(target=self._go_on, args=(steps, notes), name="clean-up of sessions")
        self._running.add(thread)
        thread.start()

    def _go_on(self, steps: Iterator[None], notes: Notes) -> None:
        try:
            while not self._over.wait(REST):
                if next(steps, self) is self:
                    return
        except Exception as error:  # (storage may fail in any way; nobody waits for this)
            notes(f"Session cleanup error: {type(error).__name__}: {error}")
        finally:
            close: Any = getattr(steps, "close", None)
            if close is not None:
                close()
            self._running.discard(threading.current_thread())

    def end(self, _: object = None) -> None:
        """The interpreter ends: what is left to do, is for the next clean-up."""
        self._over.set()
        for thread in list(self._running):
            thread.join()


@Once
def sweeps() -> Sweeps:
    """Those of this interpreter."""
    return Sweeps()
