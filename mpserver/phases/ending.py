"""The end of a request: access log, log handlers, cleanups, and what it held given back (manual 4.5.3, 5.1.13)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mpserver.api.loader import Loader
from mpserver.api.request import Request
from mpserver.errors import Moves
from mpserver.modules.hooks import Step
from mpserver.modules.python import application_errors, guard, moving
from mpserver.phases.error_response import Answers, log_error
from mpserver.phases.plan import plan_of
from mpserver.phases.stages import Stage
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.system.log_lines import LogLines

#: Requests that took longer, in seconds, have their lines written at once: so will those that follow, perhaps.
SLOW = 0.005

# The stages after the answer.
LOG, CLEANUP = Stage.LOG, Stage.CLEANUP


class Ending(Answers):
    """The part of a pipeline that comes after the response."""

    #: None in a router, which runs no handlers.
    loader: Loader | None
    #: The lines of access logs that wait; None: none do.
    lines: LogLines | None = None

    def close(self, req: Request, stage: int = 0, first: int = 0) -> None:
        """The logs, the log handlers, the cleanups.

        :param stage: `mpserver.phases.stages.Stage` where it goes on here after another interpreter, with the step
            ``first`` of it.
        :raises Moves: it was redirected to what belongs to another interpreter, or such a handler is the next.
        """
        if req.mp_next is not None:
            _go_on(req)
        req.mp_is_over = False
        if req.mp_prev is None and not req.mp_is_shadow:
            if stage != CLEANUP:
                _run_steps(req, plan_of(req).phases_of(req).log_transaction, LOG, first)
                first = 0
                self.log(req)
                if self.lines is not None:
                    self.lines.hurry()  # (nobody knows how long the cleanups take)
            self._clean_up(req, first)
        else:  # (the request before it, or it itself elsewhere, is logged)
            self._clean_up(req)
        self._over(req)

    def log(self, req: Request) -> None:
        """Write the request's lines of the access logs (httpd's CustomLog)."""
        logs = req.mp_host.access_logs
        if not logs:
            return
        duration = req.mp_duration = time.time() - req.mp_request_time
        if req.mp_plan.hostname_lookups:
            req.mp_get_agent_host()
        for write, log in logs:
            if (not log.is_conditional or log.wants(req)) and (line := log.line(req)) is not None:
                write(line)
        if duration > SLOW and self.lines is not None:
            self.lines.hurry()

    def leave(self, req: Request) -> None:
        """A request goes to another interpreter: what it holds in this one (a session's lock) is given back."""
        for one in _with(req):
            self.leave(one)
        self._run_cleanups(req)
        self._over(req)

    def clean_up(self, req: Request) -> None:
        """A sub-request is over: its cleanups run, and its cleanup handlers."""
        self._clean_up(req)
        self._over(req)

    def _clean_up(self, req: Request, first: int = 0) -> None:
        """Cleanups, last registered first, then the cleanup handlers (manual 5.1.13), and what these registered.

        ``first``: the first of the handlers that is to run.
        """
        for one in _with(req):
            try:
                self.clean_up(one)
            except Moves as move:  # (only the first one of a chain goes on elsewhere)
                log_error(one, f"a handler of {one.mp_uri} was not run in the interpreter {move.interpreter_id[1]}")
                self._over(one)
        self._run_cleanups(req)
        if not req.mp_is_shadow:
            steps = plan_of(req).phases_of(req).cleanup
            if steps:
                _run_steps(req, steps, CLEANUP, first)
                self._run_cleanups(req)

    def _over(self, req: Request) -> None:
        """Nothing of a request runs any more, unless it left threads: no lock may stay with it."""
        req.mp_is_over = True
        self._run_cleanups(req)  # of a thread that came right now
        for path in self.free_locks(req):
            log_error(
                req,
                f"the lock of a session was still held at the end of the request, and is free now: {path}",
            )

    def free_locks(self, req: Request) -> Sequence[str]:
        """Give back the locks of a request, and of those before it. :returns: the paths of those that were held."""
        locks = req.mp_first.mp_locks
        return () if locks is None else locks.end()

    def _run_cleanups(self, req: Request) -> None:
        while req.mp_cleanups:
            function, data = req.mp_cleanups.pop()
            try:
                guard.clean_up(req, function, data)
            except BaseException as error:  # an application's cleanup may raise anything
                if self.loader is not None:
                    moving.leave(self.loader, error)
                last = application_errors.headline(error, application_errors.describe(error))
                req.mp_log_error(f"python_cleanup: Error calling cleanup object {function!r}: {last}")


def _with(req: Request) -> Sequence[Request]:
    """The requests that end with one: that which it was redirected to, and the look-up whose place it took."""
    if req.mp_next is None and req.mp_index is None:
        return ()
    return [one for one in (req.mp_next, req.mp_index) if one is not None]


def _run_steps(req: Request, steps: Sequence[Step], stage: int, first: int) -> None:
    """All steps after the answer from one on. :raises Moves: one belongs to another interpreter."""
    for number, step in enumerate(steps[first:], first):
        try:
            step(req)
        except Moves as move:
            move.stage, move.step = stage, number
            raise


def _go_on(req: Request) -> None:
    """Let the last request of a chain go on, where that belongs to another interpreter. :raises Moves: it does."""
    last = req.mp_last
    move, last.mp_move = last.mp_move, None
    if move is not None:
        raise move
