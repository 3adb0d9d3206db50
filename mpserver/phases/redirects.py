"""Internal redirects and error documents: a request goes on as another one (manual 4.5.3)."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.api import constants
from mpserver.api.request import Request
from mpserver.errors import ClientGone, Moves
from mpserver.http1.wire import encoded
from mpserver.modules.hooks import Step
from mpserver.phases import gates
from mpserver.phases.ending import Ending
from mpserver.phases.error_response import log_error
from mpserver.phases.host import Host
from mpserver.phases.located import Located
from mpserver.phases.plan import Plan
from mpserver.phases.planner import Planner
from mpserver.phases.running import elsewhere, run_steps

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE

#: What a redirect's URI may begin with and does not need.
ABSOLUTE = lazyre.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*(?=[/?]|$)")

#: How often a request may be redirected internally (httpd's LimitInternalRecursion).
REDIRECTS = 10


class Redirects(Ending):
    """The part of a pipeline that leads a request to another resource of its server."""

    planner: Planner

    def successor(self, req: Request, host: Host) -> Request:
        """A new request on the same connection, with the same head."""
        raise NotImplementedError

    def follow(self, req: Request, host: Host, path: str, *, anew: bool) -> Located | int:
        """Where a raw path leads to inside the server, by way of the early phases that httpd runs for it.

        :param anew: all of them, as for a request from outside; else translation alone, as for an index.
        :returns: the status instead, where that is the end of it.
        :raises Moves: a request from anew goes on in another interpreter.
        """
        raise NotImplementedError

    # ---- to another URI

    def redirect(self, req: Request, uri: str) -> None:
        """``req.internal_redirect``: serve another URI in place of this request; 500 where that can't be."""
        if not self.redirected(req, uri, 0):
            self.end(req, constants.HTTP_INTERNAL_SERVER_ERROR)

    def redirected(self, req: Request, uri: str, status: int) -> bool:
        """Serve another URI in place of the request; see `Answers.redirected`."""
        if req.mp_redirects >= REDIRECTS:
            log_error(req, f"AH00124: request exceeded the limit of {REDIRECTS} internal redirects: {uri}")
            return False
        raw = encoded(uri)
        path, question, query = ABSOLUTE.sub("", raw, count=1).partition("?")
        path = path or "/"
        host = self.planner.host(req.mp_server)
        new = self.successor(req, host)
        new.mp_succeed(req, raw, query if question else None, status)
        new.mp_document = status
        try:
            located = self.follow(new, host, path, anew=True)
            result = located if isinstance(located, int) else self.run_redirected(new, located)
        except Moves as move:
            if self.loader is None or req.mp_main is not None:
                elsewhere(req, new.mp_uri, move.interpreter_id)
                req.mp_heir = None
                return False
            self._leave_to(new, move)
            return True
        if result and result != DONE and status:
            log_error(req, f"the ErrorDocument {uri} for status {status} itself failed with {result}")
            req.mp_heir = None
            return False
        self.end(new, result)
        req.mp_adopt_response(new)
        return True

    def run_redirected(self, new: Request, located: Located) -> int:
        """The phases of a request that another one was redirected to, from its resource on."""
        plan, before = located.plan, new.mp_prev
        new.mp_settle(located)
        # (the redirect of a handler goes through all phases, manual 4.5.3; an ErrorDocument through httpd's)
        if new.mp_document and before is not None and before.mp_located is not None:
            server = self.planner.host(new.mp_server).server
            new.mp_admitted = gates.admits(server, before.mp_located.resource, located.resource)
            if new.mp_admitted and not plan.phases.has_gates:  # (else these take the user over)
                new.mp_take_user(before)
        if located.resource.status:
            return located.resource.status
        return self.run(new, plan)

    def run(self, req: Request, plan: Plan, first: int = 0, content: Step | None = None) -> int:
        """The steps of a plan, from one on, and its content, see `run_steps`.

        :returns: OK, DONE, or the status to answer with.
        """
        try:
            return run_steps(req, plan, first, content)
        except ClientGone as error:
            return self.gone(req, error)

    def document_failed(self, req: Request, status: int) -> None:
        """An error document that was made in another interpreter is none: answer with the server's own page."""
        document, before = req.mp_document, req.mp_prev
        assert before is not None
        log_error(before, f"the ErrorDocument {req.mp_target} for status {document} itself failed with {status}")
        req.mp_document = 0
        if req.mp_started:
            self.end(req, status)
            return
        req.mp_drop_parts()
        req.mp_headers_out = req.mp_status_line = None
        req.mp_answer_itself()
        self.canned(req, document, constants.HTTP_INTERNAL_SERVER_ERROR)

    def _leave_to(self, new: Request, move: Moves) -> None:
        """What a request was redirected to is made in another interpreter, as soon as the handlers here have returned.

        Until then the answer counts as complete: what they write after a redirect is not sent (as in httpd).
        """
        new.mp_move = move
        before = new.mp_prev
        while before is not None:
            before.mp_started = before.mp_finished = True
            before = before.mp_prev

    def is_elsewhere(self, plan: Plan) -> bool:
        """Whether the requests of a plan belong to another interpreter."""
        return plan.needs_python and (self.loader is None or plan.interpreter_id != self.planner.home)
