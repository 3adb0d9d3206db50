"""``mod_python.Session``: data that stays from request to request (manual 4.8; api 3.5 1.11, 3.3).

A session is found by its id, 128 random bits, in a cookie. Only one session object of an id exists at a
time, in all threads, interpreters and processes of the server: others wait until its request ended.

How much is kept where: `FileSession` and `DbmSession` keep sessions on disk for all workers,
`RedisSession` in a Redis server for several machines, `MemorySession` in one interpreter. Sessions on disk
belong to the server's account and are closed to others; a process that is killed leaves the old session or
the new one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from mod_python import apache
from mod_python._public import lazily
from mod_python._sessions import options
from mod_python._sessions.base import CLEANUP_CHANCE as CLEANUP_CHANCE
from mod_python._sessions.base import COOKIE_NAME as COOKIE_NAME
from mod_python._sessions.base import DFT_LOCK, BaseSession, SessionUnavailable
from mod_python._sessions.base import DFT_TIMEOUT as DFT_TIMEOUT
from mod_python._sessions.base import StoredSession as StoredSession
from mod_python._sessions.base import server as server
from mod_python._sessions.base import unlock_session_cleanup as unlock_session_cleanup
from mod_python._sessions.dbmsession import DFT_CLEANUP_TIME_LIMIT as DFT_CLEANUP_TIME_LIMIT
from mod_python._sessions.dbmsession import DbmSession
from mod_python._sessions.dbmsession import dbm_cleanup as dbm_cleanup
from mod_python._sessions.filesession import DFT_FAST_CLEANUP as DFT_FAST_CLEANUP
from mod_python._sessions.filesession import DFT_GRACE_PERIOD as DFT_GRACE_PERIOD
from mod_python._sessions.filesession import DFT_VERIFY_CLEANUP as DFT_VERIFY_CLEANUP
from mod_python._sessions.filesession import FileSession
from mod_python._sessions.filesession import filesession_cleanup as filesession_cleanup
from mod_python._sessions.memorysession import MemorySession
from mod_python._sessions.memorysession import mem_cleanup as mem_cleanup
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mod_python._sessions.redissession import RedisSession
    from mpserver.api.request import Request

__all__ = [
    "BaseSession",
    "DbmSession",
    "FileSession",
    "MemorySession",
    "RedisSession",
    "Session",
    "SessionUnavailable",
]


#: The classes that PythonOption mod_python.session.session_type can name.
_TYPES = ("FileSession", "DbmSession", "MemorySession", "RedisSession")


def __getattr__(name: str) -> Any:
    """RedisSession, where it is used: others don't pay for it. And what `lazily` gives."""
    if name != "RedisSession":
        return lazily(__name__, {"Cookie": "mod_python.Cookie", "_apache": "_apache"})(name)
    from mod_python._sessions.redissession import RedisSession

    globals()[name] = RedisSession
    return RedisSession


def Session(
    req: Request,
    sid: str | int | None = 0,
    secret: str | bytes | None = None,
    timeout: float = 0,
    lock: bool | int = DFT_LOCK,
) -> BaseSession:
    """The request's session, of the class that PythonOption mod_python.session.session_type names.

    Without it the server's processes decide: a MemorySession if there is only one and it has threads,
    else a DbmSession (manual 4.8.1).

    :raises ValueError: there is no such class.
    """
    name = options.settings(req).session_type or _default_type()
    if name not in _TYPES:
        raise ValueError(f"Unknown session type {name}: PythonOption {options.SESSION_TYPE[0]} names one of "
                         f"{', '.join(_TYPES)}")  # fmt: skip
    made: Callable[..., BaseSession] = getattr(sys.modules[__name__], name)
    return made(req, sid=sid, secret=secret, timeout=timeout, lock=lock)


def _default_type() -> str:
    query = apache.mpm_query
    threaded = query(apache.AP_MPMQ_IS_THREADED)
    if threaded and (not query(apache.AP_MPMQ_IS_FORKED) or query(apache.AP_MPMQ_MAX_DAEMONS) == 1):
        return "MemorySession"
    return "DbmSession"
