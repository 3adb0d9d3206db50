"""A plan: the merged configuration of a request, compiled to what has to be done.

Plans are kept by the configuration object that they were made of; equal sections give the same
object, so that a request usually finds its plan with one look-up. Phases without handlers are not
in the plan, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mpserver.config.branches import BRANCHES
from mpserver.config.expression import Expression
from mpserver.config.settings import Conf
from mpserver.http1.ranges import Limits
from mpserver.modules.hooks import Step
from mpserver.modules.python.environment import Environment
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.kept_body import Room
    from mpserver.api.plan import ScriptPlan
    from mpserver.api.request import Request
    from mpserver.config.server import Server
    from mpserver.modules.python.handlers import Handler, PhaseHandlers
    from mpserver.modules.rewriting import LeadsTo


def plan_of(req: Request) -> Plan:
    """A request's plan, as the engine knows it."""
    plan: Any = req.mp_plan
    assert isinstance(plan, Plan)
    return plan


def is_resource(document: str | Expression | None) -> bool:
    """Whether an ErrorDocument is another resource of the server; one with variables may become that."""
    return document is not None and (not isinstance(document, str) or document[:1] == "/")


class InterpreterId(NamedTuple):
    """An interpreter: the kind that was asked for (auto, own, shared, process, main) and its name."""

    kind: str
    name: str
    #: What a process has of its own: a Python, a user, limits.
    environment: Environment = ()

    @property
    def key(self) -> str:
        """Its name on the scoreboard."""
        return f"{self.kind} {self.name} {self.environment}" if self.environment else f"{self.kind} {self.name}"


class Phases(NamedTuple):
    """What is done with a request, but for its content; the steps of each phase in their order."""

    #: Before the resource is known, where a server has modules that act there: the last of these translates.
    post_read_request: tuple[Step, ...] = ()
    translate_name: tuple[Step, ...] = ()
    #: From the way to the file up to the fixups.
    steps: tuple[Step, ...] = ()
    #: Those of them that are last changes.
    fixups: tuple[Step, ...] = ()
    #: The last of them, which says what is to be done to the head.
    heading: tuple[Step, ...] = ()
    #: Whether some of them decide who may come in.
    has_gates: bool = False
    #: Where all of them are plain (`mpserver.modules.hooks`): what is left of them for one that was let in already, and
    #: whose head was seen.
    plain: tuple[Step, ...] | None = None
    #: Whether nothing but the file's name decides what they do.
    is_still: bool = False
    #: After the response: those that log it, and those at the very end.
    log_transaction: tuple[Step, ...] = ()
    cleanup: tuple[Step, ...] = ()


