"""The Python directives (manual chapter 5).

Here the configuration becomes lists of `HandlerSpec`; finding and calling the handlers is the
pipeline's business.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from mpserver import lazyre
from mpserver.config.patterns import compile_glob, is_wild
from mpserver.config.regex import compile_regex
from mpserver.config.registry import (
    EVERYWHERE,
    NOT_HTACCESS,
    SERVER_ONLY,
    SERVER_VHOST,
    Args,
    Call,
    Directive,
    Module,
    Override,
    Where,
)
from mpserver.config.settings import Conf, Setting, append, update
from mpserver.errors import ConfigError
from mpserver.modules import interpreter_environment, values
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration
    from mpserver.config.server import Server
    from mpserver.modules.core import Mutex


class HandlerSpec(NamedTuple):
    """One handler as configured.

    ``directory``: of the section or .htaccess file, with a trailing slash; in a Location its path;
    None outside sections. With ``pattern`` it is None, too: the section has wildcards or a regular
    expression, and `directory_for` tells the directory of a file. ``silent``: from
    PythonHandlerModule, where missing functions are skipped.
    """

    handler: str
    directory: str | None
    is_location: bool = False
    extensions: tuple[str, ...] = ()
    silent: bool = False
    pattern: re.Pattern[str] | None = None


Handlers = dict[str, tuple[HandlerSpec, ...]]

#: The phases in their order, which handlers may be restricted by "| .ext".
LATE_PHASES = (
    "PythonHeaderParserHandler",
    "PythonInitHandler",
    "PythonAccessHandler",
    "PythonAuthenHandler",
    "PythonAuthzHandler",
    "PythonTypeHandler",
    "PythonFixupHandler",
    "PythonHandler",
    "PythonLogHandler",
    "PythonCleanupHandler",
)
#: Those before the file is known.
EARLY_PHASES = ("PythonPostReadRequestHandler", "PythonTransHandler")

BACKENDS = {word: word for word in ("auto", "own", "shared", "process", "main")}

HANDLERS: Setting[Handlers] = Setting("Python*Handler", {}, update)
#: Python filters by their names, in lower case.
INPUT_FILTERS: Setting[dict[str, HandlerSpec]] = Setting("PythonInputFilter", {}, update)
OUTPUT_FILTERS: Setting[dict[str, HandlerSpec]] = Setting("PythonOutputFilter", {}, update)
#: The names of all output filters of a server, in whatever section. Server level, as is the next.
FILTER_NAMES: Setting[dict[str, bool]] = Setting("names of filters", {}, update)
CONNECTION_HANDLERS: Setting[tuple[HandlerSpec, ...]] = Setting("PythonConnectionHandler", ())
PYTHON_PATH: Setting[str | None] = Setting("PythonPath", None)
PYTHON_INTERPRETER: Setting[str | None] = Setting("PythonInterpreter", None)
PYTHON_DEBUG = Setting("PythonDebug", False)
PYTHON_ENABLE_PDB = Setting("PythonEnablePdb", False)
PYTHON_AUTO_RELOAD = Setting("PythonAutoReload", True)
INTERP_PER_DIRECTORY = Setting("PythonInterpPerDirectory", False)
INTERP_PER_DIRECTIVE = Setting("PythonInterpPerDirective", False)
INTERP_BACKEND = Setting("PythonInterpBackend", "auto")
#: How long interpreters live, see `mpserver.interpreters.lifetime_settings`; 0: as long as their worker. The time
#: is in seconds.
INTERP_MAX_REQUESTS = Setting("PythonInterpMaxRequests", 0)
INTERP_IDLE_TIMEOUT = Setting("PythonInterpIdleTimeout", 0.0)
INTERP_RELOAD = Setting("PythonInterpReload", False)
#: How many of a worker's interpreters there may be, and may have ended; 0: any number.
INTERP_MAX = Setting("PythonInterpMax", 0)
INTERP_RECYCLE_LIMIT = Setting("PythonInterpRecycleLimit", 1000)
#: In seconds; 0: requests take the time they take.
REQUEST_TIMEOUT = Setting("PythonRequestTimeout", 0.0)
#: "" stands for a removed key, so that it hides an outer scope's: read it with `options`.
PYTHON_OPTIONS: Setting[dict[str, str]] = Setting("PythonOption", {}, update)
#: The same of the server's own level.
SERVER_OPTIONS: Setting[dict[str, str]] = Setting("PythonOption of the server", {}, update)
#: (module or module::function, interpreter), in the order of the file; main server only.
PYTHON_IMPORTS: Setting[tuple[tuple[str, str], ...]] = Setting("PythonImport", (), append)
PYTHON_OPTIMIZE = Setting("PythonOptimize", False)


def options(conf: Conf, setting: Setting[dict[str, str]] = PYTHON_OPTIONS) -> dict[str, str]:
    """The options in effect, for ``req.get_options()``; with SERVER_OPTIONS for the server's."""
    return {key: value for key, value in conf[setting].items() if value}


