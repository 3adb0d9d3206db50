"""PythonRequestTimeout: a request that takes too long is told with its stack, then ended.

The steps of a plan with a time limit run under guard: the guard notes which thread is in which request until when.
A thread beside them, which only exists where there are such plans, sleeps until the earliest deadline. When that
passes it logs what the request's thread is doing and raises `RequestTimeout` there. That takes effect at
the next step of Python code; what is in C code for longer is given up `GRACE` seconds later by ``stuck``.

An exception must not be raised in a thread that has left its request meanwhile. No lock can ensure that, for the
exception may come while it is taken; the order of writes and reads does, see `Timeouts.leave` and `Timeouts._raise`.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from mpserver.api import constants
from mpserver.modules import python
from mpserver.phases.error_response import log_error
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from mpserver.api.request import Request
    from mpserver.phases.plan import Plan, Step

#: How long a request may go on after the exception was raised in it, in seconds.
GRACE = 5.0


class RequestTimeout(BaseException):
    """Raised in a request that goes on past PythonRequestTimeout; ``except Exception`` does not catch it."""


class Running:
    """A guarded step of a request, in a thread, until ``deadline`` (``time.monotonic()``)."""

    __slots__ = ("deadline", "fired", "firing", "given_up", "outer", "req", "seconds", "thread", "told")

    def __init__(self, req: Request, seconds: float, thread: int, outer: Running | None) -> None:
        self.req, self.seconds, self.thread, self.outer = req, seconds, thread, outer
        self.deadline = req.mp_request_time + seconds - time.time() + time.monotonic()
        #: The watching thread is about to raise, maybe; and it has raised.
        self.firing = self.fired = False
        self.given_up = False
        #: The stack is in the log.
        self.told = False


class Timeouts:
    """The guards of one interpreter. ``frames`` says whether its threads' stacks can be looked at safely."""

    def __init__(self, interpreter: str, frames: Callable[[], bool], stuck: Callable[[], None]) -> None:
        self._interpreter, self._frames, self._stuck = interpreter, frames, stuck
        #: By thread.
        self._running: dict[int, Running] = {}
        self._shortest = float("inf")
        self._asleep = False
        self._ended = False
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None
        #: Whether requests can be ended by an exception; otherwise those who wait get another interpreter.
        self._raises = True

    def guard(self, plan: Plan) -> None:
        """Put the steps of a plan under guard, if its configuration limits their time."""
        seconds = plan.conf[python.REQUEST_TIMEOUT]
        if not seconds:
            return
        plan.steps = tuple(self._guarded(step, seconds) for step in plan.steps)
        plan.content = self._guarded(plan.content, seconds)
        self._shortest = min(self._shortest, seconds)
        self._bell.set()
        if self._thread is None:
            # (not when a request is stuck, maybe in an import)
            import traceback  # noqa: F401

            try:
                import ctypes  # noqa: F401
            except ImportError:  # 3.12 has none for an interpreter with its own GIL
                self._raises = False
            self._thread = threading.Thread(target=self._watch, name=f"timeouts of {self._interpreter}")
            self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended = True
        self._bell.set()
        if self._thread is not None:
            self._thread.join()

    # ---- in the request's thread

    def _guarded(self, step: Step, seconds: float) -> Step:
        def guarded(req: Request) -> int:
            running = self._enter(req, seconds)
            try:
                try:
                    return step(req)
                finally:
                    self.leave(running)
            except RequestTimeout as error:
                self.leave(running)
                if not running.fired:  # it was meant for a step around this one
                    raise
                import traceback

                where = "" if running.told else "\n" + "".join(traceback.format_tb(error.__traceback__))
                text = f"the request was ended by PythonRequestTimeout ({seconds:g} s): {req.mp_head.line}{where}"
                log_error(req, text)
                req.mp_cut = True
                return constants.HTTP_INTERNAL_SERVER_ERROR

        return guarded

    def _enter(self, req: Request, seconds: float) -> Running:
        thread = threading.get_ident()
        running = self._running[thread] = Running(req, seconds, thread, self._running.get(thread))
        if self._asleep:
            self._asleep = False
            self._bell.set()
        return running

    def leave(self, running: Running) -> None:
        """The step is over; from here on nothing is raised for it.

        The exception may still come in here, then the caller calls again: it comes once at most.
        """
        self._running.pop(running.thread, None)
        while running.firing:
            time.sleep(0)
        if running.fired:
            _raise_in(running.thread, None)
        if running.outer is not None:
            self._running[running.thread] = running.outer

    # ---- in the watching thread

    def _watch(self) -> None:
        while not self._ended:
            self._bell.clear()
            now = time.monotonic()
            wait = min([self._shortest, *(self._look_at(running, now) for running in list(self._running.values()))])
            self._asleep = not self._running
            if self._asleep and self._running:  # it came right now, and may not have rung
                self._asleep = False
            if not self._ended:
                self._bell.wait(None if self._asleep else wait)

    def _look_at(self, running: Running, now: float) -> float:
        """Do what is due for a step. :returns: how long it has until the next is, in seconds."""
        if running.given_up:
            return GRACE
        if now < running.deadline:
            return running.deadline - now
        why = f"the request goes on {GRACE:g} seconds after PythonRequestTimeout ended it"
        if not running.fired:
            self._tell(running)
            if self._raises:
                self._raise(running)
                running.deadline = now + GRACE
                return GRACE
            why = "the request can't be ended here, for this Python has no ctypes for own interpreters"
        running.given_up = True
        log_error(running.req, f"{why}: interpreter '{self._interpreter}' is replaced")
        self._stuck()
        return GRACE

    def _tell(self, running: Running) -> None:
        import traceback

        frame: FrameType | None = sys._current_frames().get(running.thread) if self._frames() else None
        running.told = frame is not None
        stack = "\n" + "".join(traceback.format_stack(frame)) if frame is not None else ""
        log_error(
            running.req,
            f"PythonRequestTimeout: {running.seconds:g} s are over, in interpreter '{self._interpreter}': "
            f"{running.req.mp_head.line}{stack}",
        )

    def _raise(self, running: Running) -> None:
        running.firing = True
        if self._running.get(running.thread) is running:
            running.fired = True
            _raise_in(running.thread, RequestTimeout)
        running.firing = False


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Raise an exception in a thread of this interpreter, at its next step of Python code; None: take it back."""
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind) if kind else None)
