"""A plan: the merged configuration of a request, compiled to what has to be done.

Plans are kept by the configuration object that they were made of; equal sections give the same
object, so that a request usually finds its plan with one look-up. Phases without handlers are not
in the plan, and cost nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from mpserver.api.hlist import HandlerEntry
from mpserver.api.table import Table
from mpserver.config.settings import Conf
from mpserver.modules import auth, core, mime, python
from mpserver.modules.environment import ENVIRONMENT, Environment, plain
from mpserver.phases import filters
from mpserver.phases.dispatch import Handler
from mpserver.phases.steps import PYTHON_HANDLERS, Step
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.phases.host import Site

#: The name that always means the worker's own main interpreter (manual 4.1).
MAIN = "main_interpreter"


class Place(NamedTuple):
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
        "needs_python", "option_pairs", "options", "pass_auth", "place", "python_config", "python_path",
        "redirect", "requires", "server_software", "site", "steps", "subrequests",
    )  # fmt: skip

    def __init__(
        self, site: Site, conf: Conf, filename: str | None, software: str,
        redirect: Callable[[Request, str], None], environments: Mapping[str, Environment],
        handler: type[Handler] = Handler,
    ) -> None:  # fmt: skip
        self.site = site
        self.conf = conf
        self.redirect = redirect
        #: What handlers are.
        self.handler = handler
        self.server_software = software
        self.auth_type: str | None = conf[auth.AUTH_TYPE]
        self.auth_name: str | None = conf[auth.AUTH_NAME]
        self.requires: tuple[str, ...] = conf[auth.REQUIRE].texts
        self.document_root: str = core.document_root(site.server.conf)
        self.python_config: Mapping[str, str] = python.python_config(conf)
        self.options: Mapping[str, str] = python.options(conf)
        self.config_pairs = tuple(Table(self.python_config).items())
        self.option_pairs = tuple(Table(self.options).items())
        self.python_path: str | None = conf[python.PYTHON_PATH]
        self.debug: bool = conf[python.PYTHON_DEBUG]
        self.autoreload: bool = conf[python.PYTHON_AUTO_RELOAD]
        lookups = conf[core.HOSTNAME_LOOKUPS]
        self.hostname_lookups = "" if lookups == "off" else lookups
        canonical = conf[core.USE_CANONICAL_NAME]
        self.canonical_name = "" if canonical == "off" else canonical
        self.pass_auth: bool = conf[core.CGI_PASS_AUTH]
        self.addhandler_extensions = tuple(
            extension for extension, handler in conf[mime.ADD_HANDLER].items() if handler in PYTHON_HANDLERS
        )
        self.limit_body: int = conf[core.LIMIT_REQUEST_BODY]
        self.error_documents = conf[core.ERROR_DOCUMENT]
        self.handlers = {
            phase: _phase_handlers(specs, phase, filename, handler) for phase, specs in conf[python.HANDLERS].items()
        }
        self.needs_python = bool(self.handlers) or filters.needs_python(conf)
        #: The filters; `compile_steps` makes them, where handlers can run.
        self.filters: filters.Filters | None = None
        name = interpreter_name(site, conf, filename)
        self.place = place(name, conf[python.INTERP_BACKEND], environments.get(name) or plain(conf[ENVIRONMENT]))
        self.interpreter = self.place.name
        #: Whether handlers run after the response; whether anything happens there, the access log included.
        self.has_last_handlers = "PythonLogHandler" in self.handlers or "PythonCleanupHandler" in self.handlers
        self.has_end = self.has_last_handlers or bool(site.access_logs)
        self.steps: tuple[Step, ...] = ()
        #: What pages that include others use; the pipeline sets both.
        self.subrequests: Any = None
        self.loader: Any = None
        self.content: Step

    def tell(self, req: Request) -> Iterator[tuple[str, str]]:
        """The plan of a request in words; see `mpserver.phases.summary`."""
        from mpserver.phases import summary

        return summary.rows(self, req)


def _phase_handlers(
    specs: tuple[python.HandlerSpec, ...], phase: str, filename: str | None, kind: type[Handler]
) -> PhaseHandlers:
    plain: list[Handler] = []
    extensions: dict[str, list[Handler]] = {}
    for spec in specs:
        directory = python.directory_for(spec, filename)
        handler = kind(HandlerEntry(spec.handler, directory, spec.is_location, spec.silent), phase)
        for extension in spec.extensions:
            extensions.setdefault(extension, []).append(handler)
        if not spec.extensions:
            plain.append(handler)
    return PhaseHandlers(tuple(plain), {name: tuple(found) for name, found in extensions.items()})


def interpreter_name(site: Site, conf: Conf, filename: str | None) -> str:
    """The name of a request's interpreter (api 3.5 1.6)."""
    name = conf[python.PYTHON_INTERPRETER]
    if name is not None:
        return name
    if conf[python.INTERP_PER_DIRECTORY]:
        if filename is None:
            return MAIN
        directory = filename if filename.endswith("/") or os.path.isdir(filename) else os.path.dirname(filename)
        return directory if directory.endswith("/") else directory + "/"
    if conf[python.INTERP_PER_DIRECTIVE]:
        for phase in (*python.EARLY_PHASES, *python.LATE_PHASES):
            for spec in conf[python.HANDLERS].get(phase, ()):
                return python.directory_for(spec, filename) or MAIN
        found = filters.first_spec(conf)
        return MAIN if found is None else python.directory_for(found, filename) or MAIN
    return site.name


def place(name: str, backend: str, environment: Environment = ()) -> Place:
    """Where an interpreter of this name runs, by PythonInterpBackend and what it has of its own."""
    if environment:
        return Place("process", name, environment)
    if name == MAIN or backend == "main":
        return Place("main", MAIN)
    return Place(backend, name)


def varies_by_file(conf: Conf) -> bool:
    """Whether the plan depends on the file itself, not on the configuration alone."""
    if conf[python.PYTHON_INTERPRETER] is None and conf[python.INTERP_PER_DIRECTORY]:
        return True
    if any(spec.pattern for specs in conf[python.HANDLERS].values() for spec in specs):
        return True
    settings = (python.OUTPUT_FILTERS, python.INPUT_FILTERS)
    return any(spec.pattern for setting in settings for spec in conf[setting].values())