_SHOWN_TEXTS = (PYTHON_PATH, PYTHON_INTERPRETER)
_SHOWN_FLAGS = (
    PYTHON_DEBUG,
    PYTHON_ENABLE_PDB,
    INTERP_PER_DIRECTIVE,
    INTERP_PER_DIRECTORY,
    PYTHON_AUTO_RELOAD,
)


def python_config(conf: Conf) -> dict[str, str]:
    """What ``get_config()`` tells: the directives that were set, flags as "1" and "0"."""
    shown = {}
    for text in _SHOWN_TEXTS:
        value = conf[text]
        if value is not None:
            shown[text.name] = value
    for flag in _SHOWN_FLAGS:
        if flag in conf:
            shown[flag.name] = "1" if conf[flag] else "0"
    return shown


def directory_for(spec: HandlerSpec, filename: str | None) -> str | None:
    """The directory of a handler for a file, with a trailing slash (api 3.5 1.5).

    It is the section's; of a pattern the shortest part of the file's path that matches, or, where only
    the whole path does, the file's own directory.
    """
    if spec.pattern is None or filename is None:
        return spec.directory
    end = filename.find("/")
    while end >= 0:
        if spec.pattern.search(filename, 0, end + 1):
            return filename[: end + 1]
        end = filename.find("/", end + 1)
    # (the section was that of the directory itself, asked for without its slash)
    return filename + "/" if spec.pattern.search(filename + "/") else filename[: filename.rfind("/") + 1]


#: The options that only count at the server's own level: the pool of locks (api 3.5 1.11).
MUTEX_DIRECTORY = "mod_python.mutex_directory"
MUTEX_LOCKS = "mod_python.mutex_locks"
DEFAULT_LOCKS = 8


def mutexes(main: Server, root: str, mutex: Setting[dict[str, Mutex]]) -> tuple[str, int]:
    """Where the locks of sessions and ``apache._global_lock`` lie, and how many there are.

    The options of the main server say it; for the directory the Mutex directive is asked next, by
    its setting ``mutex``. ``root`` is ServerRoot.
    """
    told = options(main.conf, SERVER_OPTIONS)
    by_directive = main.conf[mutex].get("default")
    directory = told.get(MUTEX_DIRECTORY) or (by_directive and by_directive.directory) or "/tmp"
    return values.absolute(root, directory), int(told.get(MUTEX_LOCKS, DEFAULT_LOCKS))


# ---- handlers

#: module or module::object.path
HANDLER = lazyre.compile(r"[^\s:|]+(?:::[^\s:|]+)?\Z")
_PLACES = {
    "Location": True,
    "LocationMatch": True,
    "Directory": False,
    "DirectoryMatch": False,
    "htaccess": False,
}


class Place(NamedTuple):
    """Where a handler directive stands, see `HandlerSpec`."""

    directory: str | None = None
    is_location: bool = False
    pattern: re.Pattern[str] | None = None


def place(call: Call) -> Place:
    """The directory or Location around a directive; Files sections are looked through."""
    section = call.section
    while section is not None and section.kind not in _PLACES:
        section = getattr(section, "parent", None)
    if section is None:
        return Place()
    if _PLACES[section.kind]:
        return Place(section.path, is_location=True)
    path = section.path
    if section.kind != "htaccess":
        # (a path that is none is the regular expression of <Directory ~ ...>)
        if section.kind == "DirectoryMatch" or not path.startswith("/"):
            return Place(pattern=compile_regex(path))
        if is_wild(path):
            return Place(pattern=re.compile(rf"\A(?:{compile_glob(path).pattern})\Z", re.DOTALL))
    return Place(path.rstrip("/") + "/")


