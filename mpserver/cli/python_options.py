"""PythonOptions of mod_python's own that say what can't be: each would show at the first request that needs it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from mpserver import alike
from mpserver.config.tree import Node

#: What begins the names of mod_python's own options, in lower case.
_OURS = "mod_python."
_SESSION_TYPE = "mod_python.session.session_type"
#: The options that name a folder of sessions.
DIRECTORIES = tuple(f"mod_python.{kind}.database_directory" for kind in ("dbm_session", "file_session", "session"))
#: The classes of sessions.
TYPES = ("FileSession", "DbmSession", "MemorySession", "RedisSession")

#: What `mod_python._sessions.options` reads under mod_python's own names: what stands behind ``mod_python.``.
_SESSIONS: Mapping[str, tuple[str, ...]] = {
    "session": (
        "session_type", "cookie_name", "cookie_httponly", "cookie_samesite", "cookie_secure", "application_path",
        "application_domain", "database_directory",
    ),
    "dbm_session": ("database_filename", "database_directory"),
    "file_session": (
        "database_directory", "enable_fast_cleanup", "verify_session_timeout", "cleanup_session_timeout",
        "cleanup_grace_period", "cleanup_time_limit",
    ),
    "redis_session": (
        "url", "host", "port", "db", "username", "password", "prefix", "secret", "timeout", "lock_timeout",
    ),
}  # fmt: skip
#: What others read.
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "wsgi": ("application", "base_uri", "strict"),
    "psp": ("cache_database_filename",),
}

#: The names that mean something.
NAMES = frozenset(
    (
        *(f"mod_python.{part}.{name}" for part, names in (*_SESSIONS.items(), *_OTHERS.items()) for name in names),
        "mod_python.mutex_directory", "mod_python.mutex_locks",
    )
)  # fmt: skip


def fault(node: Node, root: str) -> str:
    """What is wrong with a use of PythonOption; "": nothing that shows."""
    name, value = node.args[0].lower(), node.args[1] if len(node.args) > 1 else ""
    if name.startswith(_OURS) and name not in NAMES:
        meant = alike.asked(name, NAMES, likeness=0.8)
        return f"{node.name} {node.args[0]}: nothing reads an option of this name{meant}" if meant else ""
    look = _LOOKS.get(name)
    said = "" if look is None or not value or "${" in value else look(value, root)
    return f"{node.name} {node.args[0]} {value}: {said}" if said else ""


def _type(value: str, _root: str) -> str:
    if value in TYPES:
        return ""
    remedy = alike.asked(value, TYPES, "") or f"it is one of {', '.join(TYPES)}"
    return f"there is no such class of sessions: {remedy}"


def _directory(value: str, root: str) -> str:
    if os.path.isdir(os.path.join(root, value)):
        return ""
    return "there is no such folder, so no session can be kept: make it, for the account of User"


_LOOKS: Mapping[str, Callable[[str, str], str]] = {
    _SESSION_TYPE: _type,
    **dict.fromkeys(DIRECTORIES, _directory),
}
