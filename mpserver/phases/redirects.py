"""Internal redirects and error documents: a request goes on as another one (manual 4.5.3)."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.api import constants
from mpserver.api.request import Request
from mpserver.errors import ClientGone
from mpserver.http1.wire import encoded
from mpserver.phases import gates
from mpserver.phases.ending import Ending
from mpserver.phases.error_response import log_error
from mpserver.phases.host import Host
from mpserver.phases.located import Located
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
        located = self.follow(new, host, path, anew=True)
        if isinstance(located, int):
            result = located
        else:
            plan = located.plan
            if plan.needs_python and (self.loader is None or plan.interpreter_id != req.mp_plan.interpreter_id):
                elsewhere(req, plan)
                req.mp_heir = None
                return False
            new.mp_settle(located)
            # (the redirect of a handler goes through all phases, manual 4.5.3; an ErrorDocument through httpd's)
            if status and req.mp_located is not None:
                new.mp_admitted = gates.admits(host.server, req.mp_located.resource, located.resource)
                if new.mp_admitted and not plan.phases.has_gates:  # (else these take the user over)
                    new.mp_take_user(req)
            try:
                result = located.resource.status or run_steps(new, plan.steps, plan.content)
            except ClientGone as error:
                result = self.gone(new, error)
        if result and result != DONE and status:
            log_error(req, f"the ErrorDocument {uri} for status {status} itself failed with {result}")
            req.mp_heir = None
            return False
        self.end(new, result)
        req.mp_adopt_response(new)
        return True