def parse_handlers(call: Call, *, silent: bool = False) -> tuple[HandlerSpec, ...]:
    """The handlers of ``handler [handler ...] [ | .ext [.ext ...]]``.

    :raises ConfigError: there is none, or one is not written ``module::object``.
    """
    before, bar, after = " ".join(call.args).partition("|")
    names, extensions = before.split(), after.split()
    if not names:
        raise ConfigError(f"{call.name} needs a handler: module or module::object")
    for name in names:
        if not HANDLER.match(name):
            raise ConfigError(f'{call.name}: "{name}" is no handler: write module or module::object')
    if bar and not extensions:
        raise ConfigError(f'{call.name} has no extension after the "|": name some, or leave it out')
    for word in extensions:
        if not word.startswith(".") or "|" in word:
            raise ConfigError(f'{call.name}: the extension "{word}" must begin with a dot, as in "| .py .html"')
    directory, is_location, pattern = place(call)
    return tuple(HandlerSpec(name, directory, is_location, tuple(extensions), silent, pattern) for name in names)


def _append(call: Call, phase: str, specs: tuple[HandlerSpec, ...]) -> None:
    own = call.conf.values.get(HANDLERS, {})
    call.conf[HANDLERS] = {**own, phase: own.get(phase, ()) + specs}


def _handler(phase: str) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        if phase in EARLY_PHASES and any("|" in word for word in call.args):
            raise ConfigError(f'{phase} does not accept "| .ext" syntax: its phase comes before the file is known')
        _append(call, phase, parse_handlers(call))

    return apply


def _handler_module(call: Call) -> None:
    specs = parse_handlers(call, silent=True)
    if any("::" in spec.handler for spec in specs):
        raise ConfigError(f"{call.name} takes modules: for module::object use the Python*Handler of the phase")
    in_server = call.section is None
    for phase in (*EARLY_PHASES, *LATE_PHASES) if in_server and not specs[0].extensions else LATE_PHASES:
        _append(call, phase, specs)


def _filter(setting: Setting[dict[str, HandlerSpec]]) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        handler = call.args[0]
        if not HANDLER.match(handler):
            raise ConfigError(f'{call.name}: "{handler}" is no filter: write module or module::object')
        directory, is_location, pattern = place(call)
        spec = HandlerSpec(handler, directory, is_location, pattern=pattern)
        name = values.filled(call, call.args[-1]).lower()
        values.set_in(call.conf, setting, {name: spec})
        if setting is OUTPUT_FILTERS:
            values.set_in(call.server, FILTER_NAMES, {name: True})

    return apply


def _connection_handler(call: Call) -> None:
    specs = parse_handlers(call)
    if any(spec.extensions for spec in specs):
        raise ConfigError(f'{call.name} does not accept "| .ext" syntax: a connection has no file')
    call.server[CONNECTION_HANDLERS] = call.server.values.get(CONNECTION_HANDLERS, ()) + specs


# ---- the other directives


def _path(call: Call, word: str) -> str:
    try:
        compile(word.strip(), "<PythonPath>", "eval")
    except (SyntaxError, ValueError) as error:
        raise ConfigError(
            f"PythonPath {word!r} is no Python expression ({error}): write a list, such as \"sys.path + ['/srv/app']\""
        ) from None
    return word


_LOCKS = values.number(1, 1024)


def _option(call: Call) -> None:
    key = values.filled(call, call.args[0])
    if key == MUTEX_LOCKS and len(call.args) == 2:
        _LOCKS(call, call.args[1])
    entry = {key: call.args[1] if len(call.args) == 2 else ""}
    values.set_in(call.conf, PYTHON_OPTIONS, entry)
    if call.section is None:
        values.set_in(call.server, SERVER_OPTIONS, entry)


def _time_limit(call: Call, word: str) -> float:
    return 0.0 if word.lower() == "off" else values.seconds(call, word)


def _import(call: Call) -> None:
    module, interpreter = call.args
    if not HANDLER.match(module):
        raise ConfigError(f'{call.name}: "{module}" can\'t be imported: write module or module::function')
    if call.where is Where.VHOST:
        call.warn(f"{call.name} {module} is ignored in a virtual host: move it out, to the main server")
        return
    imports = call.server[PYTHON_IMPORTS]
    call.server[PYTHON_IMPORTS] = (*imports, (module, values.filled(call, interpreter)))


def _optimize(call: Call) -> None:
    call.server[PYTHON_OPTIMIZE] = call.flag


