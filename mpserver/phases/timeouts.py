"""PythonRequestTimeout: a request that takes too long is logged with its stack, then ended.

Each step of a plan with a time limit notes which thread is in which request, and until when. A watching thread, which
only exists where there are such plans, sleeps until the earliest deadline. When that passes it logs what the
request's thread is doing and raises `RequestTimeout` there. The exception takes effect at the next step of Python code.
Where the thread stays in C code, the request is given up `GIVEN_UP_AFTER` seconds later, and ``stuck`` is called.

An exception must not be raised in a thread that has left its request meanwhile. No lock can ensure that, for the
exception may come while it is taken; the order of writes and reads does, see `Timeouts.leave` and `Timeouts._raise`.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from mpserver.api import constants
from mpserver.errors import RequestTimeout
from mpserver.phases.error_response import log_error
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from mpserver.api.request import Request
    from mpserver.modules.hooks import Step
    from mpserver.phases.plan import Plan

#: How long a request may go on after the exception was raised in it, in seconds.
GIVEN_UP_AFTER = 5.0


def can_look(kind: str) -> bool:
    """Whether the stacks of threads can be looked at safely in an interpreter of this kind."""
    # before, a look at frames walks through those of all interpreters, while they run
    if sys.version_info >= (3, 14, 8) or kind == "process":
        return True
    if kind != "main":
        return False
    from mpserver.system import subinterpreters  # (there are none but in a worker)

    return not subinterpreters.alive()


class TimedStep:
    """A step of a request with a time limit, in a thread, until ``deadline`` (``time.monotonic()``)."""

    __slots__ = ("deadline", "fired", "firing", "given_up", "outer", "req", "seconds", "thread", "told")

    def __init__(self, req: Request, seconds: float, thread: int, outer: TimedStep | None) -> None:
        self.req, self.seconds, self.thread, self.outer = req, seconds, thread, outer
        self.deadline = req.mp_request_time + req.mp_paused + seconds - time.time() + time.monotonic()
        #: The watching thread is about to raise, maybe; and it has raised.
        self.firing = self.fired = False
        self.given_up = False
        #: The stack is in the log.
        self.told = False


class Timeouts:
    """The time limits of one interpreter.

    :param interpreter: its name.
    :param kind: its kind, for `can_look`.
    :param stuck: called when a request can't be ended: the interpreter is to be replaced.
    :param counted: called with each request that takes too long.
    :param abandon: called with a request that can't be ended, before ``stuck``, to answer it.
    :param freed: called when one that was given up has ended after all.
    """

    def __init__(
        self, interpreter: str, kind: str, stuck: Callable[[], None], counted: Callable[[], None],
        abandon: Callable[[Request], None] | None = None, freed: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._interpreter, self._kind, self._stuck, self._counted = interpreter, kind, stuck, counted
        #: (where it is a process, the worker answers, for that has the connection as well)
        self._abandon = None if kind == "process" else abandon
        self._freed = freed
        #: By thread.
        self._steps: dict[int, TimedStep] = {}
        self._shortest = float("inf")
        self._asleep = False
        self._ended = False
        self._bell = threading.Event()
        self._thread: threading.Thread | None = None
        #: Whether requests can be ended by an exception; otherwise those who wait get another interpreter.
        self._raises = True

    def limit(self, plan: Plan) -> None:
        """Limit the time of a plan's steps, as its configuration says."""
        seconds = plan.time_limit
        plan.steps = tuple(self._limited(step, seconds) for step in plan.steps)
        plan.content = self._limited(plan.content, seconds)
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

    def _limited(self, step: Step, seconds: float) -> Step:
        def limited(req: Request) -> int:
            timed = self._enter(req, seconds)
            try:
                try:
                    return step(req)
                finally:
                    self.leave(timed)
            except RequestTimeout as error:
                self.leave(timed)
                if not timed.fired:  # it was meant for a step around this one
                    raise
                import traceback

                where = "" if timed.told else "\n" + "".join(traceback.format_tb(error.__traceback__))
                text = f"the request was ended by PythonRequestTimeout ({seconds:g} s): {req.the_request}{where}"
                log_error(req, text)
                req.mp_cut = True
                return constants.HTTP_INTERNAL_SERVER_ERROR

        return limited

    def _enter(self, req: Request, seconds: float) -> TimedStep:
        thread = threading.get_ident()
        timed = self._steps[thread] = TimedStep(req, seconds, thread, self._steps.get(thread))
        if self._asleep:
            self._asleep = False
            self._bell.set()
        return timed

    def leave(self, timed: TimedStep) -> None:
        """The step is over; from here on nothing is raised for it.

        The exception may still come in here, then the caller calls again: it comes once at most.
        """
        self._steps.pop(timed.thread, None)
        while timed.firing:
            time.sleep(0)
        if timed.fired:
            _raise_in(timed.thread, None)
        if timed.outer is not None:
            self._steps[timed.thread] = timed.outer
        if timed.given_up:
            timed.given_up = False
            if self._freed is not None:
                self._freed()

    # ---- in the watching thread

    def _watch(self) -> None:
        while not self._ended:
            self._bell.clear()
            now = time.monotonic()
            wait = min([self._shortest, *(self._look_at(timed, now) for timed in list(self._steps.values()))])
            self._asleep = not self._steps
            if self._asleep and self._steps:  # it came right now, and may not have rung
                self._asleep = False
            if not self._ended:
                self._bell.wait(None if self._asleep else wait)

    def _look_at(self, timed: TimedStep, now: float) -> float:
        """Do what is due for a step. :returns: how long it has until the next is, in seconds."""
        if timed.given_up:
            return GIVEN_UP_AFTER
        if now < timed.deadline:
            return timed.deadline - now
        why = f"the request goes on {GIVEN_UP_AFTER:g} seconds after PythonRequestTimeout ended it"
        if not timed.fired:
            self._counted()
            self._tell(timed)
            if self._raises:
                self._raise(timed)
                timed.deadline = now + GIVEN_UP_AFTER
                return GIVEN_UP_AFTER
            why = "the request can't be ended here, for this Python has no ctypes for own interpreters"
        timed.firing = True  # (from here on it can't be left, as in `_raise`)
        try:
            if self._steps.get(timed.thread) is not timed:
                return GIVEN_UP_AFTER  # it has ended this moment, and answers itself
            timed.given_up = True
            log_error(timed.req, f"{why}: interpreter '{self._interpreter}' is replaced")
            if self._abandon is not None:
                self._abandon(timed.req)
        finally:
            timed.firing = False
            if timed.given_up:
                self._stuck()
        return GIVEN_UP_AFTER

    def _tell(self, timed: TimedStep) -> None:
        import traceback

        frame: FrameType | None = None
        if can_look(self._kind):
            frame = sys._current_frames().get(timed.thread)  # noqa: SLF001  (the library has no other way to stacks)
        timed.told = frame is not None
        stack = "\n" + "".join(traceback.format_stack(frame)) if frame is not None else ""
        log_error(
            timed.req,
            f"PythonRequestTimeout: {timed.seconds:g} s are over, in interpreter '{self._interpreter}': "
            f"{timed.req.the_request}{stack}",
        )

    def _raise(self, timed: TimedStep) -> None:
        timed.firing = True
        if self._steps.get(timed.thread) is timed:
            timed.fired = True
            _raise_in(timed.thread, RequestTimeout)
        timed.firing = False


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Raise an exception in a thread of this interpreter, at its next step of Python code; None: take it back."""
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind) if kind else None)
