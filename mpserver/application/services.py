"""The services that an interpreter lends to its applications (manual 4.5.1)."""

from __future__ import annotations

import os
from _thread import allocate_lock
from collections.abc import Callable
from types import ModuleType

from mpserver.api import constants
from mpserver.api.error_log import ErrorLog
from mpserver.api.loader import Loader
from mpserver.api.server import Server
from mpserver.modules import core, mpm, python
from mpserver.modules.python import guard
from mpserver.modules.python.application_errors import describe, headline
from mpserver.phases.host import Host
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api import runtime
    from mpserver.api.request import Request
    from mpserver.config.tree import Tree
    from mpserver.ipc.scoreboard import Scoreboard
    from mpserver.ipc.scoreboard_entry import ScoreboardEntry
    from mpserver.locks import LockPool, RequestLocks
    from mpserver.serving.boot import Boot


class InterpreterServices:
    """Implements `mpserver.api.runtime.Runtime` for one interpreter."""

    def __init__(self, boot: Boot, main: Host, loader: Loader, entry: ScoreboardEntry, board: Scoreboard) -> None:
        self._name = boot.interpreter_id.name
        self.kind = boot.kind
        self.server_root = boot.configuration.root
        defines = set(boot.configuration.defines)
        if boot.one_process:
            defines.add("ONE_PROCESS")
        self.defines = frozenset(defines)
        self.main_server = main.object.mp_view()
        self._boot = boot
        self._scoreboard_entry = entry
        self.scoreboard = board
        self._main = main
        self._loader = loader
        self._cleanups: list[tuple[Callable[[Any], Any], Any]] = []
        #: The pool, and what makes the locks of a request, once somebody takes one.
        self._locks: LockPool | None = None
        self._new_locks: Callable[[], RequestLocks]
        self._gate = allocate_lock()

    @property
    def interpreter(self) -> str:
        """The interpreter's name; where all names are served by one, that which the running request asked for."""
        req = guard.running() if self.kind == "main" else None
        return self._name if req is None else req.mp_interpreter or req.mp_plan.interpreter

    @property
    def threads(self) -> int:
        """How many requests an interpreter serves at a time, under the MPM in effect."""
        limits = mpm.limits_of(self._boot.configuration)
        return limits.threads if mpm.is_threaded(self._boot.configuration) else 1

    def log(self, level: int, text: str, server: object | None = None) -> None:
        """Write to the error log of a server; without one to the main one's, from warnings on."""
        if server is None:  # (then LogLevel does not count, as in httpd)
            ErrorLog(self.main_server.mp_log.fd, style=self.main_server.mp_log.style).log(level, text, module="python")
            return
        if not isinstance(server, Server):
            raise TypeError(f"argument 3 must be a server object, not {type(server).__name__}")
        server.mp_log.log(level, text, module="python")

    def config_tree(self) -> list[Any]:
        """The configuration: tuples of directive and arguments, after a section's a list of what is in it."""
        return _lists(self.configuration_tree)

    @property
    def configuration_tree(self) -> Tree:
        """The configuration as it was read."""
        tree = self._boot.configuration.tree
        # (the server's own beginning, which no file has: the ServerRoot by -d or the current folder)
        own = bool(tree) and tree[0].name == "ServerRoot" and not os.path.isabs(tree[0].file)
        return tree[1:] if own else tree

    def register_cleanup(self, function: Callable[[Any], Any], data: Any = None) -> None:
        """Call ``function(data)`` when the worker ends."""
        self._cleanups.append((function, data))

    def run_cleanups(self, log: Callable[[int, str], None]) -> None:
        """The end of the worker: cleanups, last registered first; then what atexit holds, by the interpreter."""
        while self._cleanups:
            function, data = self._cleanups.pop()
            try:
                function(data)
            except BaseException as error:  # an application's cleanup may raise anything
                last = headline(error, describe(error))
                log(constants.APLOG_ERR, f"python_cleanup: Error calling cleanup object {function!r}: {last}")

    def import_module(self, name: str, autoreload: bool, log: bool, path: list[str] | None) -> ModuleType:
        """Import, or reload when the file changed."""
        return self._loader.import_module(name, autoreload, log, path)

    def running_request(self) -> Request | None:
        """The request whose handler has called this, directly or not."""
        return guard.running()

    def runs(self, group: int) -> None:
        """Tell on the scoreboard what to end if this interpreter ends."""
        self._scoreboard_entry.runs(group)

    def mpm_query(self, code: int) -> int:
        """The answer for an AP_MPMQ_* code, as httpd's prefork and worker give it.

        (What prefork has used so far is what it may use; worker counts.)
        """
        threaded = mpm.is_threaded(self._boot.configuration)
        limits = mpm.limits_of(self._boot.configuration)
        answers = {
            constants.AP_MPMQ_MAX_DAEMON_USED: self._used(limits) if threaded else limits.workers,
            constants.AP_MPMQ_IS_THREADED: constants.AP_MPMQ_STATIC if threaded else constants.AP_MPMQ_NOT_SUPPORTED,
            constants.AP_MPMQ_IS_FORKED: constants.AP_MPMQ_DYNAMIC,
            constants.AP_MPMQ_HARD_LIMIT_DAEMONS: limits.server_limit,
            constants.AP_MPMQ_HARD_LIMIT_THREADS: limits.thread_limit,
            constants.AP_MPMQ_MAX_THREADS: limits.threads,
            constants.AP_MPMQ_MIN_SPARE_DAEMONS: 0 if threaded else limits.min_spare,
            constants.AP_MPMQ_MIN_SPARE_THREADS: limits.min_spare if threaded else 0,
            constants.AP_MPMQ_MAX_SPARE_DAEMONS: 0 if threaded else limits.max_spare,
            constants.AP_MPMQ_MAX_SPARE_THREADS: limits.max_spare if threaded else 0,
            constants.AP_MPMQ_MAX_REQUESTS_DAEMON: limits.per_child,
            constants.AP_MPMQ_MAX_DAEMONS: limits.workers,
        }
        return answers.get(code, constants.AP_MPMQ_NOT_SUPPORTED)

    def _used(self, limits: mpm.Limits) -> int:
        """How many processes there have been at a time, as far as this one sees."""
        # (while a restart drains, there are the slots of two generations)
        return min(max(self.scoreboard.used(), self._boot.slot + 1), limits.server_limit)

    def _pool(self) -> LockPool:
        if self._locks is None:
            from mpserver.locks import LockPool, RequestLocks

            self._new_locks = RequestLocks
            configuration = self._boot.configuration
            directory, count = python.mutexes(configuration.main, configuration.root, core.MUTEX)
            made = LockPool(directory, count, core.pid_file(configuration.main.conf))
            with self._gate:  # threads that come here together get the same pool
                if not self._locks:
                    self._locks = made
        return self._locks

    def thread_lock(self, key: str | int | None, index: int = -1) -> runtime.ThreadLock:
        """A lock of the pool, for the thread that takes it."""
        return self._pool().lock(key, index)

    def global_lock(self, owner: object, key: str | None, index: int = -1) -> runtime.Lock:
        """A lock of the pool, shared by all interpreters and workers."""
        lock = self._pool().lock(key, index)
        if index >= 0 or not hasattr(owner, "mp_main"):
            return lock
        req: Any = owner
        while (outer := req.mp_main or req.mp_prev) is not None:
            req = outer
        # (setdefault is atomic: threads that come here together get the same)
        locks: RequestLocks = req.__dict__.setdefault("mp_locks", self._new_locks())
        if getattr(req, "mp_is_over", False):
            locks.over = True
        return locks.lock(lock)

    def lock_domain(self) -> str:
        """A name for those who share the pool."""
        return self._pool().domain()


def _lists(tree: Tree) -> list[Any]:
    lists: list[Any] = []
    for node in tree:
        if node.children is None:
            lists.append((node.name, node.raw))
        else:
            lists += [(f"<{node.name}", f"{node.raw}>"), _lists(node.children)]
    return lists
