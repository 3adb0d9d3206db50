"""The directives of mod_python (manual chapter 5)."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable

from mpserver import lazyre
from mpserver.config.override import Override
from mpserver.config.patterns import compile_glob, is_wild
from mpserver.config.regex import read_regex
from mpserver.config.registry import EVERYWHERE, NOT_HTACCESS, SERVER_ONLY, SERVER_VHOST, Args, Call, Directive, Where
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.python import (
    BACKENDS,
    CONNECTION_HANDLERS,
    DATABASES,
    EARLY_PHASES,
    FILTER_NAMES,
    HANDLERS,
    INPUT_FILTERS,
    INTERP_BACKEND,
    INTERP_IDLE_TIMEOUT,
    INTERP_MAX,
    INTERP_MAX_REQUESTS,
    INTERP_PER_DIRECTIVE,
    INTERP_PER_DIRECTORY,
    INTERP_PRELOAD_TIMEOUT,
    INTERP_QUEUE,
    INTERP_RECYCLE_LIMIT,
    INTERP_RELOAD,
    LATE_PHASES,
    MUTEX_LOCKS,
    OUTPUT_FILTERS,
    PYTHON_AUTO_RELOAD,
    PYTHON_DEBUG,
    PYTHON_ENABLE_PDB,
    PYTHON_IMPORTS,
    PYTHON_INTERPRETER,
    PYTHON_OPTIMIZE,
    PYTHON_OPTIONS,
    PYTHON_PATH,
    RELOAD_ALWAYS,
    RELOAD_LOADABLE,
    RELOAD_NEVER,
    REQUEST_TIMEOUT,
    SERVER_OPTIONS,
    HandlerSpec,
    environment_directives,
)
from mpserver.typing import NamedTuple

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
            return Place(pattern=read_regex(path))
        if is_wild(path):
            return Place(pattern=re.compile(rf"\A(?:{compile_glob(path).pattern})\Z", re.DOTALL))
    return Place(path.rstrip("/") + "/")


def parse_handlers(call: Call, *, silent: bool = False) -> tuple[HandlerSpec, ...]:
    """The handlers of ``handler [handler ...] [ | .ext [.ext ...]]``.

    :raises ConfigError: there is none, or one is not written ``module::object``.
    """
    before, bar, after = " ".join(call.args).partition("|")
    names, extensions = before.split(), after.replace("|", " ").split()
    if not names and not bar:
        raise ConfigError(f"{call.name} needs a handler: module or module::object")
    for name in names:
        if not HANDLER.match(name):
            raise ConfigError(f'{call.name}: "{name}" is no handler: write module or module::object')
    if bar:
        _look_at_extensions(call, names, extensions, after)
    directory, is_location, pattern = place(call)
    return tuple(HandlerSpec(name, directory, is_location, tuple(extensions), silent, pattern) for name in names)


def _look_at_extensions(call: Call, names: list[str], extensions: list[str], text: str) -> None:
    """Warn of what mod_python takes without a word, though it was hardly meant."""
    if not names:
        call.warn(f'{call.name} has no handler before the "|", so nothing runs: write module or module::object there')
    if not extensions:
        call.warn(f'{call.name} has no extension after the "|", so it counts for all: name some, or leave it out')
    if "|" in text:
        call.warn(f'{call.name} has more than one "|": write it once, as in "| .py .html"')
    for word in extensions:
        if not word.startswith("."):
            call.warn(
                f'{call.name}: no file has the extension "{word}", which must begin with a dot, as in "| .py .html"'
            )


def _append(call: Call, phase: str, specs: tuple[HandlerSpec, ...]) -> None:
    if not specs:
        return
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
    everywhere = in_server and not any(spec.extensions for spec in specs)
    for phase in (*EARLY_PHASES, *LATE_PHASES) if everywhere else LATE_PHASES:
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
    if key in DATABASES and len(call.args) == 2:
        _look_at_folder(call, call.args[1])
    entry = {key: call.args[1] if len(call.args) == 2 else ""}
    values.set_in(call.conf, PYTHON_OPTIONS, entry)
    if call.section is None:
        values.set_in(call.server, SERVER_OPTIONS, entry)


def _look_at_folder(call: Call, file: str) -> None:
    """Tell of a sessions' database that every request would refuse."""
    folder = os.path.dirname(file)
    try:
        mode = os.stat(folder).st_mode
    except OSError as error:
        call.warn(f"{call.name} {call.args[0]}: the folder {folder} of the sessions' database: {error.strerror}")
        return
    if mode & 0o022 and not mode & stat.S_ISVTX:
        call.warn(
            f"{call.name} {call.args[0]}: others can write to the folder {folder} (mode {stat.S_IMODE(mode):04o}), so "
            "no sessions are kept there: give it the sticky bit, or name a file in a folder of the server's account"
        )


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


def _everywhere(name: str, args: Args, apply: Callable[[Call], None], what: str = "") -> Directive:
    """A directive that may stand everywhere, in .htaccess with any AllowOverride but None."""
    return Directive(name, args, EVERYWHERE, apply, Override.ALL, what)


_RELOADS = {"off": RELOAD_NEVER, "on": RELOAD_LOADABLE, "always": RELOAD_ALWAYS}
_HANDLERS = "handlers, each a module or module::object"
_OF_FILES = f"{_HANDLERS}, and after a | the endings of the files that they are for"

DIRECTIVES: tuple[Directive, ...] = (
    *(Directive(phase, Args.RAW, SERVER_VHOST, _handler(phase), help=_HANDLERS) for phase in EARLY_PHASES),
    *(_everywhere(phase, Args.RAW, _handler(phase), _OF_FILES) for phase in LATE_PHASES),
    _everywhere("PythonHandlerModule", Args.RAW, _handler_module, "a module with handlers for several phases"),
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
    Directive("PythonConnectionHandler", Args.RAW, SERVER_VHOST, _connection_handler, help=_HANDLERS),
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
        values.directory(INTERP_BACKEND, values.one_of(*BACKENDS)),
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
        Args.TAKE1,
        NOT_HTACCESS,
        values.directory(INTERP_RELOAD, values.choice(_RELOADS)),
        help="On: replace an interpreter when a file of its modules changed; Always: even where that fails; Off: don't",
    ),
    Directive(
        "PythonInterpMax",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(INTERP_MAX, values.number(0, remark=" (0 = no limit)")),
        help="how many interpreters a worker keeps before it ends the one that was idle for longest, 0 for all",
    ),
    Directive(
        "PythonInterpQueue",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(INTERP_QUEUE, values.number(0, remark=" (0 = no limit)")),
        help="how many requests may wait for an interpreter of a worker before more get 503, 0 for any number",
    ),
    Directive(
        "PythonInterpRecycleLimit",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(INTERP_RECYCLE_LIMIT, values.number(0, remark=" (0 = no limit)")),
        help="how many interpreters may end in a worker before it is replaced, 0 for any number",
    ),
    Directive(
        "PythonInterpPreloadTimeout",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(INTERP_PRELOAD_TIMEOUT, _time_limit),
        help="how long an application may take to be loaded before processes are forked, in seconds, or Off",
    ),
    Directive("PythonImport", Args.TAKE2, SERVER_VHOST, _import, help="a module and an interpreter's name"),
    Directive("PythonOptimize", Args.FLAG, SERVER_VHOST, _optimize),
    *environment_directives.DIRECTIVES,
)
