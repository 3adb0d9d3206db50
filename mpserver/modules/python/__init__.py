"""The Python directives (manual chapter 5).

Here the configuration becomes lists of `HandlerSpec`; finding and calling the handlers is the
pipeline's business.
"""

from __future__ import annotations

import sys

from mpserver.config.settings import Conf, Setting, append, update
from mpserver.modules import paths
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re

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

BACKENDS = ("auto", "own", "shared", "process", "main")

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
#: The name that always means the worker's own main interpreter (manual 4.1).
MAIN_INTERPRETER = "main_interpreter"
#: How long interpreters live, see `mpserver.interpreters.lifetime_settings`; 0: as long as their worker. The time
#: is in seconds.
INTERP_MAX_REQUESTS = Setting("PythonInterpMaxRequests", 0)
INTERP_IDLE_TIMEOUT = Setting("PythonInterpIdleTimeout", 0.0)
#: Whether changed files replace an interpreter: one of the RELOAD_... below.
INTERP_RELOAD = Setting("PythonInterpReload", 0)
#: Never; where the new code can be loaded; always, so that requests meet its errors.
RELOAD_NEVER, RELOAD_LOADABLE, RELOAD_ALWAYS = 0, 1, 2
#: Whether zygotes load applications before they fork them.
INTERP_PRELOADS = Setting("PythonInterpPreload Off", True)
#: How long a zygote may try to, in seconds; 0: as long as it takes.
INTERP_PRELOAD_TIMEOUT = Setting("PythonInterpPreloadTimeout", 60.0)
#: How many of a worker's interpreters there may be, and may have ended; 0: any number.
INTERP_MAX = Setting("PythonInterpMax", 0)
INTERP_RECYCLE_LIMIT = Setting("PythonInterpRecycleLimit", 1000)
#: How many requests may wait for an interpreter of a worker; 0: any number.
INTERP_QUEUE = Setting("PythonInterpQueue", 0)
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


def server_config(conf: Conf) -> dict[str, str]:
    """What a server's ``get_config()`` tells: the same but for PythonInterpPerDirectory, which is of directories."""
    shown = python_config(conf)
    shown.pop(INTERP_PER_DIRECTORY.name, None)
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
#: The options that name the sessions' database (manual 4.8.1), which is of no use where others could write.
DATABASES = frozenset({"mod_python.dbm_session.database_filename", "session_dbm"})


def mutexes(main: Server, root: str, mutex: Setting[dict[str, Mutex]]) -> tuple[str, int]:
    """Where the locks of sessions and ``apache._global_lock`` lie, and how many there are.

    The options of the main server say it; for the directory the Mutex directive is asked next, by
    its setting ``mutex``. ``root`` is ServerRoot.
    """
    told = options(main.conf, SERVER_OPTIONS)
    by_directive = main.conf[mutex].get("default")
    directory = told.get(MUTEX_DIRECTORY) or (by_directive and by_directive.directory) or "/tmp"  # noqa: S108 - mod_python's default; who opens it looks whose it is
    return paths.absolute(root, directory), int(told.get(MUTEX_LOCKS, DEFAULT_LOCKS))


def wants_optimizing(configuration: Configuration) -> bool:
    """Whether some server says PythonOptimize On, and this Python does not optimize: only a new one can (-O)."""
    servers = (configuration.main, *configuration.hosts)
    return not sys.flags.optimize and any(server.conf[PYTHON_OPTIMIZE] for server in servers)
