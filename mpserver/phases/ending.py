"""The end of a request: access log, log handlers, cleanups, and what it held given back (manual 4.5.3, 5.1.13)."""

from __future__ import annotations

import os
import time

from mpserver.api.loader import Loader
from mpserver.api.request import Request
from mpserver.modules.python import application_errors, moving
from mpserver.phases.error_response import Answers, log_error
from mpserver.phases.plan import plan_of


class Ending(Answers):
    """The part of a pipeline that comes after the response."""

    #: None in a router, which runs no handlers.
    loader: Loader | None

    def close(self, req: Request) -> None:
        """The logs, the log handlers, the cleanups."""
        req.mp_is_over = False
        for step in plan_of(req).phases_of(req).log_transaction:
            step(req)
        self.log(req)
        self._clean_up(req)
        self._over(req)

    def log(self, req: Request) -> None:
        """Write the request's lines of the access logs (httpd's CustomLog)."""
        logs = req.mp_host.access_logs
        if not logs:
            return
        req.mp_duration = time.time() - req.mp_request_time
        if req.mp_plan.hostname_lookups:
            req.mp_get_remote_host()
        for fd, log in logs:
            if log.env is None or log.wants(req):
                try:
                    os.write(fd, (log.line(req) + "\n").encode("utf-8", "backslashreplace"))
                except OSError:
                    pass  # a full disk must not fail requests

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

    def _clean_up(self, req: Request) -> None:
        """Cleanups, last registered first, then the cleanup handlers (manual 5.1.13), and what these registered."""
        for one in _with(req):
            self.clean_up(one)
        self._run_cleanups(req)
        for step in plan_of(req).phases_of(req).cleanup:
            step(req)
            self._run_cleanups(req)

    def _over(self, req: Request) -> None:
        """Nothing of a request runs any more, unless it left threads: no lock may stay with it."""
        req.mp_is_over = True
        self._run_cleanups(req)  # of a thread that came right now
        for path in req.mp_locks.end() if req.mp_locks is not None else ():
            log_error(
                req,
                f"the lock of a session was still held at the end of the request, and is free now: {path}",
            )

    def _run_cleanups(self, req: Request) -> None:
        while req.mp_cleanups:
            function, data = req.mp_cleanups.pop()
            try:
                function(data)
            except BaseException as error:  # an application's cleanup may raise anything
                if self.loader is not None:
                    moving.leave(self.loader, error)
                last = application_errors.describe(error)[-1].strip()
                req.mp_log_error(f"python_cleanup: Error calling cleanup object {function!r}: {last}")


def _with(req: Request) -> list[Request]:
    """The requests that end with one: that which it was redirected to, and the look-up whose place it took."""
    return [one for one in (req.mp_next, req.mp_index) if one is not None]