def wants_optimizing(configuration: Configuration) -> bool:
    """Whether some server says PythonOptimize On, and this Python does not optimize: only a new one can (-O)."""
    servers = (configuration.main, *configuration.hosts)
    return not sys.flags.optimize and any(server.conf[PYTHON_OPTIMIZE] for server in servers)


def _everywhere(name: str, args: Args, apply: Callable[[Call], None], what: str = "") -> Directive:
    """A directive that may stand everywhere, in .htaccess with any AllowOverride but None."""
    return Directive(name, args, EVERYWHERE, apply, Override.ALL, what)


MODULE = Module(
    "mod_python.c",
    "python_module",
    (
        *(Directive(phase, Args.RAW, SERVER_VHOST, _handler(phase)) for phase in EARLY_PHASES),
        *(_everywhere(phase, Args.RAW, _handler(phase)) for phase in LATE_PHASES),
        _everywhere("PythonHandlerModule", Args.RAW, _handler_module),
        *(
            Directive(
                setting.name,
                Args.TAKE12,
                NOT_HTACCESS,
                _filter(setting),
                help="a filter and, if not itself, its name",
            )
            for setting in (INPUT_FILTERS, OUTPUT_FILTERS)
        ),
        Directive("PythonConnectionHandler", Args.RAW, SERVER_VHOST, _connection_handler),
        _everywhere("PythonPath", Args.TAKE1, values.directory(PYTHON_PATH, _path), "a Python list"),
        _everywhere("PythonInterpreter", Args.TAKE1, values.directory(PYTHON_INTERPRETER, values.filled), "a name"),
        _everywhere("PythonDebug", Args.FLAG, values.directory(PYTHON_DEBUG, values.flag)),
        _everywhere("PythonEnablePdb", Args.FLAG, values.directory(PYTHON_ENABLE_PDB, values.flag)),
        _everywhere("PythonAutoReload", Args.FLAG, values.directory(PYTHON_AUTO_RELOAD, values.flag)),
        _everywhere("PythonInterpPerDirectory", Args.FLAG, values.directory(INTERP_PER_DIRECTORY, values.flag)),
        _everywhere("PythonInterpPerDirective", Args.FLAG, values.directory(INTERP_PER_DIRECTIVE, values.flag)),
        _everywhere("PythonOption", Args.TAKE12, _option, "a key and, to set it, a value"),
        Directive(
            "PythonInterpBackend",
            Args.TAKE1,
            NOT_HTACCESS,
            values.directory(INTERP_BACKEND, values.choice(BACKENDS)),
            help="auto, own, shared, process or main",
        ),
        Directive(
            "PythonRequestTimeout",
            Args.TAKE1,
            NOT_HTACCESS,
            values.directory(REQUEST_TIMEOUT, _time_limit),
            help="how long a request may take, in seconds, or Off",
        ),
        Directive(
            "PythonInterpMaxRequests",
            Args.TAKE1,
            NOT_HTACCESS,
            values.directory(INTERP_MAX_REQUESTS, values.number(0, remark=" (0 = no limit)")),
            help="the requests after which an interpreter is replaced, 0 for never",
        ),
        Directive(
            "PythonInterpIdleTimeout",
            Args.TAKE1,
            NOT_HTACCESS,
            values.directory(INTERP_IDLE_TIMEOUT, _time_limit),
            help="how long an interpreter may be idle before it is ended, in seconds, or Off",
        ),
        Directive(
            "PythonInterpReload",
            Args.FLAG,
            NOT_HTACCESS,
            values.directory(INTERP_RELOAD, values.flag),
            help="replace an interpreter when a file of its modules changed",
        ),
        Directive(
            "PythonInterpMax",
            Args.TAKE1,
            SERVER_ONLY,
            values.server(INTERP_MAX, values.number(0, remark=" (0 = no limit)")),
            help="how many interpreters a worker keeps before it ends the one that was idle for longest, 0 for all",
        ),
        Directive(
            "PythonInterpRecycleLimit",
            Args.TAKE1,
            SERVER_ONLY,
            values.server(INTERP_RECYCLE_LIMIT, values.number(0, remark=" (0 = no limit)")),
            help="how many interpreters may end in a worker before it is replaced, 0 for any number",
        ),
        Directive("PythonImport", Args.TAKE2, SERVER_VHOST, _import, help="a module and an interpreter's name"),
        Directive("PythonOptimize", Args.FLAG, SERVER_VHOST, _optimize),
        *interpreter_environment.DIRECTIVES,
    ),
)
