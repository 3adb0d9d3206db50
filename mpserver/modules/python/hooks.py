"""mod_python's part in requests: handlers, filters, and the interpreter that these run in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from mpserver.api import constants
from mpserver.api.table import Table
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.modules import mime, python
from mpserver.modules.hooks import InputFactory, InterpreterChoice, Planning, Step, Translation, Translator
from mpserver.modules.known import Order
from mpserver.modules.python.dispatch import phase_step
from mpserver.modules.python.environment import ENVIRONMENT, plain
from mpserver.modules.python.handlers import Handler, phase_handlers
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.output_filters import OutputFactory
    from mpserver.api.request import Request
    from mpserver.modules.python.connection_handlers import ConnectionHandlers
    from mpserver.modules.python.filters import FilterMaker

#: Its type handlers are asked before mod_mime; and what a log handler leaves in notes can be in the access log.
ORDER = {"type_checker": Order.FIRST, "log_transaction": Order.FIRST}

#: The names of the content handler (api 3.5 1.5).
HANDLER_NAMES = ("mod_python", "python-program")

#: Phases that run before the resource is known; Init is one of them at server level (manual 5.1.5).
#: With the hooks in which they run.
EARLY = {
    "PythonInitHandler": "post_read_request",
    "PythonPostReadRequestHandler": "post_read_request",
    "PythonTransHandler": "translate_name",
}
#: All up to the content, in their order.
PHASES = (
    *EARLY, "PythonHeaderParserHandler", "PythonAccessHandler", "PythonAuthenHandler", "PythonAuthzHandler",
    "PythonTypeHandler", "PythonFixupHandler", "PythonHandler",
)  # fmt: skip
#: Those after it.
LAST = ("PythonLogHandler", "PythonCleanupHandler")


def set_up(planning: Planning) -> None:
    """What applications ask of the directives, and the handlers."""
    conf, plan = planning.conf, planning.plan
    plan.python_config, plan.options = python.python_config(conf), python.options(conf)
    plan.config_pairs, plan.option_pairs = tuple(Table(plan.python_config).items()), tuple(Table(plan.options).items())
    plan.addhandler_extensions = tuple(
        extension for extension, handler in conf[mime.ADD_HANDLER].items() if handler in HANDLER_NAMES
    )
    plan.python_path = conf[python.PYTHON_PATH]
    plan.time_limit = conf[python.REQUEST_TIMEOUT]
    plan.debug, plan.autoreload = conf[python.PYTHON_DEBUG], conf[python.PYTHON_AUTO_RELOAD]
    plan.handler = kind = _kind(planning)
    plan.handlers = {
        phase: phase_handlers(specs, phase, planning.filename, kind) for phase, specs in conf[python.HANDLERS].items()
    }


def _kind(planning: Planning) -> type[Handler]:
    """What handlers are: with PythonEnablePdb they stop in the debugger."""
    if not planning.conf[python.PYTHON_ENABLE_PDB] or planning.engine.loader is None:
        return Handler
    if planning.engine.one_process:
        from mpserver.modules.python.debugger import DebuggedHandler

        return DebuggedHandler
    text = "PythonEnablePdb is ignored: it needs a server of one process, which -DONE_PROCESS starts"
    planning.log.log(constants.APLOG_NOTICE, text, module="python")
    return Handler


# ---- the interpreter


def needs_interpreter(planning: Planning) -> bool:
    """Handlers for its resource do, and filters where they are asked for; early handlers were met before."""
    return any(_late(planning)) or any(_filters_asked(planning))


def _late(planning: Planning) -> Iterator[str]:
    """The phases that have handlers once the resource is known, in their order."""
    handlers = planning.plan.handlers
    if "PythonInitHandler" in handlers and _has_own_init(planning):
        yield "PythonInitHandler"
    yield from (phase for phase in (*PHASES[len(EARLY) :], *LAST) if phase in handlers)


def _has_own_init(planning: Planning) -> bool:
    """Whether a section has a PythonInitHandler: that of the server is met in the post-read-request phase."""
    name = "PythonInitHandler"
    own = planning.conf[python.HANDLERS].get(name)
    return own is not None and own is not planning.server.base[python.HANDLERS].get(name)


def interpreter(planning: Planning) -> InterpreterChoice:
    """The interpreter of a request (api 3.5 1.6)."""
    return _choice(planning, _interpreter_name(planning))


def _choice(planning: Planning, name: str | None) -> InterpreterChoice:
    known = planning.engine.environments.get(name) if name is not None else None
    conf = planning.conf
    return InterpreterChoice(name, conf[python.INTERP_BACKEND], known or plain(conf[ENVIRONMENT]))


def _interpreter_name(planning: Planning) -> str | None:
    conf, filename = planning.conf, planning.filename
    name = conf[python.PYTHON_INTERPRETER]
    if name is not None:
        return name
    if conf[python.INTERP_PER_DIRECTORY]:
        if filename is None:
            return None
        directory = filename if filename.endswith("/") or os.path.isdir(filename) else os.path.dirname(filename)
        return directory if directory.endswith("/") else directory + "/"
    if conf[python.INTERP_PER_DIRECTIVE]:
        for phase in _late(planning):
            return _of_directive(planning, phase)
        found = next(_filters_asked(planning), None)
        return None if found is None else python.directory_for(found, filename)
    return planning.host_name


def names_interpreter(conf: Conf) -> bool:
    """PythonInterpreter; a section may name another one, but not none."""
    return conf[python.PYTHON_INTERPRETER] is not None


def _of_directive(planning: Planning, phase: str) -> str | None:
    """The name of a phase's interpreter with PythonInterpPerDirective: the directory of its first directive."""
    return python.directory_for(planning.conf[python.HANDLERS][phase][0], planning.filename)


