"""What a master does when another one takes its place, and when it takes that of another (`succession`)."""

from __future__ import annotations

import os
import sys
import time

from mpserver.api import error_log
from mpserver.errors import StartError
from mpserver.ipc import control_path
from mpserver.supervisor.companions import Companions
from mpserver.supervisor.control_socket import ControlSocket
from mpserver.supervisor.management import Management
from mpserver.supervisor.reload import Reload, Told
from mpserver.supervisor.shutdown import Shutdown
from mpserver.supervisor.succession import MANAGEMENT, SERVES, Socket, Succession, Upgrade
from mpserver.supervisor.watched import Watched
from mpserver.supervisor.workers import Workers
from mpserver.system import pidfile
from mpserver.system.systemd import Notifier
from mpserver.typing import NamedTuple


class Parts(NamedTuple):
    """The parts of a master that an upgrade takes."""

    watched: Watched
    workers: Workers
    reload: Reload
    shutdown: Shutdown
    control: ControlSocket
    management: Management
    companions: Companions
    notifier: Notifier


class Upgrades:
    """Both sides of it, in one master: it may have succeeded one, and be succeeded later."""

    __slots__ = ("_descriptors", "_folder", "_master", "_succession", "_upgrade")

    def __init__(self, master: Parts, succession: Succession | None, folder: str, descriptors: int) -> None:
        """``succession``: whose place this master takes, once its workers serve; None: nobody's.

        :param folder: where the command was given: one that is to take its place is started there.
        :param descriptors: the limit that the server was started with; 0: as it is.
        """
        self._master, self._succession, self._folder, self._descriptors = master, succession, folder, descriptors
        self._upgrade = Upgrade(master.watched, self._on_succeeded)
        master.shutdown.on_announce = self._upgrade.abandon

    @property
    def succeeds(self) -> bool:
        """Whether this master is to take the place of another one that serves still."""
        return self._succession is not None

    @property
    def under_way(self) -> bool:
        """Whether another master is about to take over."""
        return self._upgrade.under_way

    @property
    def succeeded(self) -> bool:
        """Whether there is a process that has taken over, or tried to."""
        return bool(self._upgrade.pid)

    # ---- the former one

    def begin(self, python: str, told: Told) -> None:
        """Let another master take over, run by this Python ("": ours)."""
        if why := self._not_now():
            told(why)
            return
        master = self._master
        listeners = master.reload.current.listeners
        sockets = [Socket(str(at), one.fileno()) for at, bound in listeners.by_address.items() for one in bound]
        sockets += [Socket(f"fd:{name}", one.fileno()) for name, one in listeners.inherited.left()]
        if (shared := master.management.shared) is not None:
            sockets.append(Socket(MANAGEMENT + shared[0], shared[1]))
        words = [python or sys.executable, *sys.orig_argv[1:]]
        self._log(error_log.NOTICE, f"Upgrade requested, starting {words[0]}")
        try:
            self._upgrade.begin(words, self._folder, master.notifier.environ(), sockets, self._descriptors, told)
        except OSError as error:
            told(f"({error.errno}){error.strerror}: no process could be forked")

    def _not_now(self) -> str:
        """Why there can be no upgrade; "": there can."""
        if os.getpid() == 1:
            return "it is the first process of its container, which ends with it: start another container"
        if self._master.shutdown.announced:
            return "the server ends"
        if self.under_way or self.succeeds:
            return "an upgrade is under way"
        return "" if self._master.reload.next is None else "a restart is under way"

    def _on_succeeded(self, pid: int) -> None:
        """Another master has taken over."""
        master = self._master
        self._log(error_log.NOTICE, f"the server with pid {pid} has taken over, this one ends gracefully")
        master.notifier.succeeded(pid)
        master.management.leave()
        for generation in master.reload:
            generation.listeners.files.clear()  # (the files are that one's)
        master.shutdown.leave()

    # ---- the new one

    def ready(self) -> None:
        """A worker serves: when all do, be the server, and let the former one go."""
        succession, master = self._succession, self._master
        if succession is None or not master.workers.all_serve(master.reload.current):
            return
        listeners = master.reload.current.listeners
        try:
            self._take_over(succession.pid)
        except StartError as error:
            self._log(error_log.ERROR, str(error))
            self._fail(str(error))
            return
        self._succession = None
        master.workers.others_serve = False
        listeners.own_files()
        listeners.inherited.close_ours()
        succession.tell(SERVES)
        master.companions.follow(master.reload.current)  # (before, that is up to the former one)

    def _take_over(self, former: int) -> None:
        """Have what a server has once: what may fail comes first, and what the former one would miss comes last.

        :param former: its process.
        :raises StartError: something can't be had; the former one has it still.
        """
        master = self._master
        conf, inherited = master.reload.current.conf, master.reload.current.listeners.inherited
        passed = inherited.pop(MANAGEMENT + conf.management)
        if not passed:
            master.management.open(conf.management)
        found = pidfile.claim(conf.pid_file, former)
        try:
            master.control.open(control_path.path(conf.pid_file))
        except StartError:
            if found.pid == former:
                pidfile.write(conf.pid_file, former)
            else:  # (that one has another)
                pidfile.remove(conf.pid_file)
            raise
        if passed:
            master.management.adopt(conf.management, passed[0])

    def _fail(self, why: str) -> None:
        """The former master stays, and this one ends."""
        assert self._succession is not None
        self._succession.tell(why.encode(errors="backslashreplace"))
        self._succession = None
        self._master.shutdown.at_once()

    def gone(self) -> None:
        """A worker has ended."""
        self.due(time.monotonic())
        self.ready()  # (the one that was missing is needed no more)

    def due(self, now: float) -> None:
        """Where the workers can't serve, or have had their time, the former master stays."""
        if self._succession is not None and (why := self._master.reload.current.why_given_up(now)):
            self._fail(why)

    def _log(self, level: int, text: str) -> None:
        self._master.reload.current.error_log.log(level, text)
