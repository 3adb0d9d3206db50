"""The way of a request that needs more than one interpreter: its early phases, and how it goes on elsewhere.

Handlers that run before the resource is known belong to the server's interpreter, or to a Location's, and content to
its own (manual 4.1, 5.4.4). With PythonInterpPerDirective each phase belongs to the directory of its directive. Where
the next phase belongs to another interpreter, `Moves` is raised, and `mpserver.serving.going_on` sends the request
there.
"""

from __future__ import annotations

from mpserver.api import constants
from mpserver.config.sections import merge
from mpserver.errors import Moves, RequestError
from mpserver.http1.percent import encode_path
from mpserver.modules.hooks import PROXY_HANDLER, PROXY_PREFIX, TRACE_HANDLER
from mpserver.phases.error_response import log_error
from mpserver.phases.located import Located
from mpserver.phases.plan import Plan, plan_of
from mpserver.phases.redirects import Redirects
from mpserver.phases.stages import Stage
from mpserver.phases.translate import Resource, elsewhere, normalize, resolve, walk
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.phases.host import Host
    from mpserver.phases.transfer import Moved, Packed, Place

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE
READ, TRANSLATE, LOCATE, TRANSLATED = Stage.READ, Stage.TRANSLATE, Stage.LOCATE, Stage.TRANSLATED


