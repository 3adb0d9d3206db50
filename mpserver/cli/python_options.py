"""PythonOptions of mod_python's own that say what can't be: each would show at the first request that needs it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping

from mod_python._sessions import options
from mpserver.config.tree import Node

#: What begins the names of mod_python's own options, in lower case.
_OURS = "mod_python."
_DIRECTORIES = (*options.DBM_DIRECTORY, *options.FILE_DIRECTORY)
#: The classes of sessions, see `mod_python.Session`.
_TYPES = ("FileSession", "DbmSession", "MemorySession", "RedisSession")

#: The names that mean something.
NAMES = frozenset(
    name
    for names in (
        options.SESSION_TYPE, options.COOKIE_NAME, options.COOKIE_HTTPONLY, options.COOKIE_SAMESITE,
        options.COOKIE_SECURE, options.APPLICATION_PATH, options.APPLICATION_DOMAIN, options.DBM_FILE,
        options.DBM_DIRECTORY, options.FILE_DIRECTORY, options.FAST_CLEANUP, options.VERIFY_CLEANUP,
        options.GRACE_PERIOD, options.TIME_LIMIT, tuple(options.REDIS + field for field in options.Redis._fields),
        ("mod_python.wsgi.application", "mod_python.wsgi.base_uri", "mod_python.wsgi.strict"),
        ("mod_python.psp.cache_database_filename", "mod_python.mutex_directory", "mod_python.mutex_locks"),
    )
    for name in names
    if name.startswith(_OURS)
)  # fmt: skip


def fault(node: Node, root: str) -> str:
    """What is wrong with a use of PythonOption; "": nothing that shows."""
    name, value = node.args[0].lower(), node.args[1] if len(node.args) > 1 else ""
    if name.startswith(_OURS) and name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, 1, 0.8)
        return (
            f"{node.name} {node.args[0]}: nothing reads an option of this name: did you mean {near[0]}?" if near else ""
        )
    look = _LOOKS.get(name)
    said = "" if look is None or not value or "${" in value else look(value, root)
    return f"{node.name} {node.args[0]} {value}: {said}" if said else ""


def _type(value: str, _root: str) -> str:
    if value in _TYPES:
        return ""
    near = difflib.get_close_matches(value, _TYPES, 1)
    remedy = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(_TYPES)}"
    return f"there is no such class of sessions: {remedy}"


def _directory(value: str, root: str) -> str:
    if os.path.isdir(os.path.join(root, value)):
        return ""
    return "there is no such folder, so no session can be kept: make it, for the account of User"


_LOOKS: Mapping[str, Callable[[str, str], str]] = {
    **dict.fromkeys((options.SESSION_TYPE[0],), _type),
    **dict.fromkeys((name for name in _DIRECTORIES if name.startswith(_OURS)), _directory),
}