class Plan:
    """What a request with this configuration needs. Implements `mpserver.api.plan.RequestPlan`.

    Modules put into it what applications ask for (`mpserver.modules.hooks`, ``set_up``).
    """

    __slots__ = (
        "addhandler_extensions", "ask", "auth_name", "auth_type", "autoreload", "body_room", "branches",
        "canonical_name",
        "compile_added", "conf", "config_pairs", "content", "debug", "document_root", "error_documents", "error_head",
        "file_etag", "filters", "handler", "handlers", "has_end", "has_last_handlers", "hostname_lookups",
        "in_loop",
        "interpreter", "interpreter_id", "interpreters", "is_still", "leads_to", "limit_body", "loader", "named",
        "needs_python",
        "option_pairs", "options", "pass_auth", "phases", "physical_port", "python_config", "python_path",
        "range_limits", "reads_files", "redirect", "refuses", "requires", "scheme", "script", "server",
        "server_software",
        "signature", "steps", "streams", "subrequests", "tell", "time_limit", "waits", "_added",
    )  # fmt: skip

    redirect: Callable[[Request, str], None]
    #: The plan of a request in words; see `mpserver.phases.explain`.
    tell: Callable[[Request], Iterator[tuple[str, str]]]
    #: Whether a page that tells of the server itself is not for a request's client; see `mpserver.modules.own_pages`.
    refuses: Callable[[Request], bool]
    server_software: str
    interpreter_id: InterpreterId
    interpreter: str
    interpreters: Mapping[str, tuple[str, InterpreterId]]
    phases: Phases
    #: Makes those for requests that handlers were added to, see `phases_of`.
    compile_added: Callable[[], Phases]
    #: Those of its steps that come before the content.
    steps: tuple[Step, ...]
    content: Step
    #: What changes the heads of errors and redirects that the server itself answers with.
    error_head: tuple[Step, ...]
    #: Asks the modules of this plan for what few requests need, by a hook's name (`mpserver.modules.hooks`).
    ask: Callable[[str], list[Any]]
    #: A content handler that a module has, by its name.
    named: Callable[[str], Step]
    #: The filters, and what loads applications; None in a router.
    filters: Any
    loader: Any
    #: What pages that include others use.
    subrequests: Any
    document_root: str
    hostname_lookups: str
    canonical_name: str
    pass_auth: bool
    limit_body: int
    #: Where bodies are kept until their handlers run; and whether those read them as they come instead.
    body_room: Room
    streams: bool
    file_etag: int
    range_limits: Limits
    signature: str
    reads_files: bool
    physical_port: bool
    scheme: str
    script: ScriptPlan
    error_documents: Mapping[int, str | Expression]

    def __init__(self, server: Server, conf: Conf) -> None:
        #: A server that it is for: the settings and sections of all of its site.
        self.server = server
        self.conf = conf
        self.needs_python = False
        #: Whether steps run after the response; whether anything happens there, the access log included.
        self.has_last_handlers = self.has_end = False
        self.auth_type: str | None = None
        self.auth_name: str | None = None
        self.requires: tuple[str, ...] = ()
        self.addhandler_extensions: tuple[str, ...] = ()
        #: What handlers are, and those of each phase.
        self.handler: type[Handler] | None = None
        self.handlers: Mapping[str, PhaseHandlers] = {}
        self.python_config: Mapping[str, str] = {}
        self.options: Mapping[str, str] = {}
        self.config_pairs: tuple[tuple[str, str], ...] = ()
        self.option_pairs: tuple[tuple[str, str], ...] = ()
        self.python_path: str | None = None
        self.debug = False
        self.autoreload = True
        #: How long its requests may take, in seconds; 0: as long as they want.
        self.time_limit = 0.0
        self._added: Phases | None = None
        #: Whether its content may wait in the event loop by a task (`mpserver.api.tasks`), as no code of an application
        #: runs for it; and whether all of its steps are quick enough for that.
        self.waits = self.in_loop = False
        #: Whether a file that was sent as it is needs no steps the next time, nor its content: nobody else is asked.
        self.is_still = False
        #: Foretells where requests are redirected internally.
        self.leads_to: LeadsTo | None = None
        #: Whether more than the path decides: If sections, which are still to be tested for each request, or rules.
        self.branches = bool(conf[BRANCHES])

    def answering(self, *steps: Step) -> Plan:
        """A plan for requests that these steps answer: nobody asks what they are about, or where they lead."""
        made = self.copy()
        made.branches = made.is_still = False
        made.leads_to = None
        made.steps = steps
        made.phases = phases = self.phases._replace(steps=steps)
        made.compile_added = lambda: phases
        return made

    def copy(self) -> Plan:
        """Another plan with the same members."""
        made = object.__new__(Plan)  # (`copy` is more than this takes)
        for name in Plan.__slots__:
            if hasattr(self, name):
                setattr(made, name, None if name == "_added" else getattr(self, name))  # (that is derived)
        return made

    @property
    def early_id(self) -> InterpreterId:
        """Where the first of the phases before the resource is known runs."""
        for _name, interpreter_id in self.interpreters.values():
            return interpreter_id
        return self.interpreter_id

    def phases_of(self, req: Request) -> Phases:
        """What is done with a request: one that handlers were added to may need more than others."""
        if not req.mp_added:
            return self.phases
        if self._added is None:
            self._added = self.compile_added()
        return self._added
