"""What an interpreter lends to the applications in it.

This is the one place of module-level mutable state: each interpreter has its own copy of this
module, and `lend` is called once when the interpreter starts. Outside a server `current()` is
None, so that applications can be imported by their own tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType

from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mpserver.config.tree import Tree
    from mpserver.ipc.scoreboard import Scoreboard


class Lock(Protocol):
    """A lock that a thread or request takes, by its methods or a ``with`` statement."""

    def __enter__(self) -> None:
        """Take it."""

    def __exit__(self, *_: object) -> None:
        """Give it back."""

    def acquire(self) -> None:
        """Wait for it and take it; who has it takes it once more.

        :raises RuntimeError: it is a request's that has ended.
        """

    def release(self) -> None:
        """Give it back. :raises RuntimeError: this thread or request does not have it."""


class ThreadLock(Lock, Protocol):
    """A lock that a thread takes."""

    def try_acquire(self) -> bool:
        """Take it if nobody has it, not even this thread. :returns: whether it was taken."""


class RunningRequest(Protocol):
    """The request whose handler runs, as far as it is asked for anything without being named."""

    def allow_methods(self, methods: Sequence[str | bytes], reset: int = 0) -> None:
        """Name methods for the Allow header."""


class Runtime(Protocol):
    """The services behind ``mod_python.apache`` (manual 4.5.1)."""

    #: The interpreter's kind: own, process, main.
    kind: str
    server_root: str
    defines: frozenset[str]
    #: What all processes of the server map.
    scoreboard: Scoreboard

    @property
    def configuration_tree(self) -> Tree:
        """The configuration as it was read."""

    @property
    def threads(self) -> int:
        """How many requests an interpreter serves at a time."""

    @property
    def interpreter(self) -> str:
        """The interpreter's name (manual 4.1)."""

    @property
    def main_server(self) -> object:
        """The server object of the main server."""

    def log(self, level: int, text: str, server: object | None = None) -> None:
        """Write to the error log of the server (default: the main one). :raises TypeError: it is no server object."""

    def config_tree(self) -> list[Any]:
        """The server-level configuration as nested lists (a copy)."""

    def register_cleanup(self, function: Callable[[Any], Any], data: Any = None) -> None:
        """Call ``function(data)`` when the worker ends."""

    def import_module(self, name: str, autoreload: bool, log: bool, path: list[str] | None) -> ModuleType:
        """Import, or reload when the file changed (manual 4.5.1)."""

    def running_request(self) -> RunningRequest | None:
        """The request whose handler has called this, directly or not; None where none has."""

    def runs(self, group: int) -> None:
        """The process group of a program that runs for the request, 0: none. It ends with the interpreter."""

    def mpm_query(self, code: int) -> int:
        """The answer for an AP_MPMQ_* code."""

    def thread_lock(self, key: str | int | None, index: int = -1) -> ThreadLock:
        """A lock of the pool, as `global_lock`, for the thread that takes it.

        :param key: an int chooses a lock by itself.
        """

    def global_lock(self, owner: object, key: str | None, index: int = -1) -> Lock:
        """A lock of the pool, shared by all interpreters and workers: that of a key, or of an index.

        That of a key belongs to a request given as its owner, with all of its threads, and is free at its end; any
        other to the thread that takes it.
        """

    def lock_domain(self) -> str:
        """A name for those who share the pool: no other server, on whatever machine, has the same."""


_lent: list[Runtime] = []


def lend(runtime: Runtime) -> None:
    """Make the runtime of this interpreter known to the applications in it."""
    _lent[:] = [runtime]


def current() -> Runtime | None:
    """The runtime of this interpreter; None outside a server."""
    return _lent[0] if _lent else None
