"""The hooks: how httpd's modules take part in requests, and how the planner asks them.

The ``hooks`` of a module has functions of the names below. They are asked while a plan is made, not while a request
is served: a function gets the `Planning`, which has the merged configuration, and answers with what is to be done
for the requests of this plan, or with None. So what is not configured costs a request nothing, and what is
configured is decided once.

Asked for the plan of a merged configuration, in the order of a request. Unless another answer is named, a hook answers
with a `Step`:

    head               changes the head of a response just before it is made; of errors and redirects that the server
                       itself answers with: error_head
    set_up             puts what applications can ask for into the plan (answers nothing)
    insert_filter      filters for the response or the body: an `Insertion`
    output_filters     the filters that the module has, by their names: a mapping to what makes one
    input_filters      the same for bodies
    registered_filters what makes filters that applications register: `RegisteredFilters`
    needs_interpreter  whether the requests have to run in an interpreter for applications: a bool
    interpreter        in which: an `InterpreterChoice`
    interpreters       in which ones its phases have to run, by their names: a mapping to `InterpreterChoice`
    own_interpreter    the name of an interpreter of the server's own for requests that need none for applications, but
                       would hold others up where they are: a str
    post_read_request  before anything is known but the head
    translate_name     sets the file: OK, or DECLINED for the next module
    map_to_storage     checks the way to the file
    header_parser      the first for handlers that know the file and its configuration; left out for sub-requests (an
                       index, parts of pages), whose main request has met them
    access_checker     whether the client may come in, whoever it is
    one_is_enough      whether, of that and the user, one is enough (Satisfy Any): a function of the request
    access_checker_ex  the same: the first that does not decline decides; if all do, it depends on the user, and the
                       next two are run
    check_user_id      finds the user: the first that does not decline decides
    auth_checker       whether that user may come in: the first that does not decline decides
    note_auth_failure  adds to a 401 what the client has to know (its result does not count)
    type_checker       the type of the file: the first that does not decline decides
    fixups             last changes
    may_block          whether steps of the module may take long: look up names, check passwords, ask programs. Requests
                       that wait for others in the event loop (`mpserver.api.tasks`) have a thread up to there: a bool
    directory          the content of a request whose file is a directory: the first that does not decline decides; if
                       all do, the request's handler is looked for. (In httpd these are fixups, which run it themselves)
    any_handler        serves what no handler by its name has served, before the server's own does: the first that
                       does not decline decides
    handlers           the content handlers that the module has, by their names: a mapping to steps
    log_transaction    after the response: all of them run, and their results don't count
    cleanup            at the very end (httpd: a cleanup of the request's pool): all run, their results don't count
    process_connection serves a connection in place of HTTP: a `ConnectionServer`. Asked for the plan of a server, where
                       the module takes its connections (below)
    leads_to           foretells the internal redirect of its fixups, to find the interpreter: a `rewriting.LeadsTo`
    observe            what is put around the steps of all modules: an `Observer`
    explain            what it does with requests of this plan, for pages that tell it: pairs of a name and a text

Asked for a server:

    begin              what a request's head alone decides, for each, before its If sections are tested: a Step
    is_early           whether requests meet the module before their resource is known, given the `Conf`: a bool
    names_interpreter  whether it names the interpreter of all requests, given the `Conf`; without that it is called
                       after the virtual host: a bool
    is_apart           whether what the module makes of a server depends on more than its settings, so that other hosts
                       with the same ones have nothing in common with it: a bool
    takes_connections  whether new connections meet the module before their first request, given the server's
                       settings: a bool
    translate_path     what a path stands for, where the path alone decides: a `Translator`. (In httpd this is
                       translate_name, too; here its answer is remembered)
    rewrite_request    the same where more than the path decides: a `rewriting.Rewriter`, which comes before them
    trace_context      how its requests come to their traces: a `mpserver.api.request_tables.TraceContext`
    open_logs          where the lines of its requests go: a tuple of `mpserver.modules.open_logs.OpenLog`

And of a `Conf`: ``varies_by_file``, whether its plans differ from folder to folder, and ``varies_by_name``, whether
they do from file to file.

The steps of a request run until one of them returns anything but OK or DECLINED: a status, or DONE, which ends the
request. Where it says above that the first decides, an OK ends only the asking for this hook, as it does for
translate_name. Modules are asked in the order of the table, `mpserver.modules.all`; a module
that has to be first or last of a hook says so in its ``ORDER``, by the hook's name.

The look-up of an index, or of anything else that takes a request's place (`Engine.look_up`), is a request of its own,
for its steps may tell it from the one that it is for. A module whose steps of a hook do not says so in its ``PLAIN``:
they look at the client, the configuration and the file, set what is taken over of a look-up (type, handler, what is to
be done to the head), or decide who may come in; they leave no header and no note, and have no mind for who asks. Where
all steps of both are plain, an index that was found once needs no request of its own from then on
(`mpserver.phases.known_indexes`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from mpserver.modules.known import PACKAGE, prefix_of
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from types import ModuleType

    from mpserver.api.connection import Connection
    from mpserver.api.connection_stream import Wire
    from mpserver.api.error_log import ErrorLog
    from mpserver.api.input_filters import InputFilter
    from mpserver.api.loader import Loader
    from mpserver.api.output_filters import OutputFactory
    from mpserver.api.plan import RequestPlan
    from mpserver.api.protocol_connection import ProtocolConnection
    from mpserver.api.request import Request
    from mpserver.config.sections import HtaccessLookup
    from mpserver.config.server import Server
    from mpserver.config.settings import Conf
    from mpserver.modules.hook_table import HookTable
    from mpserver.modules.python.environment import Environment

#: A part of a request's way: OK, DECLINED, DONE, or the status to answer with.
Step = Callable[["Request"], int]

#: The name of the handler for requests that no other has served.
ANY_HANDLER = "*"
#: The name of the handler for TRACE, whatever the resource.
TRACE_HANDLER = "httpd/trace"
#: The name of the handler for CGI scripts.
SCRIPT_HANDLER = "cgi-script"
#: What the names of phases that ran elsewhere (``mp_passed``) begin with of which processes of other accounts may tell.
OF_ACCOUNTS = "(of accounts) "

#: The name of the handler for requests that are another server's to answer, and of that to which it is told (as a URL
#: behind the colon).
PROXY_HANDLER, PROXY_PREFIX = "proxy-server", "proxy:"

#: Makes a filter of a request's body.
InputFactory = Callable[["Request"], "InputFilter"]


class RegisteredFilters(Protocol):
    """What makes filters that a request registered itself: a handler, and its directory."""

    def registered_output(self, handler: str, directory: str | None) -> OutputFactory:
        """A filter of the response."""

    def registered_input(self, handler: str, directory: str | None) -> InputFactory:
        """A filter of the body."""


class Filters(Protocol):
    """The filters of a plan, for those who put some into a request."""

    def add_output(self, req: Request, name: str) -> None:
        """Let the response go through a filter; a name that nobody knows is logged."""

    def add_input(self, req: Request, name: str) -> None:
        """Let the body come through a filter."""

    def output_factory(self, req: Request, name: str) -> OutputFactory | None:
        """What makes a filter; None for a name that nobody knows, which is logged."""


class Insertion(NamedTuple):
    """Filters of a plan: the names of those that may come, in lower case, and what puts them into a request."""

    names: tuple[str, ...]
    insert: Callable[[Request, Filters], None]


class Observer(Protocol):
    """Puts something around the steps of a plan, as they are made."""

    def __call__(self, hook: str, module: str, step: Step, handler: str = "") -> Step:
        """What runs in the place of a step.

        :param hook: that it belongs to; ``module`` is the folder of its module.
        :param handler: the name of a content handler.
        """


class ConnectionServer(Protocol):
    """Serves connections in place of HTTP."""

    def connection(self, plain: Connection, wire: Wire) -> ProtocolConnection:
        """The object that the application gets."""

    def call(self, connection: ProtocolConnection, loader: Loader) -> int:
        """Serve a connection.

        :returns: DECLINED where it is to be one of HTTP after all.
        :raises Misplaced: it can't be served in this interpreter.
        """


class InterpreterChoice(NamedTuple):
    """The interpreter of a plan: its name (None: the worker's own), the kind that was asked for, its environment."""

    name: str | None
    kind: str
    environment: Environment


class Translation(NamedTuple):
    """What a path stands for: a file (None: for no file), and the handler that is forced on it.

    ``answer``: answers its requests, before anything else is looked at; it returns the status. ``sections``: what is
    named is no file but the resource of another server, and these hold for it in place of those of directories.
    ``scope``: holds for it besides, over all sections.
    """

    filename: str | None
    handler: str | None = None
    answer: Step | None = None
    sections: tuple[Conf, ...] | None = None
    scope: Conf | None = None


#: Gets a decoded path without double slashes, the configuration of the Locations that it lies in, and the server.
Translator = Callable[[str, "Conf", "Server"], "Translation | None"]


class Engine(Protocol):
    """What the server does for modules."""

    @property
    def loader(self) -> Loader | None:
        """What loads application code; None in a router, which runs none."""

    @property
    def htaccess(self) -> HtaccessLookup:
        """What .htaccess files say."""

    @property
    def environments(self) -> Mapping[str, Environment]:
        """What interpreters have of their own, by their names."""

    @property
    def loaded(self) -> tuple[str, ...]:
        """The names of the modules that LoadModule names."""

    @property
    def kept(self) -> dict[str, Any]:
        """What modules keep for all plans of the interpreter, by their names."""

    @property
    def one_process(self) -> bool:
        """Whether somebody may sit at the terminal (-X, -DONE_PROCESS)."""

    @property
    def home(self) -> object:
        """The interpreter that this is, as plans name it (`mpserver.phases.plan.InterpreterId`)."""

    @property
    def kind(self) -> str:
        """The kind of that interpreter, which may be another one than was asked for; "" in a router."""

    def look_up(self, req: Request, uri: str, sole: bool, /) -> int:
        """Look for another resource by a request of its own, up to its content; go on as that one if it is good.

        :param uri: raw, absolute; its query is that of the request that is made.
        :param sole: there is nothing else to be looked for, so that the client is told what it failed with.
        :returns: OK, or the status that it ended with.
        """


def go_on(req: Request, status: int) -> int:
    """What a step returns that had its request take another one's place (`Engine.look_up`); the others have no part.

    The content of a look-up is left to whoever looks.

    :param status: what the look-up has returned.
    """
    from mpserver.api import constants  # (the table of modules is read without it)

    if status != constants.OK:
        return status
    if req.mp_is_lookup:
        return constants.DONE
    return req.mp_plan.content(req) or constants.DONE


class Planning:
    """A plan that is being made, for the hooks: what it is for, and what is known of it so far."""

    __slots__ = (
        "active", "added", "conf", "engine", "filename", "host_name", "log", "names", "observers", "plan", "server",
        "stepped", "_table",
    )  # fmt: skip

    def __init__(
        self, table: HookTable, engine: Engine, plan: RequestPlan, server: Server, host_name: str, log: ErrorLog,
        filename: str | None,
    ) -> None:  # fmt: skip
        self._table = table
        self.engine = engine
        self.plan = plan
        self.server = server
        #: What the interpreter is called where nobody says otherwise (manual 4.1).
        self.host_name = host_name
        self.conf: Conf = plan.conf
        self.log = log
        #: The file of the request that it is made for. Others have the plan, too; but all have a file, or none has.
        self.filename = filename
        #: Whether it is for requests that handlers were added to on their way.
        self.added = False
        #: The folders of the modules that take part.
        self.active = table.active(self.conf, server.conf)
        #: The names of the filters that modules may put into requests.
        self.names: frozenset[str] = frozenset()
        #: Whether there are steps before the one that is asked for: these may do anything to a request.
        self.stepped = False
        self.observers: Sequence[Observer] = ()
        for function in self.functions("set_up"):
            function(self)
        self.observers = self.ask("observe")

    def functions(self, hook: str) -> Sequence[Callable[..., Any]]:
        """The functions of a hook, in their order."""
        return self._table.functions(self.active, hook)

    def ask(self, hook: str) -> list[Any]:
        """What the modules answer to a hook, in their order, without those that answer None."""
        return [answer for function in self.functions(hook) if (answer := function(self)) is not None]

    def steps(self, hook: str) -> list[Step]:
        """The same of a hook that is answered with steps, with what observes them."""
        return [
            self.observed(hook, function.__module__, step)
            for function in self.functions(hook)
            if (step := function(self)) is not None
        ]

    def observed(self, hook: str, module: str, step: Step, handler: str = "") -> Step:
        """A step with what observes it; ``module`` is the Python module of its hook."""
        for observer in self.observers:
            step = observer(hook, module.removeprefix(PACKAGE + ".").partition(".")[0], step, handler)
        return step

    def is_plain(self, function: Callable[..., Any]) -> bool:
        """Whether a function of a hook answers with plain steps, as its module says."""
        return self._table.is_plain(function)

    def require(self, folder: str) -> ModuleType:
        """Have a module take part. :returns: its hooks."""
        hooks = self._table.load(folder)
        if folder not in self.active:
            self.active |= {folder}
            if hasattr(hooks, "set_up"):
                hooks.set_up(self)
        return hooks

    def require_owners(self) -> None:
        """Have the modules take part whose filters are among the names."""
        owners = self._table.filters
        for name in self.names:
            if name in owners:
                self.require(owners[name])

    def with_settings(self, settings: Conf) -> Planning:
        """The same plan with some settings over its own."""
        other = self._copy()
        other.conf = self.conf.merged(settings)
        return other

    def _copy(self) -> Planning:
        other = object.__new__(Planning)  # (`copy` is more than this takes)
        for name in Planning.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def for_added(self) -> Planning:
        """The same plan for requests that handlers were added to: by a module that is at work here already."""
        other = self._copy()
        other.added = True
        for folder in tuple(self._table.loaded):
            other.require(folder)
        return other

    def handler(self, name: str) -> Step | None:
        """A content handler by its name; None if no module has it."""
        owner = self._table.owner(name)
        if owner is None:
            return None
        found: Mapping[str, Step] = self.require(owner).handlers(self)
        step = found.get(name) or found.get(prefix_of(name))
        if step is None or not self.observers:
            return step
        return self.observed("handlers", f"{PACKAGE}.{owner}", step, name)

    def require_handlers(self, names: Sequence[str | None]) -> None:
        """Have the modules take part whose handlers are among names that say more than the handler's own."""
        for name in names:
            if name is not None and ":" in name and (owner := self._table.owner(name)) is not None:
                self.require(owner)
        for folder in self._table.placing(names):
            self.require(folder)

    def own_handler(self, name: str) -> Step:
        """The same of a handler that is there in any case. :raises KeyError: it is not."""
        found = self.handler(name)
        if found is None:
            raise KeyError(name)
        return found

    def output_filter(self, name: str) -> OutputFactory | None:
        """What makes a filter of a module that was not asked for it; None if no module has it."""
        owner = self._table.filters.get(name)
        if owner is None:
            return None
        found: Mapping[str, OutputFactory] = self.require(owner).output_filters(self)
        return found.get(name)

    def registered_filters(self) -> RegisteredFilters:
        """What makes filters that applications register: their module is at work here already."""
        found: RegisteredFilters = self.for_added().ask("registered_filters")[0]
        return found

    def owns_filter(self, name: str) -> bool:
        """Whether a module has a filter of this name, whatever the configuration."""
        return name in self._table.filters
