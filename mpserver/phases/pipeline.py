"""The way of a request through the phases (httpd's ``ap_process_request``; manual 3.2).

::

    route       server -> resource -> plan -> the interpreter it belongs to (`mpserver.phases.planner`)
    early       post-read-request and translation handlers, where a server has some
    steps       of the plan: header parser, init, access, authentication, authorisation, type, fixup
    content     the handler, a file, a directory
    end         the rest of the response or an error page (`error_response`); access log, log handlers, cleanups
                (`ending`)

An internal redirect or an error document goes through them again (`redirects`), and so do the sub-requests for an index
or a part of a page (`subrequests`).
"""

from __future__ import annotations

import _socket
import time
from collections.abc import Callable, Mapping

from mpserver import lazy
from mpserver.api import constants
from mpserver.api.loader import Loader
from mpserver.api.request import Request
from mpserver.api.response_head import Clock
from mpserver.api.tasks import over
from mpserver.errors import Awaits, ClientGone, RequestError
from mpserver.http1.head import refused
from mpserver.modules.hooks import TRACE_HANDLER
from mpserver.modules.python.environment import Environment
from mpserver.phases.error_response import log_error
from mpserver.phases.host import Host
from mpserver.phases.located import Located
from mpserver.phases.moved import MovedRequests
from mpserver.phases.plan import is_resource, plan_of
from mpserver.phases.planner import Planner
from mpserver.phases.running import run_steps
from mpserver.phases.translate import Resource
from mpserver.system.log_lines import Write, at_once
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.stream import Link
    from mpserver.config.finished import Finished
    from mpserver.http1.head import Head
    from mpserver.phases.subrequests import SubRequests

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE


class Pipeline(MovedRequests):
    """The phases of one interpreter (or of a router, which only routes and refuses: it has no loader)."""

    planner_type: type[Planner] = Planner

    def __init__(
        self, configuration: Finished, logs: Mapping[str, int], generation: int, loader: Loader | None,
        environments: Mapping[str, Environment], writer: Callable[[int], Write] = at_once,
    ) -> None:  # fmt: skip
        self.loader = loader
        self.planner = self.planner_type(configuration, logs, generation, loader, environments, self, writer)
        self.clock = Clock(self.planner.software)
        self.subrequests = lazy.made(self._subrequests)  # (many interpreters serve neither directories nor pages)

    def _subrequests(self) -> SubRequests:
        from mpserver.phases.subrequests import SubRequests

        return SubRequests(self)

    # ---- serving

    def choose(self, link: Link, head: Head, host: Host, located: Located) -> Located:
        """What was located for a head, with the If sections that hold for it: its request is not begun yet."""
        return self.planner.refined(Request(link, head, host, self.clock, time.time()), host, located)

    def successor(self, req: Request, host: Host, link: Link | None = None) -> Request:
        """See `Redirects.successor`; ``link``: another one, that of a part of a page."""
        new = Request(link or req.mp_link, req.mp_head, host, self.clock, req.mp_request_time)
        if req.mp_agent is not None:
            new.mp_agent = req.mp_agent
        return new

    def serve(self, req: Request, located: Located) -> None:
        """Run a request whose plan belongs here, up to its cleanups."""
        req.mp_settle(located)
        resource, plan = located.resource, located.plan
        status = resource.status
        if status:
            self.turn_away(req, resource)
        elif req.mp_method == "TRACE" and not resource.is_elsewhere:
            status = plan.named(TRACE_HANDLER)(req)
        else:
            page = located.page
            try:
                if page is None or not plan.is_still or not page.send(req, page):
                    status = run_steps(req, plan, 0, None)  # (a call with all arguments is a quicker one)
            except ClientGone as error:
                status = self.gone(req, error)
        if status:
            if plan.in_loop and is_resource(plan.error_documents.get(status)) and not req.mp_link.may_wait():
                raise Awaits(over(status))  # (nobody knows how long that takes: it gets a thread)
            self.end(req, status)
        else:
            try:
                req.mp_finish()
            except Exception:  # (values of an application's own types may raise anything as they become text)
                self.end(req, OK)
        req.mp_is_over = True  # before the look at what there is to do: a thread of it may register something right now
        if (
            plan.has_last_handlers or req.mp_cleanups or req.mp_added or req.mp_next is not None
            or req.mp_index is not None
        ):  # fmt: skip
            self.close(req)
        elif plan.has_end:
            self.log(req)

    def complete(self, req: Request, status: int) -> None:
        """The content of a request is over that has waited by a task: what follows, up to its cleanups."""
        self.end(req, status)
        plan = plan_of(req)
        req.mp_is_over = True
        if (  # (as in `serve`, where a call would be one too many)
            plan.has_last_handlers or req.mp_cleanups or req.mp_added or req.mp_next is not None
            or req.mp_index is not None
        ):  # fmt: skip
            self.close(req)
        elif plan.has_end:
            self.log(req)

    def resume(self, req: Request) -> None:
        """Go on with a request that has waited for its body: its content, up to its cleanups.

        :raises Moves: that belongs to another interpreter.
        """
        plan = plan_of(req)
        req.mp_clock = self.clock  # (threads have their own)
        self._finish(req, self.run(req, plan, len(plan.steps), plan.content))

    def fail(self, req: Request, status: int, reason: str) -> None:
        """Answer a request whose body did not come as it has to; the connection ends with it."""
        log_error(req, f"{reason}: {req.mp_head.line}")
        req.mp_clock = self.clock
        req.mp_link.keep_alive = False
        if req.mp_input is not None:
            req.mp_input.fail(status)
        self._finish(req, status)

    def give_up(self, req: Request, reason: str) -> None:
        """A request is over whose client is gone, or has to go, before its body has come."""
        self.gone(req, ClientGone(reason))
        req.mp_is_over = True
        self.close(req)

    def refuse(self, link: Link, host: Host, error: RequestError, now: float, received: int) -> None:
        """Answer a request that could not be read, or that can't be served.

        :param received: how many bytes of it have come.
        """
        req = Request(link, error.head or refused(error.line), host, self.clock, now)
        plan = self.planner.plan(host, host.server.base, None)
        req.mp_settle(Located(Resource(req.mp_head.path, plan.conf), plan))
        req.mp_agent, req.mp_received = link.agent, received
        shown = f"{error.reason}: {error.line}" if error.line else error.reason
        req.mp_log.log(error.level, shown, about=req)
        link.keep_alive = False
        req.mp_original_status = error.status
        req.mp_answer_itself()
        if error.retry_after:
            req.err_headers_out["Retry-After"] = str(error.retry_after)
        try:
            self.canned(req, error.status, note=error.reason)
        except ClientGone as gone:
            self.gone(req, gone)
        self.log(req)

    def abandon(self, req: Request) -> None:
        """Answer a request that does not end, from another thread, and log it: its interpreter goes with it.

        Whatever it writes should it go on after all finds the connection closed, and has no further line in the logs.
        """
        while req.mp_main is not None:
            req = req.mp_main
        req = req.mp_first
        if req.mp_is_shadow:
            return  # (the interpreter that it came from answers, as soon as this one is gone)
        link = req.mp_link
        try:
            if req.mp_last.mp_started:
                self.log(req)
            else:
                error = RequestError(500, "it does not end", req.mp_head.line).about(req.mp_head)
                self.refuse(link, req.mp_host, error, req.mp_request_time, len(req.mp_head.raw))
        finally:
            req.mp_is_shadow = True
            vars(req).setdefault("mp_cleanups", []).append((_nothing, None))  # (so its end is looked at: see `serve`)
            try:
                link.sock.shutdown(_socket.SHUT_WR)
            except OSError:
                pass  # its client is gone
        if self.lines is not None:
            self.lines.flush()


def _nothing(_data: object) -> None:
    """A cleanup that does nothing."""