def interpreters(planning: Planning) -> Mapping[str, InterpreterChoice]:
    """The interpreters of phases: with PythonInterpPerDirective each has its own (manual 4.1), else all have one."""
    conf = planning.conf
    early = {hook: phase for phase, hook in EARLY.items() if phase in planning.plan.handlers}
    named = conf[python.PYTHON_INTERPRETER] is not None or conf[python.INTERP_PER_DIRECTORY]
    if named or not conf[python.INTERP_PER_DIRECTIVE]:
        return dict.fromkeys(early, interpreter(planning)) if early else {}
    names = {hook: _of_directive(planning, phase) for hook, phase in early.items()}
    names.update((phase, _of_directive(planning, phase)) for phase in _late(planning))
    return {phase: _choice(planning, name) for phase, name in names.items()}


def _filters_asked(planning: Planning) -> Iterator[python.HandlerSpec]:
    """The Python filters that may come into a request."""
    for name in sorted(planning.names):
        for setting in (python.OUTPUT_FILTERS, python.INPUT_FILTERS):
            if name in planning.conf[setting]:
                yield planning.conf[setting][name]


def varies_by_file(conf: Conf) -> bool:
    """PythonInterpPerDirectory, and handlers and filters of sections with patterns, go by the file."""
    if conf[python.PYTHON_INTERPRETER] is None and conf[python.INTERP_PER_DIRECTORY]:
        return True
    if any(spec.pattern for specs in conf[python.HANDLERS].values() for spec in specs):
        return True
    settings = (python.OUTPUT_FILTERS, python.INPUT_FILTERS)
    return any(spec.pattern for setting in settings for spec in conf[setting].values())


# ---- handlers


def _phase(planning: Planning, phase: str) -> Step | None:
    """What runs a phase, where it has handlers, or may be given some by those of a phase before it."""
    loader, handlers = planning.engine.loader, planning.plan.handlers
    if loader is None:
        return None  # a router answers by itself only what no handler may touch
    if phase in handlers or planning.added or any(earlier in handlers for earlier in PHASES[: PHASES.index(phase)]):
        return _placed(planning, phase, phase_step(planning.plan, loader, phase))
    return None


def _placed(planning: Planning, phase: str, step: Step) -> Step:
    """A phase's step, in the interpreter that it belongs to; most plans have one for all."""
    its = planning.plan.interpreters
    hook = EARLY.get(phase)
    if phase in its and len(set(its.values())) > 1:
        hook = phase  # (a PythonInitHandler of a section comes late)
    if hook is None or hook not in its:
        return step
    from mpserver.modules.python.placing import placed  # (few plans have several)

    return placed(step, phase, hook is not phase, *its[hook], planning.engine)


def is_early(conf: Conf) -> bool:
    """Whether a server has handlers for the phases before the resource is known."""
    return any(phase in conf[python.HANDLERS] for phase in EARLY)


def post_read_request(planning: Planning) -> Step | None:
    """The server's PythonInitHandler, and PythonPostReadRequestHandler."""
    return _both(_phase(planning, "PythonInitHandler"), _phase(planning, "PythonPostReadRequestHandler"))


def translate_name(planning: Planning) -> Step | None:
    """PythonTransHandler."""
    return _phase(planning, "PythonTransHandler")


def translate_path(server: Server) -> Translator | None:
    """A path for which Python handlers stand in a Location means no file (api 3.5 1.5)."""
    return _no_file if any(has_location_handlers(entry.conf) for entry in server.sections.locations) else None


def _no_file(_path: str, conf: Conf, _server: Server) -> Translation | None:
    return Translation(None) if has_location_handlers(conf) else None


