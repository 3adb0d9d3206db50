"""``mod_python.apache``: the server's services for applications (manual 4.5.1; api 3.5 1.4).

All constants of ``mpserver.api.constants`` are names of this module. It can be imported outside
a server: constants, `table`, `stat`, `resolve_object` work there, everything else needs one and
says so.
"""

from __future__ import annotations

# PythonPath is evaluated with the names of this module: os and sys are for it, too.
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module as import_module_of_python
from types import ModuleType

from mod_python._cgi.environment import build_cgi_env
from mpserver.api import runtime as _runtime
from mpserver.api.constants import *  # noqa: F403 - every constant is a name of this module
from mpserver.api.constants import APLOG_ERR, METHOD_NUMBERS, SERVER_RETURN
from mpserver.api.file_info import FileInfo, stat
from mpserver.api.loader import resolve_object as _resolve
from mpserver.api.members import message as log_text
from mpserver.api.members import string
from mpserver.api.table import Table as table
from mpserver.builtin import index
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mod_python._cgi.setup import CGIStdin, CGIStdout, NullIO, restore_nocgi, setup_cgi
    from mpserver.api.connection import Connection as Connection
    from mpserver.api.filter_object import Filter as Filter
    from mpserver.api.request import Request as Request
    from mpserver.api.server import Server as Server

    #: The name of the interpreter that runs this code (manual 4.1).
    interpreter: str
    #: The main server, whatever virtual host serves the request.
    main_server: Server

__all__ = [
    "SERVER_RETURN", "CGIStdin", "CGIStdout", "FileInfo", "NullIO", "allow_methods", "build_cgi_env", "config_tree",
    "exists_config_define", "import_module", "interpreter", "log_error", "main_server", "make_table", "module_mtime",
    "mpm_query", "os", "register_cleanup", "resolve_object", "restore_nocgi", "server_root", "setup_cgi", "stat", "sys",
    "table", "time",
]  # fmt: skip

#: The old name of `table`.
make_table = table

#: The module of the published package's C code, which is there in a running server only.
_C_MODULE = "_apache"
#: What is looked up in the running server when it is asked for.
_SERVED = ("interpreter", "main_server")
#: The types of what handlers get, for annotations: where these are evaluated they are looked up.
_TYPES = {
    "Connection": "mpserver.api.connection",
    "Filter": "mpserver.api.filter_object",
    "Request": "mpserver.api.request",
    "Server": "mpserver.api.server",
}
#: What handlers that run CGI programs need, imported for them alone.
_CGI = ("CGIStdin", "CGIStdout", "NullIO", "restore_nocgi", "setup_cgi")


def _server(what: str) -> _runtime.Runtime:
    """The services of the server that runs this interpreter. :raises RuntimeError: none does."""
    found = _runtime.current()
    if found is None:
        raise RuntimeError(f"apache.{what} needs a running server: this code was imported outside of mpserver")
    return found


def __getattr__(name: str) -> Any:
    if name in _CGI:
        return getattr(import_module_of_python("mod_python._cgi.setup"), name)
    if name in _TYPES:
        return getattr(import_module_of_python(_TYPES[name]), name)
    if name == _C_MODULE and _runtime.current() is not None:
        return import_module_of_python(name)
    if name not in _SERVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = _runtime.current()
    if found is None:
        raise AttributeError(f"apache.{name} is there in a running server only")
    return getattr(found, name)


def log_error(message: str, level: int = APLOG_ERR, server: Server | None = None) -> None:
    """Write a line to the error log (manual 4.5.1).

    :param level: one of APLOG_*.
    :param server: ``req.server``, for the error log of its virtual host; the main server's otherwise.
    """
    _server("log_error()").log(index(level), log_text(message), server)


def import_module(module_name: str, autoreload: int = 1, log: int = 0, path: list[str] | None = None) -> ModuleType:
    """Import a module, or load it again if its file changed since (manual 4.5.1).

    :param module_name: it may have dots in it.
    :param log: tell the error log when the module is loaded.
    :param path: look for it there only.
    :raises ImportError: there is no such module.
    """
    return _server("import_module()").import_module(module_name, bool(autoreload), bool(log), path)


def module_mtime(module: ModuleType) -> float:
    """When the file of a module was modified, in seconds since the epoch; 0 where it has none."""
    file = getattr(module, "__file__", None)
    try:
        return os.stat(file).st_mtime if file else 0.0
    except OSError:
        return 0.0


def allow_methods(*args: int) -> None:
    """Add methods to ``req.allowed`` of the request whose handler calls this (manual 4.5.1).

    :param args: any of M_GET and following.
    :raises ValueError: there is no such method.
    :raises RuntimeError: no handler calls this.
    """
    names = []
    for number in map(index, args):
        name = next((name for name, known in METHOD_NUMBERS.items() if known == number), None)
        if name is None:
            raise ValueError(f"{number} is not the number of a method: use apache.M_GET and its like")
        names.append(name)
    req = _server("allow_methods()").running_request()
    if req is None:
        raise RuntimeError("apache.allow_methods() has to be called by a handler")
    req.allow_methods(names)


def register_cleanup(handler: Callable[[Any], Any], data: Any = None) -> None:
    """Call ``handler(data)`` when the worker that runs this ends (manual 4.5.1).

    :raises ValueError: it can't be called.
    """
    if not callable(handler):
        raise ValueError("third argument must be a callable object")
    _server("register_cleanup()").register_cleanup(handler, data)


def config_tree() -> list[Any]:
    """A copy of the server-level configuration: tuples of directive and arguments, lists for what is in sections."""
    return _server("config_tree()").config_tree()


def server_root() -> str:
    """ServerRoot."""
    return _server("server_root()").server_root


def exists_config_define(name: str) -> bool:
    """Whether the server was started with ``-D name``."""
    return string(1, name) in _server("exists_config_define()").defines


def mpm_query(code: int) -> int:
    """Numbers of processes and threads; ``code`` is one of AP_MPMQ_MAX_DAEMON_USED and following."""
    if not isinstance(code, int):
        raise TypeError("The argument must be an integer")
    return _server("mpm_query()").mpm_query(code)


def resolve_object(module: Any, obj_str: str, arg: Any = None, silent: int = 0) -> Any:
    """The object that a dotted path names in a module, as for a handler's directive (api 3.5 1.5).

    A class on the way is instantiated with ``arg``, if there is one; the last object is given as it is.

    :param silent: return None instead of raising AttributeError where there is no such object.
    """
    return _resolve(module, obj_str, arg, bool(silent))
