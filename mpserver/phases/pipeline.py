"""The way of a request through the phases (httpd's ``ap_process_request``; manual 3.2).

    route       server -> resource -> plan -> the interpreter it belongs to
    early       post-read-request and translation handlers, where a server has some
    steps       of the plan: header parser, init, access, authentication, authorisation, type, fixup, content
    ending      error page or the rest of the response; access log, log handlers, cleanups

A step returns OK or DECLINED to go on; DONE ends the request well; anything else is its status.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from mpserver.api import constants
from mpserver.api.loader import Loader
from mpserver.api.output import Clock
from mpserver.api.request import Request
from mpserver.config.compile import Configuration, Server
from mpserver.config.htaccess import HtaccessCache
from mpserver.config.settings import Conf
from mpserver.errors import ClientGone, ConfigError, RequestError
from mpserver.http1.head import Head, refused
from mpserver.modules import auth, core, default, mime, python
from mpserver.phases import dispatch, errorpage
from mpserver.phases.host import Host, server_software
from mpserver.phases.plan import PYTHON_HANDLERS, Place, Plan, varies_by_file
from mpserver.phases.translate import Resource, normalize, resolve, walk

if TYPE_CHECKING:
    from mpserver.api.link import Link

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE

#: httpd's limit of internal redirects of one request.
REDIRECTS = 10
#: Caches are emptied when they grow past this: a client can ask for any number of paths.
CACHE = 4096

Step = Callable[[Request], int]


class Arrival(Protocol):
    """A connection with a request, as the pipeline needs it."""

    host: Host
    served: int


class Pipeline:
    """The phases of one interpreter (or of a router, which only routes and refuses)."""

    def __init__(
        self, configuration: Configuration, logs: Mapping[str, int], generation: int, loader: Loader | None
    ) -> None:
        self.configuration = configuration
        self.logs = logs
        self.generation = generation
        self.loader = loader
        self.software = server_software(configuration.main.conf)
        self.clock = Clock(self.software)
        self.htaccess = HtaccessCache(configuration)
        self._hosts: dict[Server, Host] = {}
        self._found: dict[tuple[str, int, str | None], Host] = {}
        self._plans: dict[tuple[Conf, Server], Plan] = {}
        self._file_plans: dict[tuple[Conf, Server, str | None], Plan] = {}
        self._fixed: dict[tuple[Server, str], tuple[Resource, Plan]] = {}
        self._early: dict[Server, Plan | None] = {}

    # ---- route

    def host_of(self, address: tuple[str, int], name: str | None) -> Host:
        """The server for a local address and a Host header."""
        key = (address[0], address[1], name)
        host = self._found.get(key)
        if host is None:
            if len(self._found) > CACHE:
                self._found.clear()
            host = self._found[key] = self.host(self.configuration.find(address[0], address[1], name))
        return host

    def host(self, server: Server) -> Host:
        """A server's facts, worked out when first asked for."""
        host = self._hosts.get(server)
        if host is None:
            host = self._hosts[server] = Host(self.configuration, server, self.logs, self.generation)
        return host

    def early(self, host: Host) -> Plan | None:
        """The server-level plan, if it has handlers that run before the resource is known."""
        server = host.server
        if server not in self._early:
            handlers = server.base[python.HANDLERS]
            plan = None
            if any(phase in handlers for phase in EARLY):
                plan = Plan(host, server.base, None, self.software, self.redirect)
            self._early[server] = plan
        return self._early[server]

    def locate(self, host: Host, path: str) -> tuple[Resource, Plan]:
        """The resource that a raw path names, and the plan for it."""
        key = (host.server, path)
        fixed = self._fixed.get(key)
        if fixed is not None:
            return fixed
        resource = resolve(host.server, path, self.htaccess)
        plan = self.plan(host, resource.conf, resource.filename)
        if resource.filename is None and not resource.status:
            # nothing of the file system went into it, so it holds for good
            if len(self._fixed) > CACHE:
                self._fixed.clear()
            self._fixed[key] = (resource, plan)
        return resource, plan

    def plan(self, host: Host, conf: Conf, filename: str | None) -> Plan:
        """The plan for a merged configuration."""
        server = host.server
        plan = self._plans.get((conf, server))
        if plan is not None:
            return plan
        if varies_by_file(conf):
            directory = filename if filename is None or os.path.isdir(filename) else os.path.dirname(filename)
            key = (conf, server, directory)
            plan = self._file_plans.get(key)
            if plan is None:
                if len(self._file_plans) > CACHE:
                    self._file_plans.clear()
                plan = self._file_plans[key] = self._compile(host, conf, filename)
            return plan
        if len(self._plans) > CACHE:
            self._plans.clear()
        plan = self._plans[conf, server] = self._compile(host, conf, filename)
        return plan

    def _compile(self, host: Host, conf: Conf, filename: str | None) -> Plan:
        plan = Plan(host, conf, filename, self.software, self.redirect)
        steps: list[Step] = []
        handlers = plan.handlers
        if "PythonInitHandler" in handlers and not _server_level(host, conf, "PythonInitHandler"):
            steps.append(self._python(plan, "PythonInitHandler"))
        if "PythonHeaderParserHandler" in handlers:
            steps.append(self._python(plan, "PythonHeaderParserHandler"))
        if "PythonAccessHandler" in handlers:
            steps.append(self._python(plan, "PythonAccessHandler"))
        if conf[auth.REQUIRE].entries and auth.check_access(conf) != OK:
            steps.append(self._access(plan))
        steps.append(self._type(plan))
        if "PythonFixupHandler" in handlers:
            steps.append(self._python(plan, "PythonFixupHandler"))
        steps.append(lambda req: core.override_type(req, conf))
        steps.append(self._content(plan))
        plan.steps = tuple(steps)
        return plan

    # ---- steps

    def _python(self, plan: Plan, phase: str) -> Step:
        handlers = plan.handlers.get(phase)
        if handlers is None:
            raise KeyError(phase)
        found = handlers

        def step(req: Request) -> int:
            return self._run(req, plan, phase, found).result

        return step

    def _run(self, req: Request, plan: Plan, phase: str, handlers: object = None) -> dispatch.Outcome:
        """Run a phase's handlers: those for the request's extension, or the plain ones."""
        assert self.loader is not None, "a router runs no handlers"
        found = plan.handlers.get(phase)
        chosen: tuple[dispatch.Handler, ...] = ()
        if found is not None:
            chosen = found.plain
            if found.by_extension and req._filename:
                base = req._filename.rpartition("/")[2]
                dot = base.find(".")
                extension = base[dot:] if dot >= 0 else None
                if extension is not None and extension in found.by_extension:
                    chosen = found.by_extension[extension]
                    req._extension = extension
        return dispatch.run(req, plan, self.loader, phase, chosen)

    def _access(self, plan: Plan) -> Step:
        """Require, with the authentication and authorisation handlers that feed it (httpd's mod_authz_core)."""
        has_authen, has_authz = "PythonAuthenHandler" in plan.handlers, "PythonAuthzHandler" in plan.handlers

        def step(req: Request) -> int:
            verdict = auth.check_access(plan.conf)
            if verdict == OK:
                return OK
            if verdict != DECLINED:
                return self._denied(req, "client denied by server configuration", verdict)
            result = DECLINED
            if has_authen or req._added:
                result = self._run(req, plan, "PythonAuthenHandler").result
            if result == DECLINED:
                return self._denied(
                    req, "no authentication done but the request needs a user: no handler authenticated it "
                    "(see AuthType and PythonAuthenHandler)", constants.HTTP_INTERNAL_SERVER_ERROR,
                )  # fmt: skip
            if result == constants.HTTP_UNAUTHORIZED:
                self._challenge(req, plan)
            if result != OK:
                return result
            if req._user is None:
                return self._denied(
                    req, "After PythonAuthenHandler req->user is NULL", constants.HTTP_INTERNAL_SERVER_ERROR
                )
            result = DECLINED
            if has_authz or req._added:
                result = self._run(req, plan, "PythonAuthzHandler").result
            if result == constants.HTTP_UNAUTHORIZED:
                self._challenge(req, plan)
            if result != DECLINED:
                return result
            groups = frozenset((req.notes.get("groups") or "").split())
            status = auth.check_authorization(plan.conf, req._user, groups)
            if status == OK:
                return OK
            if status == constants.HTTP_UNAUTHORIZED:
                self._challenge(req, plan)
            return self._denied(req, f"user {req._user}: authorization failure", status)

        return step

    @staticmethod
    def _challenge(req: Request, plan: Plan) -> None:
        """A Basic challenge, unless a handler made one (RFC 7617)."""
        challenge = auth.challenge(plan.conf)
        if challenge is not None and "WWW-Authenticate" not in req.err_headers_out:
            req.err_headers_out["WWW-Authenticate"] = challenge

    @staticmethod
    def _denied(req: Request, reason: str, status: int) -> int:
        req._log.log(
            constants.APLOG_ERR, f"{reason}: {req._filename or req._uri}", module="authz_core",
            client=req.connection.client_addr,
        )  # fmt: skip
        return status

    def _type(self, plan: Plan) -> Step:
        """The type checker: PythonTypeHandlers, then mod_mime."""
        has_python = "PythonTypeHandler" in plan.handlers

        def step(req: Request) -> int:
            if has_python or req._added:
                result = self._run(req, plan, "PythonTypeHandler").result
                if result != DECLINED:
                    return result
            if req._filename is None:
                return OK
            result = mime.type_checker(req, plan.conf)
            return result if result > 0 else OK

        return step

    def _content(self, plan: Plan) -> Step:
        """Fixups of directories, then the content handler that `req.handler` names."""
        has_python = "PythonHandler" in plan.handlers

        def step(req: Request) -> int:
            if req._added and "PythonFixupHandler" in req._added:
                result = self._run(req, plan, "PythonFixupHandler").result
                if result not in (OK, DECLINED):
                    return result
            if req._is_directory:
                result = self._directory(req, plan)
                if result != DECLINED:
                    return result
            handler = req._handler
            if handler in PYTHON_HANDLERS and (has_python or req._added):
                outcome = self._run(req, plan, "PythonHandler")
                if outcome.result != DECLINED:
                    return outcome.result
            return default.handler(req)

        return step

    def _directory(self, req: Request, plan: Plan) -> int:
        """mod_dir: the slash that is missing, and the index file of a directory."""
        return default.directory(req, plan.conf, lambda uri: self._index(req, uri))

    def _index(self, req: Request, uri: str) -> int:
        """Try one DirectoryIndex entry: its status as a sub-request; on success it takes the request's place."""
        host = self.host(req._server)
        resource = resolve(host.server, uri, self.htaccess)
        if resource.status:
            return resource.status
        if resource.finfo is None and resource.filename is not None:
            return constants.HTTP_NOT_FOUND
        plan = self.plan(host, resource.conf, resource.filename)
        if plan.needs_python and req._plan.place != plan.place:  # type: ignore[attr-defined]
            return self._elsewhere(req, plan)
        # httpd's "fast redirect": the request becomes the one for the index file
        settle(req, resource, plan)
        for step in plan.steps:
            result = step(req)
            if result not in (OK, DECLINED):
                return DONE if result == OK else result
        return DONE

    def _elsewhere(self, req: Request, plan: Plan) -> int:
        req._log.log(
            constants.APLOG_ERR,
            f"{req._uri} leads to {plan.interpreter}, another interpreter than {req.interpreter}: "
            "give both the same PythonInterpreter",
            client=req.connection.client_addr,
        )
        return constants.HTTP_INTERNAL_SERVER_ERROR

    # ---- serving

    def request(self, link: Link, head: Head, host: Host, now: float) -> Request:
        """A request object for a head; its resource and plan are still to be set."""
        req = Request(link, head, head.path, host.object, host.log, self.clock, now)
        req._server = host.server
        req._bytes_in = head.size + max(0, head.length)
        return req

    def serve(self, req: Request, resource: Resource, plan: Plan) -> None:
        """Run a request whose plan belongs here, up to its cleanups."""
        settle(req, resource, plan)
        status = resource.status
        if not status:
            status = self.run_steps(req, plan)
        elif resource.reason:
            req._log.log(resource.level, resource.reason, client=req.connection.client_addr)
        self.end(req, status)

    def serve_early(self, req: Request, early: Plan, place: Place) -> None:
        """A request of a server with handlers for the phases before its resource is known."""
        try:
            req._uri = normalize(req._head.path)
            status = self.run_early(req, early)
        except RequestError as error:
            status = error.status
        if status not in (OK, DECLINED):
            self.end(req, OK if status == DONE else status)
            return
        host = self.host(req._server)
        if status == OK and req._filename is not None:
            resource = walk(host.server, req._uri, req._filename, self.htaccess)
        else:
            resource = resolve(host.server, quote_path(req._uri), self.htaccess)
        plan = self.plan(host, resource.conf, resource.filename)
        if plan.needs_python and plan.place != place:
            self.end(req, self._elsewhere(req, plan))
            return
        self.serve(req, resource, plan)

    def run_steps(self, req: Request, plan: Plan) -> int:
        """The plan's steps until one ends the request. :returns: OK, or the status to answer with."""
        try:
            for step in plan.steps:
                result = step(req)
                if result and result != DECLINED:
                    return OK if result == DONE else result
        except ClientGone as error:
            return self._gone(req, error)
        except OSError as error:
            return self._os_error(req, error)
        return OK

    def run_early(self, req: Request, plan: Plan) -> int:
        """Post-read-request and translation handlers. :returns: OK, DECLINED or a status."""
        req._plan = plan
        for phase in ("PythonPostReadRequestHandler", "PythonInitHandler"):
            if phase in plan.handlers:
                result = self._run(req, plan, phase).result
                if result not in (OK, DECLINED):
                    return result
        if "PythonTransHandler" in plan.handlers:
            return self._run(req, plan, "PythonTransHandler").result
        return DECLINED

    def end(self, req: Request, status: int) -> None:
        """Finish the response, write the logs, run the cleanups."""
        try:
            if status and status != DONE:
                self.die(req, status)
            else:
                req.finish()
        except ClientGone as error:
            self._gone(req, error)
        except (ValueError, OSError) as error:
            self._unsendable(req, error)
        self.log(req)
        self.clean_up(req)

    def _gone(self, req: Request, error: ClientGone) -> int:
        req._aborted()
        req._log.log(constants.APLOG_INFO, str(error), client=req.connection.client_addr)
        return OK

    def _os_error(self, req: Request, error: OSError) -> int:
        req._log.log(constants.APLOG_ERR, f"{req._filename or req._uri}: {error}", client=req.connection.client_addr)
        return constants.HTTP_INTERNAL_SERVER_ERROR

    def _unsendable(self, req: Request, error: Exception) -> None:
        """A head that can't be sent: answer 500 if nothing went out, else end the connection."""
        req._log.log(constants.APLOG_ERR, f"the response can't be sent: {error}", client=req.connection.client_addr)
        req._link.keep_alive = False
        if req._bytes_out:
            req._aborted()
            return
        req._started = False
        req._drop_parts()
        req._headers_out = req._err_headers_out = None
        req._status_line = None
        try:
            self._canned(req, constants.HTTP_INTERNAL_SERVER_ERROR)
        except ClientGone as gone:
            self._gone(req, gone)

    # ---- errors

    def die(self, req: Request, status: int) -> None:
        """Answer with a status other than what the handler wrote: ErrorDocument or a canned page."""
        status = errorpage.sendable(status)
        req._original_status = status
        if req._started:
            # too late for another status; the client must see that the response is not whole
            req._log.log(
                constants.APLOG_ERR, f"status {status} after the response began: {req._uri}",
                client=req.connection.client_addr,
            )  # fmt: skip
            if req._chunked or req._length_left:
                req._aborted()
            else:
                req.finish()
            return
        req._drop_parts()
        req._bytes_queued = 0
        req._status = status
        if status == constants.HTTP_NOT_MODIFIED or 100 <= status < 300:
            req._content_type = None if status == constants.HTTP_NOT_MODIFIED else req._content_type
            req.finish()
            return
        headers = req._headers_out
        location = headers.get("Location") if headers else None
        req._headers_out = None
        if location is not None and 300 <= status < 400:
            req.headers_out["Location"] = location
        document = req._plan.error_documents.get(status) if hasattr(req, "_plan") else None  # type: ignore[attr-defined]
        if document is not None and self._custom(req, status, document):
            return
        self._canned(req, status)

    def _custom(self, req: Request, status: int, document: str) -> bool:
        """ErrorDocument: text, another site, or a path of this server."""
        kind, value = errorpage.document(document)
        if kind == "text":
            req._content_type = "text/html; charset=iso-8859-1"
            req.write(value, 0)
            req.finish()
            return True
        if kind == "url":
            req.headers_out["Location"] = value
            req._status = constants.HTTP_MOVED_TEMPORARILY
            self._canned(req, req._status)
            return True
        if req._prev is not None and req._prev._status != 200:
            return False  # an error inside an error document
        return self._redirected(req, value, status)

    def _canned(self, req: Request, status: int) -> None:
        req._status = status
        req._content_type = "text/html; charset=iso-8859-1"
        if status in (constants.HTTP_METHOD_NOT_ALLOWED, constants.HTTP_NOT_IMPLEMENTED) and req._allowed_methods:
            req.headers_out["Allow"] = ",".join(req._allowed_methods)
        page = errorpage.build(status, req)
        req.write(page.encode("latin-1", "xmlcharrefreplace"), 0)
        req.finish()

    def refuse(self, link: Link, host: Host, error: RequestError, now: float) -> None:
        """Answer a request that could not be read."""
        head = refused(error.line)
        req = self.request(link, head, host, now)
        req._plan = self.plan(host, host.server.base, None)
        req._log.log(
            constants.APLOG_ERR, f"{error.reason}: {error.line!r}" if error.line else error.reason,
            client=req.connection.client_addr,
        )  # fmt: skip
        link.keep_alive = False
        req._original_status = error.status
        try:
            req._status = error.status
            self._canned(req, error.status)
        except ClientGone as gone:
            self._gone(req, gone)
        self.log(req)

    # ---- internal redirects

    def redirect(self, req: Request, uri: str) -> None:
        """``req.internal_redirect``: serve another URI in place of this request."""
        if not self._redirected(req, uri, 0):
            raise OSError(f"internal redirect to {uri} failed")

    def _redirected(self, req: Request, uri: str, status: int) -> bool:
        count = req._redirects + 1
        client = req.connection.client_addr
        if count > REDIRECTS:
            req._log.log(
                constants.APLOG_ERR, f"request exceeded the limit of {REDIRECTS} internal redirects: {uri}",
                client=client,
            )  # fmt: skip
            return False
        path, question, query = uri.partition("?")
        host = self.host(req._server)
        if not path.isascii():  # an application's text: the path of a request has its bytes as latin-1
            path = path.encode("utf-8", "surrogateescape").decode("latin-1")
        resource = resolve(host.server, path, self.htaccess)
        plan = self.plan(host, resource.conf, resource.filename)
        if plan.needs_python and (self.loader is None or plan.place != req._plan.place):  # type: ignore[attr-defined]
            self._elsewhere(req, plan)
            return False
        new = self.request(req._link, req._head, host, req._request_time)
        if req._method != "HEAD":
            new._method = "GET" if status else req._method
        new._args = query if question else None
        new._input = None if status else req._input
        new._prev, req._next = req, new
        new._redirects = count
        new._err_headers_out = req._err_headers_out
        new._user, new._ap_auth_type = req._user, req._ap_auth_type
        if status:
            new._status = status
            environment = {
                "REDIRECT_URL": req._uri,
                "REDIRECT_STATUS": str(status),
                "REDIRECT_QUERY_STRING": req._args,
                "REDIRECT_REQUEST_METHOD": req._method,
            }
            new.subprocess_env.update({name: value for name, value in environment.items() if value is not None})
        settle(new, resource, plan)
        result = resource.status or self.run_steps(new, plan)
        if result and status:
            req._log.log(
                constants.APLOG_ERR, f"the ErrorDocument {uri} for status {status} itself failed with {result}",
                client=client,
            )  # fmt: skip
            return False
        if result:
            self.die(new, result)
        else:
            new.finish()
        for name in ("_bytes_out", "_sent", "_status", "_started", "_finished", "_content_type", "_headers_out"):
            setattr(req, name, getattr(new, name))
        self.clean_up(new)
        return True

    # ---- the end

    def log(self, req: Request) -> None:
        """The access logs and the log handlers."""
        host = self._hosts[req._server]
        plan: Plan = req._plan  # type: ignore[assignment]
        if self.loader is not None and ("PythonLogHandler" in plan.handlers or req._added):
            self._run(req, plan, "PythonLogHandler")
        if host.access_logs:
            req._duration = time.time() - req._request_time
            req._keepalives = req.connection.keepalives
            for fd, log in host.access_logs:
                if log.env is None or log.wants(req):
                    try:
                        os.write(fd, (log.line(req) + "\n").encode("utf-8", "backslashreplace"))
                    except OSError:
                        pass  # a full disk must not fail requests

    def clean_up(self, req: Request) -> None:
        """Cleanups in reverse order of their registration, then the cleanup handlers (manual 5.1.13)."""
        while req._cleanups:
            function, data = req._cleanups.pop()
            try:
                function(data)
            except BaseException as error:  # an application's cleanup may raise anything
                last = dispatch.describe(error)[-1].strip()
                req._log.log(
                    constants.APLOG_ERR, f"python_cleanup: Error calling cleanup object {function!r}: {last}",
                    module="python", client=req.connection.client_addr,
                )  # fmt: skip
        plan: Plan = req._plan  # type: ignore[assignment]
        if "PythonCleanupHandler" in plan.handlers and self.loader is not None:
            self._run(req, plan, "PythonCleanupHandler")

    def config_error(self, req: Request, error: ConfigError) -> None:
        """A faulty .htaccess file: 500, and its place in the log."""
        req._log.log(constants.APLOG_ALERT, str(error), client=req.connection.client_addr)


#: Phases that run before the resource is known; Init is one of them at server level (manual 5.1.5).
EARLY = ("PythonPostReadRequestHandler", "PythonTransHandler", "PythonInitHandler")


def _server_level(host: Host, conf: Conf, phase: str) -> bool:
    """Whether the phase's handlers come from the server level, where they ran already."""
    return conf[python.HANDLERS].get(phase) is host.server.base[python.HANDLERS].get(phase)


def quote_path(path: str) -> str:
    """A decoded path, %-encoded again."""
    return quote(path, safe="/:@!$&'()*+,;=~-._", encoding="utf-8", errors="surrogateescape")


def settle(req: Request, resource: Resource, plan: Plan) -> None:
    """Give a request its resource and plan."""
    req._plan = plan
    req._conf = plan.conf
    req._uri = resource.uri
    if resource.handler is not None:
        req._handler = resource.handler
    if resource.filename is not None:
        req._filename = req._canonical_filename = resource.filename
        req._path_info = resource.path_info
        req._stat = resource.finfo
        req._finfo = None
        req._is_directory = resource.is_directory
