"""Compiles plans: from the merged configuration of a request to what has to be done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

from mpserver.api.handler_list import HandlerEntry
from mpserver.api.table import Table
from mpserver.config.settings import Conf
from mpserver.modules import authn_core, authz_core, core, mime, python
from mpserver.modules.python.environment import ENVIRONMENT, Environment, plain
from mpserver.phases import filters
from mpserver.phases.host import Site
from mpserver.phases.plan import PYTHON_HANDLERS, Handler, InterpreterId, PhaseHandlers, Plan
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: The name that always means the worker's own main interpreter (manual 4.1).
MAIN = "main_interpreter"


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


def identify(name: str, backend: str, environment: Environment = ()) -> InterpreterId:
    """Where an interpreter of this name runs, by PythonInterpBackend and what it has of its own."""
    if environment:
        return InterpreterId("process", name, environment)
    if name == MAIN or backend == "main":
        return InterpreterId("main", MAIN)
    return InterpreterId(backend, name)


def varies_by_file(conf: Conf) -> bool:
    """Whether the plan depends on the file itself, not on the configuration alone."""
    if conf[python.PYTHON_INTERPRETER] is None and conf[python.INTERP_PER_DIRECTORY]:
        return True
    if any(spec.pattern for specs in conf[python.HANDLERS].values() for spec in specs):
        return True
    settings = (python.OUTPUT_FILTERS, python.INPUT_FILTERS)
    return any(spec.pattern for setting in settings for spec in conf[setting].values())


def make_plan(
    site: Site, conf: Conf, filename: str | None, software: str,
    redirect: Callable[[Request, str], None], environments: Mapping[str, Environment],
    handler: type[Handler] = Handler,
) -> Plan:  # fmt: skip
    """The plan of requests with this configuration, but for its steps (`mpserver.phases.steps`)."""
    plan = Plan()
    plan.server = site.server
    plan.tell = _in_words
    plan.conf = conf
    plan.redirect = redirect
    #: What handlers are.
    plan.handler = handler
    plan.server_software = software
    plan.auth_type = conf[authn_core.AUTH_TYPE]
    plan.auth_name = conf[authn_core.AUTH_NAME]
    plan.requires = conf[authz_core.REQUIRE].texts
    plan.document_root = core.document_root(site.server.conf)
    plan.python_config = python.python_config(conf)
    plan.options = python.options(conf)
    plan.config_pairs = tuple(Table(plan.python_config).items())
    plan.option_pairs = tuple(Table(plan.options).items())
    plan.python_path = conf[python.PYTHON_PATH]
    plan.debug = conf[python.PYTHON_DEBUG]
    plan.autoreload = conf[python.PYTHON_AUTO_RELOAD]
    lookups = conf[core.HOSTNAME_LOOKUPS]
    plan.hostname_lookups = "" if lookups == "off" else lookups
    canonical = conf[core.USE_CANONICAL_NAME]
    plan.canonical_name = "" if canonical == "off" else canonical
    plan.pass_auth = conf[core.CGI_PASS_AUTH]
    plan.addhandler_extensions = tuple(
        extension for extension, handler in conf[mime.ADD_HANDLER].items() if handler in PYTHON_HANDLERS
    )
    plan.limit_body = conf[core.LIMIT_REQUEST_BODY]
    plan.error_documents = conf[core.ERROR_DOCUMENT]
    plan.handlers = {
        phase: _phase_handlers(specs, phase, filename, handler) for phase, specs in conf[python.HANDLERS].items()
    }
    plan.needs_python = bool(plan.handlers) or filters.needs_python(conf)
    #: The filters; `compile_steps` makes them, where handlers can run.
    plan.filters = None
    name = interpreter_name(site, conf, filename)
    plan.interpreter_id = identify(
        name, conf[python.INTERP_BACKEND], environments.get(name) or plain(conf[ENVIRONMENT])
    )
    plan.interpreter = plan.interpreter_id.name
    #: Whether handlers run after the response; whether anything happens there, the access log included.
    plan.has_last_handlers = "PythonLogHandler" in plan.handlers or "PythonCleanupHandler" in plan.handlers
    plan.has_end = plan.has_last_handlers or bool(site.access_logs)
    plan.steps = ()
    #: What pages that include others use; the pipeline sets both.
    plan.subrequests = None
    plan.loader = None
    return plan


def _in_words(req: Request) -> Iterator[tuple[str, str]]:
    """A plan in words, by what few interpreters need."""
    from mpserver.phases import explain

    return explain.rows(req)
