"""Finds what a request stands for and what is to be done with it: server, resource, plan; and keeps what was found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from mpserver.api.connection import Address
from mpserver.api.loader import Loader
from mpserver.api.server import Server as ServerObject
from mpserver.config.branches import BRANCHES
from mpserver.config.htaccess import HtaccessCache, Watched
from mpserver.config.sections import Sections, merge
from mpserver.config.settings import Conf
from mpserver.errors import RequestError
from mpserver.modules import tracing, vhost_alias
from mpserver.modules.all import TABLE
from mpserver.modules.hook_table import HookTable
from mpserver.modules.hooks import ANY_HANDLER
from mpserver.modules.python.environment import Environment
from mpserver.phases import facts
from mpserver.phases.host import TEXTS, Host, Site, server_name, server_object, server_software
from mpserver.phases.located import Located
from mpserver.phases.named_hosts import NamedHosts, like
from mpserver.phases.plan import InterpreterId, Plan
from mpserver.phases.plan_compiler import compile_plan, named_handlers
from mpserver.phases.translate import Resource, normalize, resolve, translated, walk
from mpserver.system.log_lines import Write, at_once
from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.finished import Finished
    from mpserver.config.server import Server

#: Caches are emptied when they grow past this: `.htaccess` files make any number of configurations.
CACHE = 4096

#: The hook of the phase in which no section holds.
READ = "post_read_request"

#: The local address of a request that ``mpserver --trace`` makes, and the number by which who asked knows that
#: (`mpserver.serving.traced`).
TracedAddress = tuple[str, int, int]

#: The longest name of a host that is remembered: DNS has no longer ones.
LONGEST_NAME = 255


class Detours(Protocol):
    """The ways of a request over other resources of the server; plans lead there (`mpserver.phases.pipeline`)."""

    #: What makes requests for parts of pages and indexes, see `mpserver.phases.subrequests.SubRequests`.
    subrequests: Any

    def redirect(self, req: Request, uri: str) -> None:
        """Serve another URI in place of the request, to its end."""


class Planner:
    """Hosts, resources and plans of one interpreter, or of a router."""

    def __init__(
        self, configuration: Finished, logs: Mapping[str, int], generation: int, loader: Loader | None,
        environments: Mapping[str, Environment], detours: Detours, writer: Callable[[int], Write] = at_once,
    ) -> None:  # fmt: skip
        """``writer`` gives what takes the lines of an access log, by its descriptor."""
        self.configuration = configuration
        self.software = server_software(configuration.main.conf)
        self.loaded = configuration.loaded
        self.htaccess = HtaccessCache(configuration)
        #: Whether somebody may sit at the terminal (-X, -DONE_PROCESS).
        self.one_process = False
        #: The interpreter that this is, None in a router.
        self.home: InterpreterId | None = None
        #: And its kind, which may be another one than was asked for.
        self.kind = ""
        #: Limits the time of a plan's steps (PythonRequestTimeout); None: nothing does.
        self.limit_time: Callable[[Plan], None] | None = None
        self._logs, self._writer = logs, writer
        self._generation = generation
        self.loader = loader
        self.environments = environments
        #: See `mpserver.modules.hooks.Engine`.
        self.kept: dict[str, Any] = {}
        #: The modules' part in requests.
        self._table = HookTable(TABLE)
        self._detours = detours
        self._has_tls = facts.has_tls(configuration)
        self._hosts: dict[Server, Host] = {}
        #: (a virtual host has not all that the main server has, even where it says nothing itself)
        self._sites: dict[tuple[Conf, Sections, bool, str | None, Server | None], Site] = {}
        #: By local address, and by the name that is asked for; and how many names these are.
        self._found: dict[Address | TracedAddress, dict[str | None, Host]] = {}
        self._remembered = 0
        #: How many names of hosts are remembered, and how many plans: each has a few, and every local address counts.
        self._names = CACHE + 2 * configuration.number_of_hosts
        self._plans: dict[tuple[Conf, Site, bool], Plan] = {}
        self._file_plans: dict[tuple[Conf, Site, str | None], Plan] = {}
        self._named = NamedHosts()
        #: Takes what is told of requests that `mpserver --trace` makes; and the servers as these meet them.
        self.tell_of_request: Callable[[int, bytes], None] = lambda _number, _told: None
        self._told: dict[Server, Server] = {}
        self._early: dict[Site, Plan] = {}
        #: For requests that rules are still to be applied to; those that they answer; those that they change, by the
        #: plans that these would have; those that they will lead to another interpreter.
        self._opened: dict[Site, Plan] = {}
        self.answered: dict[tuple[Conf, Site], Plan] = {}
        self.changed: dict[Plan, Plan] = {}
        self.led: dict[tuple[Plan, InterpreterId], Plan] = {}

    # ---- servers

    def host_of(self, address: Address | TracedAddress, name: str | None) -> Host:
        """The server for a local address and a Host header."""
        try:
            return self._found[address][name]
        except KeyError:
            pass
        server = self.configuration.find(address[0], address[1], name)
        if len(address) != 2:  # (see `mpserver.serving.traced`)
            return self._told_host(self._named.of(server, address[:2], name))
        if vhost_alias.ROOT in server.conf or vhost_alias.SCRIPTS in server.conf:
            return self.host(self._named.of(server, address, name))  # (directories come and go)
        host = self.host(server)
        if name is None or len(name) <= LONGEST_NAME:
            if self._remembered >= self._names:
                self._found.clear()
                self._remembered = 0
            self._found.setdefault(address, {})[name] = host
            self._remembered += 1
        return host

    def _told_host(self, server: Server) -> Host:
        """A server whose requests are told of: its plans are its own, so that those of others know nothing of it."""
        twin = self._told.get(server)
        if twin is None:
            twin = self._told[server] = like(server, server.name, server.conf.merged(Conf({tracing.TOLD: True})))
        return self.host(twin)

    def _open_log(self, fd: int) -> Write:
        return self._tell if fd == tracing.TO_WHO_ASKED else self._writer(fd)

    def _tell(self, told: str) -> None:
        number, _, text = told.partition(" ")
        self.tell_of_request(int(number), text.encode("utf-8", "replace"))

    def host(self, server: Server) -> Host:
        """What serving needs of a server, worked out when first asked for."""
        host = self._hosts.get(server)
        if host is None:
            name = server_name(server)
            host = self._hosts[server] = Host(server, name, self._site(server, name), self.make_server)
            if self._has_tls:
                host.tls = facts.profile(self.configuration, server.number)
        return host

    def _site(self, server: Server, name: str) -> Site:
        """What a server has in common with others."""
        # (the base is that of the sections)
        table = self._table
        active = table.active(server.base)
        key = (
            server.conf, server.sections, server.is_virtual,
            None if any(table.ask(active, "names_interpreter", server.base)) else name,
            server if any(table.ask(active | table.active(server.conf), "is_apart", server)) else None,
        )  # fmt: skip
        site = self._sites.get(key)
        if site is None:
            site = self._sites[key] = Site(self.configuration, server, name, self._logs, self._table, self._open_log)
        return site

    def make_server(self, host: Host) -> ServerObject:
        """A server for applications, made when first asked for."""
        made = host.made = server_object(self.configuration, host, self._generation)
        made.mp_find_next = lambda: self._after(host.server)
        return made

    def _after(self, server: Server) -> ServerObject | None:
        """The server after this one, in httpd's order: the main server, then the virtual hosts from the last on."""
        number = server.number - 1 if server.is_virtual else self.configuration.number_of_hosts
        return self.host(self.configuration.host(number)).object if number else None

    # ---- resources

    def locate(self, host: Host, path: str, beside: str = "") -> Located:
        """The resource that a raw path names, and the plan for it.

        :param beside: see `mpserver.phases.translate.walk`.
        :raises ConfigError: of a .htaccess file.
        """
        key = path if not beside or not host.server.sections.sees_files(beside) else f"{path}\0{beside}"
        located = host.located.get(key)
        if located is not None and located.holds():
            return located
        if path == "*":
            return self._whole_server(host)
        watched: list[Watched] = []
        if host.site.rewriters:
            located = self._open(host, path, beside)
        else:
            located = self._planned(host, resolve(host.site, path, self.htaccess.recording(watched), beside), watched)
        if located.keeps:
            located.is_kept = host.located.keep(key, located, TEXTS * len(key))
        return located

    def settle(self, host: Host, uri: str, filename: str | None, beside: str) -> Located:
        """The resource that rules choose for a decoded path: a file, or without one what the path leads to.

        :raises ConfigError: of a .htaccess file.
        """
        key = uri, filename, beside if beside and host.server.sections.sees_files(beside) else ""
        settled = host.site.settled
        located = settled.get(key)
        if located is not None and located.holds():
            return located
        watched: list[Watched] = []
        lookup = self.htaccess.recording(watched)
        if filename is None:
            resource = translated(host.site, uri, lookup, beside)
        else:
            resource = walk(host.server, uri, filename, lookup, beside)
        located = self._planned(host, resource, watched)
        if located.keeps:
            located.is_kept = settled.keep(key, located, TEXTS * len(uri))
        return located

    def _planned(self, host: Host, resource: Resource, watched: list[Watched]) -> Located:
        if resource.answer is not None:
            plan = self.plan(host, resource.conf, None).answering(*host.site.begin, resource.answer)
        else:
            plan = self.plan(host, resource.conf, resource.filename)
        return Located(resource, plan, tuple(watched))

    def _open(self, host: Host, path: str, beside: str) -> Located:
        """What a raw path is for a server with rules, which decide for each request."""
        base = host.server.base
        try:
            resource = Resource(normalize(path, host.server.conf), base)
        except RequestError:
            return self._planned(host, resolve(host.site, path, None), [])
        return self.opened(host, resource, beside)

    def opened(self, host: Host, resource: Resource, beside: str) -> Located:
        """A resource that the server's rules are still to be applied to."""
        plan = self._opened.get(host.site)
        if plan is None:
            plan = self._opened[host.site] = self.plan(host, resource.conf, None).copy()
            plan.branches = True
        located = Located(resource, plan)
        located.is_open, located.beside = True, beside
        return located

    def refined(self, req: Request, host: Host, located: Located) -> Located:
        """What was located for a request, with the If sections that hold for it. The request has it from now on."""
        if not located.plan.branches:
            return located
        if located.is_open or located.plan.leads_to is not None:
            from mpserver.phases import rules  # (few have some)

            located = rules.applied(self, req, host, located)
            return rules.foretold(self, req, host, located)
        return self.branched(req, host, located)

    def branched(self, req: Request, host: Host, located: Located) -> Located:
        """The same by these sections alone."""
        if located.resource.answer is not None or not located.resource.conf[BRANCHES]:
            return located
        from mpserver.phases.branches import refined  # (few configurations have such sections)

        return refined(self.plan, req, host, located)

    def _whole_server(self, host: Host) -> Located:
        """What ``OPTIONS *`` is about: there is no file, and so no phases of one."""
        base = host.server.base
        plan = self.compile(host, base, None)
        plan.steps, plan.content = (), plan.named(ANY_HANDLER)
        located = host.located["*"] = Located(Resource("*", base), plan)
        return located

    # ---- plans

    def early(self, host: Host) -> Plan | None:
        """The server-level plan, if it has handlers that run before the resource is known."""
        if not host.has_early:
            return None
        plan = self._early.get(host.site)
        if plan is None:
            plan = self._early[host.site] = self.compile(host, host.server.base, None)
        return plan

    def translation(self, host: Host, early: Plan, uri: str) -> Plan:
        """The plan for the translation of a path, where the Locations that it lies in hold already (as in httpd 2.4).

        :param uri: decoded.
        """
        if not host.server.sections.locations or uri[:1] != "/":
            return early
        conf = merge(host.server, uri, (), None, "")
        return early if conf is early.conf else self.plan(host, conf, None)

    def begins(self, host: Host, path: str) -> Plan:
        """The plan of the first phase of a request for a raw path, on a server with early handlers."""
        early = self.early(host)
        assert early is not None
        if READ in early.interpreters:
            return early
        try:
            uri = normalize(path, host.server.conf)
        except RequestError:
            return early
        return self.translation(host, early, uri)

    def plan(self, host: Host, conf: Conf, filename: str | None) -> Plan:
        """The plan for a merged configuration, of requests with a file or of those without."""
        site = host.site
        key = (conf, site, filename is None)
        plan = self._plans.get(key)
        if plan is not None:
            return plan
        active = self._table.active(conf) | self._table.placing(named_handlers(conf))
        if any(self._table.ask(active, "varies_by_file", conf)):
            directory = filename
            if filename is not None and not any(self._table.ask(active, "varies_by_name", conf)):
                directory = filename if os.path.isdir(filename) else os.path.dirname(filename)
            file_key = (conf, site, directory)
            plan = self._file_plans.get(file_key)
            if plan is None:
                if len(self._file_plans) > self._names:
                    self._file_plans.clear()
                plan = self._file_plans[file_key] = self.compile(host, conf, filename)
            return plan
        if len(self._plans) > self._names:
            self._plans.clear()
        plan = self._plans[key] = self.compile(host, conf, filename)
        return plan

    def compile(self, host: Host, conf: Conf, filename: str | None) -> Plan:
        """Make a plan; ``filename``: of the request that it is first made for."""
        detours = self._detours
        plan = compile_plan(self._table, self, host.site, conf, filename)
        plan.server_software, plan.redirect = self.software, detours.redirect
        plan.subrequests, plan.loader = detours.subrequests, self.loader
        plan.tell, plan.refuses = _in_words, _refuses
        if plan.interpreter_id == self.home:
            plan.interpreter_id = self.home  # (the same object: so one look tells requests that they are at home)
        if plan.time_limit and plan.needs_python and self.limit_time is not None:
            self.limit_time(plan)
        return plan

    def look_up(self, req: Request, uri: str, sole: bool, /) -> int:
        """See `mpserver.modules.hooks.Engine`."""
        status: int = self._detours.subrequests.look_up(req, uri, sole)
        return status


def _refuses(req: Request) -> bool:
    from mpserver.modules import own_pages  # (few interpreters have such a page)

    return own_pages.refused(req, "python")


def _in_words(req: Request) -> Iterator[tuple[str, str]]:
    """A plan in words, by what few interpreters need."""
    from mpserver.phases import explain

    return explain.rows(req)