class MovedRequests(Redirects):
    """This part of a pipeline."""

    # ---- early phases

    def serve_early(self, req: Request) -> None:
        """A request of a server with handlers for the phases before its resource is known, up to its cleanups.

        :raises Moves: it goes on in another interpreter.
        """
        req.mp_plan = self._early(self.planner.host(req.mp_server))
        try:
            req.mp_uri = normalize(req.mp_head.path, req.mp_server.conf) if req.mp_head.path != "*" else "*"
            status = self._go_on(req, READ)
        except RequestError as error:
            status = error.status
        self._finish(req, status)

    def _early(self, host: Host) -> Plan:
        early = self.planner.early(host)
        assert early is not None
        return early

    def _go_on(self, req: Request, stage: int) -> int:
        """The phases of a request from one of the early ones on."""
        located = self._lead(req, stage)
        return located if isinstance(located, int) else self._arrive(req, located)

    def _arrive(self, req: Request, located: Located) -> int:
        """The phases of a request whose resource was found: of one that came from outside, or was redirected."""
        if req.mp_prev is not None:
            return self.run_redirected(req, located)
        req.mp_settle(located)
        resource, plan = located.resource, located.plan
        if resource.status:
            return self.turn_away(req, resource)
        if req.mp_method == "TRACE" and not resource.is_elsewhere:
            return plan.named(TRACE_HANDLER)(req)
        return self.run(req, plan)

    def turn_away(self, req: Request, resource: Resource) -> int:
        """What a request stands for is refused before its phases. :returns: the status."""
        for begin in req.mp_host.site.begin:
            begin(req)
        if resource.reason:
            req.mp_log.log(resource.level, resource.reason, about=req)
        return resource.status

    def _lead(self, req: Request, stage: int) -> Located | int:
        """The early phases of a request from one on. :returns: its resource; or how it ends.

        :raises Moves: it goes on in another interpreter.
        """
        try:
            if stage <= TRANSLATE:
                status = self._run_early(req, stage)
                if status not in (OK, DECLINED):
                    return status
                stage = TRANSLATED if status == OK else LOCATE
            located = self._translated(req, stage == TRANSLATED)
            plan = located.plan
            if plan.needs_python and plan.interpreter_id != self.planner.home and req.mp_uri != "*":
                raise Moves(plan.interpreter_id, stage)
        except Moves as move:
            move.stage = move.stage or stage
            raise
        return located

    def _run_early(self, req: Request, stage: int) -> int:
        """Post-read-request and translation handlers. :returns: OK (translated), DECLINED, or how the request ends."""
        host = self.planner.host(req.mp_server)
        early = self._early(host)
        if stage == READ:
            req.mp_plan = early
            for step in early.phases_of(req).post_read_request:
                result = step(req)
                if result not in (OK, DECLINED):
                    return result
        try:
            plan = req.mp_plan = self.planner.translation(host, early, req.mp_uri)
            for step in plan.phases_of(req).translate_name:
                result = step(req)
                if result != DECLINED:
                    return result
        except Moves as move:
            move.stage = TRANSLATE
            raise
        return DECLINED

    def _translated(self, req: Request, translated: bool, beside: str = "") -> Located:
        """What a request stands for after its early phases.

        :param translated: a handler has mapped it to its file.
        :param beside: see `mpserver.phases.translate.walk`.
        """
        planner = self.planner
        host = planner.host(req.mp_server)
        if translated and req.mp_proxyreq and (req.mp_filename or "").startswith(PROXY_PREFIX):
            resource = elsewhere(host.server, req.mp_uri, req.mp_filename or "")
            resource.handler = PROXY_HANDLER
        elif translated and req.mp_filename is not None:
            resource = walk(host.server, req.mp_uri, req.mp_filename, planner.htaccess, beside)
        elif req.mp_uri == "*":
            return planner.locate(host, "*")
        elif translated:  # to no file: then no directory counts, as in httpd
            resource = Resource(req.mp_uri, merge(host.server, req.mp_uri, (), None, ""))
        else:
            if host.site.rewriters:
                opened = planner.opened(host, Resource(req.mp_uri, host.server.base), beside)
                return planner.refined(req, host, opened)
            resource = resolve(host.site, encode_path(req.mp_uri), planner.htaccess, beside)
        located = Located(resource, planner.plan(host, resource.conf, resource.filename))
        return planner.refined(req, host, located)

    def follow(self, req: Request, host: Host, path: str, *, anew: bool) -> Located | int:
        """See `Redirects.follow`; for an index the early phases run in the interpreter that the request is in."""
        beside = "" if req.mp_main is None else _folder(req.mp_main)
        if not host.has_early or self.loader is None:
            located = self.planner.refined(req, host, self.planner.locate(host, path, beside))
            req.mp_uri = located.resource.uri
            if anew and self.is_elsewhere(located.plan):
                raise Moves(located.plan.interpreter_id, LOCATE)
            return located
        try:
            req.mp_uri = normalize(path, req.mp_server.conf)
        except RequestError as error:
            return error.status
        if anew:
            return self._lead(req, READ)
        status = self._run_early(req, TRANSLATE)
        return self._translated(req, status == OK, beside) if status in (OK, DECLINED) else status

    # ---- requests from other interpreters

    def serve_moved(self, req: Request, moved: Moved) -> None:
        """Go on with a request that comes from another interpreter, up to its cleanups.

        :raises Moves: it goes on in a further one.
        """
        self._restore(req, moved)
        if moved.stage in (Stage.STEPS, Stage.CONTENT):
            plan = plan_of(req)
            if moved.stage == Stage.CONTENT:
                for step in plan.phases_of(req).heading:  # (its functions do not travel: they are of this plan again)
                    step(req)
            status = self.run(req, plan, len(plan.steps) if moved.stage == Stage.CONTENT else moved.step)
        else:
            status = self._go_on(req, moved.stage)
        if status and status != DONE and req.mp_document:
            self.document_failed(req, status)
            status = OK
        self._finish(req, status)

    def _restore(self, req: Request, moved: Moved) -> None:
        """Make a request, and those before it, what they were where it has come from."""
        from mpserver.phases import transfer  # (few requests need several interpreters)

        host = self.planner.host(req.mp_server)
        one, after = req, None
        for packed in moved.chain:
            if after is not None:
                one = self.successor(req, host)
                one.mp_is_shadow = True
            self._settle(one, host, packed)
            transfer.restore(one, packed, after)
            after = one
        transfer.go_on(req, moved)

    def _settle(self, req: Request, host: Host, packed: Packed) -> None:
        """Find the resource of a request again."""
        planner = self.planner
        if packed.place is None:
            early = planner.early(host)
            req.mp_plan = planner.plan(host, host.server.base, None) if early is None else early
            return
        if packed.place.file == "":  # (see `mpserver.phases.transfer.distrust`)
            req.mp_settle(planner.refined(req, host, planner.locate(host, encode_path(packed.place.uri))))
            return
        resource = self._resource(host, packed.place)
        located = Located(resource, planner.plan(host, resource.conf, resource.filename))
        req.mp_settle(planner.refined(req, host, located))

    def _resource(self, host: Host, place: Place) -> Resource:
        if place.file is None:
            return Resource(place.uri, merge(host.server, place.uri, (), None, ""))
        if place.file.startswith(PROXY_PREFIX):
            resource = resolve(host.site, encode_path(place.uri), self.planner.htaccess)
            if not resource.is_elsewhere:
                resource = elsewhere(host.server, place.uri, place.file)
        else:
            resource = walk(host.server, place.uri, place.file, self.planner.htaccess)
        resource.handler = place.handler
        return resource

    def _finish(self, req: Request, status: int) -> None:
        self.end(req, status)
        req.mp_is_over = True
        self.close(req)

    def end_moved(self, req: Request, moved: Moved) -> None:
        """Go on with a request that was answered in another interpreter: handlers after the answer, and cleanups.

        They are for the first of its chain; ``req`` is the last one, which has the response.
        """
        self._restore(req, moved)
        first = req
        while first.mp_prev is not None:
            first.mp_is_shadow = True
            first.mp_prev.mp_adopt_response(first)
            first = first.mp_prev
        first.mp_is_shadow = False
        self.close(first, moved.stage, moved.step)

    # ---- requests that go to other interpreters

    def depart(self, req: Request, last: Request) -> None:
        """A request goes on elsewhere: the last one of its chain, ``last``. What it keeps waits here for its end.

        Locks of sessions are given back: nothing here can do so later, while others may wait for them.
        """
        last.mp_is_shadow = True
        one: Request | None = last
        while one is not None:
            one.mp_started = one.mp_finished = True  # nothing that is left here adds to the answer
            one.mp_parts = []
            one = one.mp_prev
        req.mp_is_over = False
        self.free_locks(req)

    def ended_elsewhere(self, req: Request, facts: bytes) -> None:
        """A request that went on elsewhere is over: log it, where it began here, and call its cleanups.

        :param facts: what was answered (`mpserver.phases.transfer.answered`), empty where nobody could tell.
        """
        from mpserver.phases import transfer

        last = req.mp_last
        try:
            transfer.note(last, facts)
        except ValueError as error:
            last.mp_status = constants.HTTP_INTERNAL_SERVER_ERROR
            if facts:
                log_error(req, f"what was said of the answer to {req.mp_uri} can't be: {error}")
        one = last
        while one is not req and one.mp_prev is not None:
            one.mp_prev.mp_finished = False
            one.mp_prev.mp_adopt_response(one)
            one = one.mp_prev
        self.close(req)


def _folder(main: Request) -> str:
    """The directory of a request's file, with its slash; "" where there is none."""
    resource = None if main.mp_located is None else main.mp_located.resource
    if resource is None or resource.filename is None:
        return ""
    return str(resource.filename[: resource.filename.rfind("/") + 1])
