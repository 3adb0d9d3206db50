"""A plan: the merged configuration of a request, compiled to what has to be done.

Plans are kept by the configuration object that they were made of; equal sections give the same
object, so that a request usually finds its plan with one look-up. Phases without handlers are not
in the plan, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mpserver.api.handler_list import HandlerEntry
from mpserver.api.loader import RECHECK_AFTER, Loaded, Loader, resolve_object
from mpserver.config.settings import Conf
from mpserver.modules.python.environment import Environment
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.server import Server


class Handler:
    """One handler of a plan: resolved once, looked up again when its module was reloaded."""

    __slots__ = ("_fixed", "_loaded", "_trusted", "_version", "entry", "module", "path", "phase")

    def __init__(self, entry: HandlerEntry, phase: str) -> None:
        self.entry = entry
        self.phase = phase
        self.module, _, path = entry.handler.partition("::")
        self.path = path or phase.removeprefix("Python").lower()
        self._loaded: Loaded | None = None
        self._fixed: Callable[[Any], Any] | None = None
        self._version = -1
        self._trusted = -1.0

    def resolve(self, plan: Plan, loader: Loader, now: float, argument: Any) -> Callable[[Any], Any] | None:
        """The callable; None for a silent handler whose module has none.

        :param now: when the request began, in seconds since the epoch.
        :param argument: what it will be called with; classes on the way to it are made with that.
        :raises Exception: what the module raises when imported; AttributeError without such an object.
        """
        if plan.python_path is not None and plan.python_path != loader.path:
            loader.use_path(plan.python_path)
        if now < self._trusted or now >= self._trusted + RECHECK_AFTER:
            # a handler in a Location has no directory (api 3.5 1.5)
            directory = None if self.entry.is_location or plan.python_path is not None else self.entry.directory
            with loader.in_turn():
                if plan.python_path is not None:
                    loader.use_path(plan.python_path)  # (another thread may have had another one meanwhile)
                loaded = loader.load(self.module, directory, plan.autoreload, now)
                # (still in turn: or a thread that was held up here could put the function of before a reload back)
                if loaded is not self._loaded or loaded.version != self._version:
                    self._fixed = self._find_fixed(loaded)
                    self._loaded, self._version = loaded, loaded.version
                self._trusted = now
        fixed = self._fixed
        if fixed is not None:
            return fixed
        assert self._loaded is not None
        walked: Any = resolve_object(self._loaded.module, self.path, argument, self.entry.silent)
        if isinstance(walked, type):
            walked = walked(argument)
        function: Callable[[Any], Any] | None = walked
        return function

    def _find_fixed(self, loaded: Loaded) -> Callable[[Any], Any] | None:
        """A plain function needs no walk per request."""
        found = loaded.module.__dict__.get(self.path)
        if not callable(found) or isinstance(found, type):
            return None
        function: Callable[[Any], Any] = found
        return function


def plan_of(req: Request) -> Plan:
    """A request's plan, as the engine knows it."""
    plan: Any = req.mp_plan
    assert isinstance(plan, Plan)
    return plan


Step = Callable[["Request"], int]


#: Handler names that are served by the PythonHandlers (api 3.5 1.5).
PYTHON_HANDLERS = frozenset({"mod_python", "python-program"})


#: Phases that run before the resource is known; Init is one of them at server level (manual 5.1.5).
EARLY = ("PythonInitHandler", "PythonPostReadRequestHandler", "PythonTransHandler")


#: Those of them that run for the look-up of an index, too.
TRANSLATION = ("PythonTransHandler",)


class Lookup(Protocol):
    """Makes a request the one for an index file, up to its content handler: OK, or the status of the look-up."""

    def __call__(self, req: Request, uri: str, /) -> int:
        """Look it up; ``uri``: its raw path."""


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


class PhaseHandlers(NamedTuple):
    """A phase's handlers: those for all files, and those for an extension only (``| .ext``)."""

    plain: tuple[Handler, ...]
    by_extension: Mapping[str, tuple[Handler, ...]]


class Plan:
    """What a request with this configuration needs. Implements `mpserver.api.plan.RequestPlan`."""

    __slots__ = (
        "addhandler_extensions", "auth_name", "auth_type", "autoreload", "canonical_name", "conf",
        "config_pairs", "content", "debug", "document_root", "error_documents", "filters", "handler",
        "handlers", "has_end", "has_last_handlers", "hostname_lookups", "interpreter", "limit_body", "loader",
        "needs_python", "option_pairs", "options", "pass_auth", "interpreter_id", "python_config", "python_path",
        "redirect", "requires", "server", "server_software", "steps", "subrequests", "tell",
    )  # fmt: skip

    #: A server that it is for: the settings and sections of all of its site.
    server: Server
    conf: Conf
    redirect: Callable[[Request, str], None]
    #: The plan of a request in words; see `mpserver.phases.explain`.
    tell: Callable[[Request], Iterator[tuple[str, str]]]
    #: What handlers are.
    handler: type[Handler]
    server_software: str
    config_pairs: tuple[tuple[str, str], ...]
    option_pairs: tuple[tuple[str, str], ...]
    hostname_lookups: str
    canonical_name: str
    addhandler_extensions: tuple[str, ...]
    error_documents: dict[int, str]
    handlers: Mapping[str, PhaseHandlers]
    needs_python: bool
    interpreter_id: InterpreterId
    interpreter: str
    #: Whether handlers run after the response.
    has_last_handlers: bool
    #: Whether anything happens there, the access log included.
    has_end: bool
    auth_type: str | None
    auth_name: str | None
    requires: tuple[str, ...]
    document_root: str
    python_config: Mapping[str, str]
    options: Mapping[str, str]
    python_path: str | None
    debug: bool
    autoreload: bool
    pass_auth: bool
    limit_body: int
    #: The filters; `compile_steps` makes them, where handlers can run.
    filters: Any
    steps: tuple[Step, ...]
    #: What pages that include others use; the pipeline sets both.
    subrequests: Any
    loader: Any
    content: Step
