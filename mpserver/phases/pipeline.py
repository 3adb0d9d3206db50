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

import time
from collections.abc import Mapping, Sequence

from mpserver.api import constants
from mpserver.api.loader import Loader
from mpserver.api.request import Request
from mpserver.api.response_head import Clock
from mpserver.config.sections import merge
from mpserver.errors import ClientGone, Moves, RequestError
from mpserver.http1.head import refused
from mpserver.http1.percent import encode_path
from mpserver.modules.hooks import TRACE_HANDLER, Step
from mpserver.modules.python.environment import Environment
from mpserver.phases.error_response import log_error
from mpserver.phases.host import Host
from mpserver.phases.located import Located
from mpserver.phases.plan import InterpreterId, Plan
from mpserver.phases.planner import Planner
from mpserver.phases.redirects import Redirects
from mpserver.phases.running import run_steps
from mpserver.phases.subrequests import SubRequests
from mpserver.phases.transfer import pack, unpack
from mpserver.phases.translate import Resource, normalize, resolve, walk
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.stream import Link
    from mpserver.config.finished import Finished
    from mpserver.http1.head import Head

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE


class Pipeline(Redirects):
    """The phases of one interpreter (or of a router, which only routes and refuses: it has no loader)."""

    planner_type: type[Planner] = Planner

    def __init__(
        self, configuration: Finished, logs: Mapping[str, int], generation: int, loader: Loader | None,
        environments: Mapping[str, Environment],
    ) -> None:  # fmt: skip
        self.loader = loader
        self.planner = self.planner_type(configuration, logs, generation, loader, environments, self)
        self.clock = Clock(self.planner.software)
        self.subrequests = SubRequests(self)

    # ---- serving

    def choose(self, link: Link, head: Head, host: Host, located: Located) -> Located:
        """What was located for a head, with the If sections that hold for it: its request is not begun yet."""
        return self.planner.refined(Request(link, head, host, self.clock, time.time()), host, located)

    def successor(self, req: Request, host: Host, link: Link | None = None) -> Request:
        """See `Redirects.successor`; ``link``: another one, that of a part of a page."""
        return Request(link or req.mp_link, req.mp_head, host, self.clock, req.mp_request_time)

    def serve(self, req: Request, located: Located) -> None:
        """Run a request whose plan belongs here, up to its cleanups."""
        req.mp_settle(located)
        resource, plan = located.resource, located.plan
        status = resource.status
        if status:
            for begin in req.mp_host.site.begin:
                begin(req)
            if resource.reason:
                req.mp_log.log(resource.level, resource.reason, client=req.connection.client_addr)
        elif req.mp_method == "TRACE":
            status = plan.named(TRACE_HANDLER)(req)
        else:
            try:
                status = run_steps(req, plan.steps, plan.content)
            except ClientGone as error:
                status = self.gone(req, error)
        if status:
            self.end(req, status)
        else:
            try:
                req.mp_finish()
            except (ClientGone, ValueError, OSError):
                self.end(req, OK)
        req.mp_is_over = True  # before the look at what there is to do: a thread of it may register something right now
        if (
            plan.has_last_handlers or req.mp_cleanups or req.mp_added or req.mp_next is not None
            or req.mp_index is not None
        ):  # fmt: skip
            self.close(req)
        elif plan.has_end:
            self.log(req)

    def serve_early(self, req: Request, early: Plan, interpreter_id: InterpreterId) -> None:
        """A request of a server with handlers for the phases before its resource is known.

        :raises Moves: it goes on in another interpreter.
        """
        req.mp_plan = early
        try:
            req.mp_uri = normalize(req.mp_head.path, req.mp_server.conf) if req.mp_head.path != "*" else "*"
            status = _run_early(req, early.phases.post_read_request, early.phases.translate_name)
        except RequestError as error:
            status = error.status
        if status not in (OK, DECLINED):
            self.end(req, status)
            self.close(req)
            return
        self._go_on(req, status == OK, interpreter_id)

    def serve_moved(self, req: Request, state: bytes, interpreter_id: InterpreterId) -> None:
        """A request whose early phases ran in another interpreter, with what came along."""
        self._go_on(req, unpack(state, req), interpreter_id)

    def _go_on(self, req: Request, translated: bool, interpreter_id: InterpreterId) -> None:
        located = self._translated(req, translated)
        plan = located.plan
        if plan.needs_python and plan.interpreter_id != interpreter_id and req.mp_uri != "*":
            raise Moves(plan.interpreter_id, pack(req, translated))
        self.serve(req, located)

    def _translated(self, req: Request, translated: bool, beside: str = "") -> Located:
        """What a request stands for after its early phases.

        :param translated: a handler has mapped it to its file.
        :param beside: see `mpserver.phases.translate.walk`.
        """
        planner = self.planner
        host = planner.host(req.mp_server)
        if translated and req.mp_filename is not None:
            resource = walk(host.server, req.mp_uri, req.mp_filename, planner.htaccess, beside)
        elif req.mp_uri == "*":
            return planner.locate(host, "*")
        elif translated:  # to no file: then no directory counts, as in httpd
            resource = Resource(req.mp_uri, merge(host.server, req.mp_uri, (), None, ""))
        else:
            resource = resolve(host.site, encode_path(req.mp_uri), planner.htaccess, beside)
        located = Located(resource, planner.plan(host, resource.conf, resource.filename))
        return planner.refined(req, host, located) if located.plan.branches else located

    def follow(self, req: Request, host: Host, path: str, *, anew: bool) -> Located | int:
        """See `Redirects.follow`; the early phases run in the interpreter that the request is in."""
        early = self.planner.early(host)
        beside = "" if req.mp_main is None else _folder(req.mp_main)
        if early is None or self.loader is None:
            located = self.planner.locate(host, path, beside)
            return self.planner.refined(req, host, located) if located.plan.branches else located
        try:
            req.mp_uri = normalize(path, req.mp_server.conf)
        except RequestError as error:
            return error.status
        req.mp_plan = early
        phases = early.phases_of(req)
        status = _run_early(req, phases.post_read_request if anew else (), phases.translate_name)
        return self._translated(req, status == OK, beside) if status in (OK, DECLINED) else status

    def refuse(self, link: Link, host: Host, error: RequestError, now: float) -> None:
        """Answer a request that could not be read, or that can't be served."""
        req = Request(link, refused(error.line), host, self.clock, now)
        plan = self.planner.plan(host, host.server.base, None)
        req.mp_settle(Located(Resource(req.mp_head.path, plan.conf), plan))
        shown = f"{error.reason}: {error.line}" if error.line else error.reason
        log_error(req, shown)
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


def _folder(main: Request) -> str:
    """The directory of a request's file, with its slash; "" where there is none."""
    resource = None if main.mp_located is None else main.mp_located.resource
    if resource is None or resource.filename is None:
        return ""
    return str(resource.filename[: resource.filename.rfind("/") + 1])


def _run_early(req: Request, first: Sequence[Step], translate: Sequence[Step]) -> int:
    """Post-read-request and translation handlers. :returns: OK (translated), DECLINED, or how the request ends."""
    for step in first:
        result = step(req)
        if result not in (OK, DECLINED):
            return result
    for step in translate:
        result = step(req)
        if result != DECLINED:
            return result
    return DECLINED
