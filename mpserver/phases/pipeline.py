"""The way of a request through the phases (httpd's ``ap_process_request``; manual 3.2).

route       server -> resource -> plan -> the interpreter it belongs to
early       post-read-request and translation handlers, where a server has some
steps       of the plan: header parser, init, access, authentication, authorisation, type, fixup
content     the handler, a file, a directory
end         the rest of the response or an error page; access log, log handlers, cleanups
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from stat import S_ISREG

from mpserver.api import constants
from mpserver.api.connection import Address
from mpserver.api.input_filters import unfiltered
from mpserver.api.loader import Loader
from mpserver.api.request import Request
from mpserver.api.response_head import Clock
from mpserver.api.server import Server as ServerObject
from mpserver.config.configuration import Configuration
from mpserver.config.htaccess import HtaccessCache, Watched
from mpserver.config.sections import Sections, merge
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.errors import ClientGone, Moves, RequestError, Unread, is_crowded
from mpserver.http1.head import Head, refused
from mpserver.http1.percent import encode_path
from mpserver.modules import auth, default, python
from mpserver.modules.interpreter_environment import Environment
from mpserver.phases import application_errors, gates, symlinks
from mpserver.phases.error_response import Answers, log_error
from mpserver.phases.host import Host, Site, server_name, server_object, server_software
from mpserver.phases.located import Located, settle
from mpserver.phases.plan import EARLY, TRANSLATION, Handler, InterpreterId, Plan, plan_of
from mpserver.phases.plan_compiler import CACHE, LONGEST_NAME, make_plan, varies_by_file
from mpserver.phases.redirects import ABSOLUTE, REDIRECTS, _elsewhere
from mpserver.phases.steps import compile_steps, run
from mpserver.phases.subrequests import SubRequests
from mpserver.phases.transfer import pack, unpack
from mpserver.phases.translate import Resource, normalize, resolve, walk
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.stream import Link
    from mpserver.phases.timeouts import Timeouts

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE


class Pipeline(Answers):
    """The phases of one interpreter (or of a router, which only routes and refuses: it has no loader)."""

    def __init__(
        self, configuration: Configuration, logs: Mapping[str, int], generation: int, loader: Loader | None,
        environments: Mapping[str, Environment],
    ) -> None:  # fmt: skip
        self.configuration = configuration
        self.logs = logs
        self.generation = generation
        self.loader = loader
        self._environments = environments
        self.software = server_software(configuration.main.conf)
        self.clock = Clock(self.software)
        self.htaccess = HtaccessCache(configuration)
        self._hosts: dict[Server, Host] = {}
        self._sites: dict[tuple[Conf, Sections, str | None], Site] = {}
        self._found: dict[tuple[Address, str | None], Host] = {}
        #: How many names of hosts are remembered: each has a few, and every local address counts.
        self._names = CACHE + 2 * len(configuration.hosts)
        self._plans: dict[tuple[Conf, Site], Plan] = {}
        self._file_plans: dict[tuple[Conf, Site, str | None], Plan] = {}
        self._early: dict[Site, Plan] = {}
        #: Whether somebody may sit at the terminal (-X, -DONE_PROCESS).
        self.one_process = False
        self.subrequests = SubRequests(self)
        #: What ends requests that take too long; None: nothing does.
        self.timeouts: Timeouts | None = None

    # ---- route

    def host_of(self, address: Address, name: str | None) -> Host:
        """The server for a local address and a Host header."""
        key = (address, name)
        host = self._found.get(key)
        if host is None:
            host = self.host(self.configuration.find(address[0], address[1], name))
            if name is None or len(name) <= LONGEST_NAME:
                if len(self._found) >= self._names:
                    self._found.clear()
                self._found[key] = host
        return host

    def host(self, server: Server) -> Host:
        """A server's facts, worked out when first asked for."""
        host = self._hosts.get(server)
        if host is None:
            name = server_name(server)
            host = self._hosts[server] = Host(server, name, self._site(server, name), self._server_object)
        return host

    def _site(self, server: Server, name: str) -> Site:
        """What a server has in common with others."""
        # (the base is that of the sections; a section may name another interpreter, but not none)
        key = server.conf, server.sections, name if server.base[python.PYTHON_INTERPRETER] is None else None
        site = self._sites.get(key)
        if site is None:
            site = self._sites[key] = Site(self.configuration, server, name, self.logs)
        return site

    def _server_object(self, host: Host) -> ServerObject:
        """A server for applications, made when first asked for."""
        made = host.made = server_object(self.configuration, host, self.generation)
        made.mp_find_next = lambda: self._after(host.server)
        return made

    def _after(self, server: Server) -> ServerObject | None:
        """The server after this one, in httpd's order: the main server, then the virtual hosts from the last on."""
        hosts = self.configuration.hosts
        number = hosts.index(server) if server in hosts else len(hosts)
        return self.host(hosts[number - 1]).object if number else None

    def early(self, host: Host) -> Plan | None:
        """The server-level plan, if it has handlers that run before the resource is known."""
        if not host.has_early:
            return None
        plan = self._early.get(host.site)
        if plan is None:
            plan = self._early[host.site] = self._compile(host, host.server.base, None)
        return plan

    def locate(self, host: Host, path: str) -> Located:
        """The resource that a raw path names, and the plan for it. :raises ConfigError: of a .htaccess file."""
        located = host.located.get(path)
        if located is not None and located.holds():
            return located
        if path == "*":
            return self._whole_server(host)
        watched: list[Watched] = []
        resource = resolve(host.server, path, self.htaccess.recording(watched))
        located = Located(resource, self.plan(host, resource.conf, resource.filename), tuple(watched))
        if located.keeps:
            if len(host.located) > CACHE:
                host.located.clear()
            host.located[path] = located
        return located

    def _whole_server(self, host: Host) -> Located:
        """What ``OPTIONS *`` is about: there is no file, and so no phases of one."""
        base = host.server.base
        plan = self._compile(host, base, None)
        plan.steps, plan.content = (), default.handler
        located = host.located["*"] = Located(Resource("*", base), plan)
        return located

    def plan(self, host: Host, conf: Conf, filename: str | None) -> Plan:
        """The plan for a merged configuration."""
        site = host.site
        plan = self._plans.get((conf, site))
        if plan is not None:
            return plan
        if varies_by_file(conf):
            directory = filename if filename is None or os.path.isdir(filename) else os.path.dirname(filename)
            key = (conf, site, directory)
            plan = self._file_plans.get(key)
            if plan is None:
                if len(self._file_plans) > CACHE:
                    self._file_plans.clear()
                plan = self._file_plans[key] = self._compile(host, conf, filename)
            return plan
        if len(self._plans) > CACHE:
            self._plans.clear()
        plan = self._plans[conf, site] = self._compile(host, conf, filename)
        return plan

    def _compile(self, host: Host, conf: Conf, filename: str | None) -> Plan:
        plan = make_plan(
            host.site, conf, filename, self.software, self.redirect, self._environments, self._handlers(host, conf)
        )  # fmt: skip
        compile_steps(plan, self.loader, self._look_up, filename)
        plan.subrequests, plan.loader = self.subrequests, self.loader
        if symlinks.needed(host.server, conf):
            plan.steps = (symlinks.step(host.server, self.htaccess), *plan.steps)
        if self.timeouts is not None and plan.needs_python:
            self.timeouts.limit(plan)
        return plan

    def _handlers(self, host: Host, conf: Conf) -> type[Handler]:
        """What the handlers of a configuration are: with PythonEnablePdb they stop in the debugger."""
        if not conf[python.PYTHON_ENABLE_PDB] or self.loader is None:
            return Handler
        if self.one_process:
            from mpserver.phases.debugger import DebuggedHandler

            return DebuggedHandler
        text = "PythonEnablePdb is ignored: it needs a server of one process, which -DONE_PROCESS starts"
        host.log.log(constants.APLOG_NOTICE, text, module="python")
        return Handler

    # ---- serving

    def request(self, link: Link, head: Head, host: Host, now: float) -> Request:
        """A request object for a head; its resource and plan are still to be set."""
        return Request(link, head, host, self.clock, now)

    def serve(self, req: Request, located: Located) -> None:
        """Run a request whose plan belongs here, up to its cleanups."""
        settle(req, located)
        resource, plan = located.resource, located.plan
        status = resource.status
        if status:
            if resource.reason:
                req.mp_log.log(resource.level, resource.reason, client=req.connection.client_addr)
        elif req.mp_method == "TRACE":
            status = default.trace(req)
        else:
            status = self.run_steps(req, plan)
        if status:
            self.end(req, status)
        else:
            try:
                req.mp_finish()
            except (ClientGone, ValueError, OSError):
                self.end(req, OK)
        req.mp_is_over = True  # before the look at what there is to do: a thread of it may register something right now
        if plan.has_last_handlers or req.mp_cleanups or req.mp_added or req.mp_next is not None:
            self.close(req)
        elif plan.has_end:
            self._log(req)

    def serve_early(self, req: Request, early: Plan, interpreter_id: InterpreterId) -> None:
        """A request of a server with handlers for the phases before its resource is known.

        :raises Moves: it goes on in another interpreter.
        """
        req.mp_plan = early
        try:
            req.mp_uri = normalize(req.mp_head.path) if req.mp_head.path != "*" else "*"
            status = self._run_early(req, early, EARLY)
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

    def _translated(self, req: Request, translated: bool) -> Located:
        """What a request stands for after its early phases; ``translated``: a handler has mapped it to its file."""
        host = self.host(req.mp_server)
        if translated and req.mp_filename is not None:
            resource = walk(host.server, req.mp_uri, req.mp_filename, self.htaccess)
        elif req.mp_uri == "*":
            return self.locate(host, "*")
        elif translated:  # to no file: then no directory counts, as in httpd
            resource = Resource(req.mp_uri, merge(host.server, req.mp_uri, (), None, ""))
        else:
            resource = resolve(host.server, encode_path(req.mp_uri), self.htaccess)
        return Located(resource, self.plan(host, resource.conf, resource.filename))

    def _follow(self, req: Request, host: Host, path: str, phases: tuple[str, ...]) -> Located | int:
        """Where a raw path leads to inside the server, by way of the early phases that httpd runs for it.

        They run in the interpreter that the request is in.

        :returns: the status instead, where that is the end of it.
        """
        early = self.early(host)
        if early is None or self.loader is None:
            return self.locate(host, path)
        try:
            req.mp_uri = normalize(path)
        except RequestError as error:
            return error.status
        req.mp_plan = early
        status = self._run_early(req, early, phases)
        return self._translated(req, status == OK) if status in (OK, DECLINED) else status

    def _run_early(self, req: Request, plan: Plan, phases: tuple[str, ...]) -> int:
        """Post-read-request and translation handlers. :returns: OK (translated), DECLINED, or how the request ends."""
        result = DECLINED
        for phase in phases:
            result = run(req, plan, self.loader, phase)
            if result not in (OK, DECLINED):
                return result
        return result

    def run_steps(self, req: Request, plan: Plan) -> int:
        """The plan's steps and its content handler. :returns: OK, DONE, or the status to answer with."""
        try:
            for step in plan.steps:
                result = step(req)
                if result and result != DECLINED:
                    return result
            return plan.content(req)
        except ClientGone as error:
            return self.gone(req, error)
        except (OSError, Unread) as error:
            log_error(req, f"{req.mp_filename or req.mp_uri}: {error}")
            if is_crowded(error):
                req.err_headers_out["Retry-After"] = "1"
                return constants.HTTP_SERVICE_UNAVAILABLE
            return constants.HTTP_INTERNAL_SERVER_ERROR

    def _look_up(self, req: Request, uri: str) -> int:
        """Make a request the one for an index file (httpd's sub-request and fast redirect); see `steps.Lookup`."""
        before = req.mp_located
        typed = req.mp_handler, req.mp_content_type, req.mp_content_encoding, req.mp_content_languages
        req.mp_handler = req.mp_content_type = req.mp_content_encoding = None
        req.mp_content_languages = ()
        asked = req.mp_user, req.mp_ap_auth_type, req.mp_target
        req.mp_user = req.mp_ap_auth_type = req.mp_filename = req.mp_path_info = None
        req.mp_is_directory = False
        req.mp_target = uri if req.mp_args is None else f"{uri}?{req.mp_args}"
        try:
            result = self._become(req, before, self._follow(req, self.host(req.mp_server), uri, TRANSLATION), asked)
        finally:
            req.mp_user, req.mp_ap_auth_type, req.mp_target = asked  # of the directory, whoever may see the index
        if result != OK:
            settle(req, before)
            req.mp_handler, req.mp_content_type, req.mp_content_encoding, req.mp_content_languages = typed
        return result

    def _become(
        self,
        req: Request,
        before: Located,
        located: Located | int,
        asked: tuple[str | None, str | None, str | None],
    ) -> int:
        """Make a request the one for an index file, which lies there; ``asked``: its user and how that is known."""
        if isinstance(located, int):
            return located
        resource, plan = located.resource, located.plan
        if resource.status:
            return resource.status
        if plan.needs_python and (self.loader is None or before.plan.interpreter_id != plan.interpreter_id):
            return _elsewhere(req, plan)
        req.mp_is_lookup = True
        req.mp_admitted = gates.admits(req.mp_server, before.resource, resource)
        if req.mp_admitted:
            req.mp_user, req.mp_ap_auth_type, _ = asked
        settle(req, located)
        for step in plan.steps:
            result = step(req)
            if result not in (OK, DECLINED):
                return result
        if resource.filename is not None and (resource.finfo is None or not S_ISREG(resource.finfo.st_mode)):
            return constants.HTTP_NOT_FOUND  # an index is a file that is there
        return OK

    def refuse(self, link: Link, host: Host, error: RequestError, now: float) -> None:
        """Answer a request that could not be read, or that can't be served."""
        req = self.request(link, refused(error.line), host, now)
        plan = self.plan(host, host.server.base, None)
        settle(req, Located(Resource(req.mp_head.path, plan.conf), plan))
        shown = f"{error.reason}: {error.line}" if error.line else error.reason
        log_error(req, shown)
        link.keep_alive = False
        req.mp_original_status = error.status
        if error.retry_after:
            req.err_headers_out["Retry-After"] = str(error.retry_after)
        try:
            self.canned(req, error.status, note=error.reason)
        except ClientGone as gone:
            self.gone(req, gone)
        self._log(req)

    # ---- internal redirects

    def redirect(self, req: Request, uri: str) -> None:
        """``req.internal_redirect``: serve another URI in place of this request; 500 where that can't be."""
        if not self.redirected(req, uri, 0):
            self.end(req, constants.HTTP_INTERNAL_SERVER_ERROR)

    def redirected(self, req: Request, uri: str, status: int) -> bool:
        """Serve another URI in place of the request; see `Answers.redirected`."""
        if req.mp_redirects >= REDIRECTS:
            log_error(req, f"AH00124: request exceeded the limit of {REDIRECTS} internal redirects: {uri}")
            return False
        path, question, query = ABSOLUTE.sub("", uri, count=1).partition("?")
        if not path.isascii():  # an application's text: the path of a request has its bytes as latin-1
            path = path.encode("utf-8", "surrogateescape").decode("latin-1")
        host = self.host(req.mp_server)
        new = self._successor(req, host, uri, query if question else None, status)
        located = self._follow(new, host, path, EARLY)
        if isinstance(located, int):
            result = located
        else:
            plan = located.plan
            if plan.needs_python and (self.loader is None or plan.interpreter_id != req.mp_plan.interpreter_id):
                _elsewhere(req, plan)
                return False
            settle(new, located)
            # (the redirect of a handler goes through all phases, manual 4.5.3; an ErrorDocument through httpd's)
            if status and req.mp_located is not None:
                new.mp_admitted = gates.admits(host.server, req.mp_located.resource, located.resource)
                if new.mp_admitted and auth.check_access(plan.conf) == OK:  # no gate takes the user over
                    new.mp_user, new.mp_ap_auth_type = req.mp_user, req.mp_ap_auth_type
            result = located.resource.status or self.run_steps(new, plan)
        if result and result != DONE and status:
            log_error(req, f"the ErrorDocument {uri} for status {status} itself failed with {result}")
            return False
        self.end(new, result)
        for name in (
            "mp_bytes_out",
            "mp_sent",
            "mp_status",
            "mp_started",
            "mp_finished",
            "mp_content_type",
            "mp_headers_out",
        ):
            setattr(req, name, getattr(new, name))
        return True

    def _successor(self, req: Request, host: Host, uri: str, args: str | None, status: int) -> Request:
        """The request that a redirect leads to; it goes on with a response that has begun."""
        new = self.request(req.mp_link, req.mp_head, host, req.mp_request_time)
        new.mp_target, new.mp_args = uri, args
        if req.mp_started:
            for name in (
                "mp_started",
                "mp_chunked",
                "mp_length_left",
                "mp_sent",
                "mp_bytes_out",
                "mp_waiting",
                "mp_has_file",
            ):
                setattr(new, name, getattr(req, name))
            new.mp_parts, req.mp_parts = req.mp_parts, []
        new.mp_prev, req.mp_next = req, new
        new.mp_main, new.mp_assbackwards = req.mp_main, req.mp_assbackwards
        new.mp_redirects = req.mp_redirects + 1
        new.mp_err_headers_out = req.mp_err_headers_out
        new.mp_table_in = req.mp_table_in
        environment = new.subprocess_env
        for name, value in req.mp_env.items() if req.mp_env else ():
            environment.add("REDIRECT_" + name, value)
        environment["REDIRECT_STATUS"] = str(status or req.mp_status)
        new.mp_status = status or req.mp_status
        if not status:
            new.mp_method, new.mp_input = req.mp_method, unfiltered(req.mp_input)
            return new
        new.mp_method = "GET"  # (`header_only` says that the client wants no body)
        environment["REDIRECT_REQUEST_METHOD"] = req.mp_method
        return new

    # ---- the end

    def close(self, req: Request) -> None:
        """The logs, the log handlers, the cleanups."""
        req.mp_is_over = False
        run(req, plan_of(req), self.loader, "PythonLogHandler")
        self._log(req)
        self._clean_up(req)
        self._over(req)

    def _log(self, req: Request) -> None:
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
        if req.mp_next is not None:
            self.leave(req.mp_next)
        self._run_cleanups(req)
        self._over(req)

    def _clean_up(self, req: Request) -> None:
        """Cleanups, last registered first, then the cleanup handlers (manual 5.1.13), and what these registered."""
        if req.mp_next is not None:
            self._clean_up(req.mp_next)
        self._run_cleanups(req)
        if "PythonCleanupHandler" in req.mp_plan.handlers:
            run(req, plan_of(req), self.loader, "PythonCleanupHandler")
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
                if self.loader is not None and self.loader.may_move:
                    refused = application_errors.refusing(error)
                    if refused is not None:
                        self.loader.refused(refused)
                last = application_errors.describe(error)[-1].strip()
                req.mp_log_error(f"python_cleanup: Error calling cleanup object {function!r}: {last}")