def has_location_handlers(conf: Conf) -> bool:
    """Whether Python handlers stand in a Location."""
    handlers = conf[python.HANDLERS]
    return bool(handlers) and any(spec.is_location for specs in handlers.values() for spec in specs)


def header_parser(planning: Planning) -> Step | None:
    """PythonInitHandler of a section, and PythonHeaderParserHandler."""
    first = _phase(planning, "PythonInitHandler") if _has_own_init(planning) else None
    return _both(first, _phase(planning, "PythonHeaderParserHandler"))


def _both(first: Step | None, second: Step | None) -> Step | None:
    """One step after the other, unless the first ends the request."""
    if first is None or second is None:
        return first or second

    def both(req: Request) -> int:
        result = first(req)
        return second(req) if result in (constants.OK, constants.DECLINED) else result

    return both


def access_checker(planning: Planning) -> Step | None:
    """PythonAccessHandler."""
    return _phase(planning, "PythonAccessHandler")


def check_user_id(planning: Planning) -> Step | None:
    """PythonAuthenHandler."""
    return _phase(planning, "PythonAuthenHandler")


def auth_checker(planning: Planning) -> Step | None:
    """PythonAuthzHandler."""
    return _phase(planning, "PythonAuthzHandler")


def type_checker(planning: Planning) -> Step | None:
    """PythonTypeHandler."""
    return _phase(planning, "PythonTypeHandler")


def fixups(planning: Planning) -> Step | None:
    """PythonFixupHandler."""
    return _phase(planning, "PythonFixupHandler")


def handlers(planning: Planning) -> Mapping[str, Step]:
    """PythonHandler, for requests that SetHandler or AddHandler gives to it."""
    loader = planning.engine.loader
    if loader is None:
        return {}
    step = _placed(planning, "PythonHandler", phase_step(planning.plan, loader, "PythonHandler"))
    return dict.fromkeys(HANDLER_NAMES, step)


def log_transaction(planning: Planning) -> Step | None:
    """PythonLogHandler."""
    return _last(planning, "PythonLogHandler")


def cleanup(planning: Planning) -> Step | None:
    """PythonCleanupHandler (manual 5.1.13)."""
    return _last(planning, "PythonCleanupHandler")


def _last(planning: Planning, phase: str) -> Step | None:
    loader = planning.engine.loader
    if loader is None or not (planning.added or phase in planning.plan.handlers):
        return None
    return _placed(planning, phase, phase_step(planning.plan, loader, phase))


# ---- connections


def takes_connections(conf: Conf) -> bool:
    """Whether a server has a PythonConnectionHandler."""
    return bool(conf[python.CONNECTION_HANDLERS])


def process_connection(planning: Planning) -> ConnectionHandlers | None:
    """PythonConnectionHandler (manual 5.3.17)."""
    if not planning.server.conf[python.CONNECTION_HANDLERS]:
        return None
    from mpserver.modules.python.connection_handlers import ConnectionHandlers  # (few servers have one)

    return ConnectionHandlers(planning.plan)


# ---- filters


def registered_filters(planning: Planning) -> FilterMaker | None:
    """Filters that requests register themselves."""
    if planning.engine.loader is None:
        return None
    from mpserver.modules.python.filters import FilterMaker  # (few applications have filters)

    return FilterMaker(planning.plan, planning.engine.loader)


def output_filters(planning: Planning) -> Mapping[str, OutputFactory]:
    """PythonOutputFilter; a filter that is configured elsewhere only lets nothing pass."""
    found = planning.conf[python.OUTPUT_FILTERS]
    named = planning.server.conf[python.FILTER_NAMES]
    maker = registered_filters(planning) if found or named else None
    if maker is None:
        return {}
    from mpserver.modules.python.filters import Missing

    made: dict[str, OutputFactory] = {name: Missing for name in named if not planning.owns_filter(name)}
    for name, spec in found.items():
        made[name] = maker.output(maker.configured(name, spec, planning.filename, python.OUTPUT_FILTERS.name))
    return made


def input_filters(planning: Planning) -> Mapping[str, InputFactory]:
    """PythonInputFilter."""
    found = planning.conf[python.INPUT_FILTERS]
    maker = registered_filters(planning) if found else None
    if maker is None:
        return {}
    return {
        name: maker.input(maker.configured(name, spec, planning.filename, python.INPUT_FILTERS.name))
        for name, spec in found.items()
    }


# ---- for people


def explain(planning: Planning) -> Iterator[tuple[str, str]]:
    """The handlers and filters in their order, and how they are loaded."""
    from mpserver.modules.python import explanation  # (only a page that shows plans asks)

    return explanation.rows(planning.plan)
