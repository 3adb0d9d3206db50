"""The module ``_apache``, which is there inside a server only: programs see by it whether they run in one.

It has the names of the published package's C module, as far as applications use them. The server's finder of modules
knows it (`mpserver.system.own_imports`); outside of a server nobody does.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import index as to_index

from mod_python.apache import (
    AP_CONN_CLOSE,
    AP_CONN_KEEPALIVE,
    AP_CONN_UNKNOWN,
    APR_BLK,
    APR_CHR,
    APR_DIR,
    APR_LNK,
    APR_NOFILE,
    APR_PIPE,
    APR_REG,
    APR_SOCK,
    APR_UNKFILE,
    MODULE_MAGIC_NUMBER_MAJOR,
    MODULE_MAGIC_NUMBER_MINOR,
    SERVER_RETURN,
    config_tree,
    exists_config_define,
    log_error,
    mpm_query,
    server_root,
    stat,
    table,
)
from mod_python.apache import register_cleanup as _register
from mod_python.util import parse_qs, parse_qsl
from mpserver.api import runtime as _runtime
from mpserver.api.server import Server as _Server
from mpserver.typing import Any

__all__ = [
    "APR_BLK", "APR_CHR", "APR_DIR", "APR_LNK", "APR_NOFILE", "APR_PIPE", "APR_REG", "APR_SOCK", "APR_UNKFILE",
    "AP_CONN_CLOSE", "AP_CONN_KEEPALIVE", "AP_CONN_UNKNOWN", "MODULE_MAGIC_NUMBER_MAJOR", "MODULE_MAGIC_NUMBER_MINOR",
    "SERVER_RETURN", "_global_lock", "_global_trylock", "_global_unlock", "config_tree", "exists_config_define",
    "log_error", "mpm_query", "parse_qs", "parse_qsl", "register_cleanup", "server_root", "stat", "table",
]  # fmt: skip


def register_cleanup(
    interpreter: str, server: _Server, callback: Callable[[Any], Any], data: Any = None, /
) -> None:  # fmt: skip
    """`apache.register_cleanup` of this interpreter. :raises ValueError: the callback can't be called."""
    _register(callback, data)


# ---- the pool of global locks, which exclude threads, interpreters and workers


def _global_lock(server: _Server, key: Any, index: int = -1, /) -> None:
    """Wait for a lock and take it.

    :param key: any value that can be hashed; it chooses one of the locks but the first.
    :param index: the lock by its number instead, from 0.
    :raises ValueError: there is no lock of this number.
    """
    _lock(server, key, index).acquire()


def _global_trylock(server: _Server, key: Any, index: int = -1, /) -> bool:
    """Take a lock if nobody has it. :returns: whether it was taken. :raises ValueError: as `_global_lock`."""
    return _lock(server, key, index).try_acquire()


def _global_unlock(server: _Server, key: Any, index: int = -1, /) -> None:
    """Give a lock back.

    :raises ValueError: there is no lock of this number, or this thread does not have it.
    """
    lock = _lock(server, key, index)
    try:
        lock.release()
    except RuntimeError:
        raise ValueError("Failed to release global mutex lock") from None


def _lock(server: object, key: Any, index: int) -> _runtime.ThreadLock:
    if not isinstance(server, _Server):
        raise TypeError("First argument must be a server object")
    number = to_index(index)
    running = _runtime.current()
    if running is None:
        raise RuntimeError("_apache needs a running server")
    return running.thread_lock(_chosen(key), number)


def _chosen(key: Any) -> str | int:
    """What chooses a lock: ``hash`` would differ between processes."""
    hash(key)
    return key if isinstance(key, int) else key.decode("latin-1") if isinstance(key, bytes) else str(key or "")
