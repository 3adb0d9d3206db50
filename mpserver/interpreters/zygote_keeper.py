"""The keeper of zygotes: starts, replaces and ends them, so that no worker has to wait for that.

`Keeper` is an object in the master. Only a server of one process has a process for it (`keeper_process`).
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from mpserver.api import error_log as levels
from mpserver.config.finished import Finished
from mpserver.errors import StartError
from mpserver.interpreters import other_python
from mpserver.interpreters.bounded import ORDER_FDS, REOPEN, REOPEN_FDS
from mpserver.interpreters.verdicts import Verdicts
from mpserver.interpreters.zygote import Key, depart, describe_end, refuse_order, serve, specify
from mpserver.ipc import plain_data
from mpserver.ipc.messages import MESSAGE
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.ipc.worker_messages import ASKED, LEAVING, READY, RENEW, SETTLE
from mpserver.modules import unixd
from mpserver.modules.python.environment import PYTHON, USER
from mpserver.phases import facts
from mpserver.phases.plan import InterpreterId
from mpserver.system.account import Account, assume
from mpserver.system.process import (
    close_inherited,
    ended_children,
    fork,
    reap_all,
    reset_signals,
    set_title,
)
from mpserver.system.signals import SignalQueue
from mpserver.typing import Any, NoReturn


class ZygoteHandle:
    """A zygote as its keeper sees it."""

    __slots__ = ("control", "pid")

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self.control = control


class Keeper:
    """The zygotes of one generation of the configuration, as whoever forks them (mostly the master) sees them."""

    def __init__(
        self,
        configuration: Finished,
        logs: dict[str, int],
        scoreboard: Scoreboard,
        identity: Account | None,
        generation: int,
        apart: Callable[[], dict[int, int]],
        one_process: bool = False,
    ) -> None:
        """``apart`` gives descriptors for a zygote, by those whose places they take there."""
        self._apart = apart
        self._spec = specify(configuration, logs, scoreboard, generation, one_process)
        self._identity = identity
        self._log = self._spec.log
        #: By the name and the environment of their interpreters.
        self._zygotes: dict[Key, ZygoteHandle] = {}
        #: Those that are replaced, until it is clear that their successors work.
        self._former: dict[Key, ZygoteHandle] = {}
        #: The applications that do without a module, and that module, once that is told.
        self._without: set[tuple[InterpreterId, str]] = set()
        self._verdicts = Verdicts(configuration)
        self._environments = facts.environments(configuration)
        self._recall()

    def request(self, data: bytes, fds: list[int]) -> tuple[Any, ...] | None:
        """Take a worker's order for an interpreter, or its news; the descriptors that came with it are closed here.

        :returns: a worker command that all workers of the generation should get (`mpserver.routing.worker_commands`);
            None: there is nothing to tell them.
        """
        try:
            if data.startswith((RENEW, SETTLE)):
                self._renew_alone(data)
                return None
            key, *order = plain_data.shaped(data, ASKED)
            interpreter_id = InterpreterId(*key)
            if self._environments.get(interpreter_id.name, ()) != interpreter_id.environment:
                # (else who runs in a worker could have a program run as any user)
                raise ValueError(f"the configuration gives '{interpreter_id.name}' another environment")
            if len(order) == 1:
                return ("moved", tuple(interpreter_id)) if self._refused(interpreter_id, *order[0]) else None
            if len(fds) < ORDER_FDS:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))  # (the worker sees the end of its inbox)
            key = interpreter_id.name, interpreter_id.environment
            for _attempt in range(2):
                zygote = self._zygotes.get(key) or self._start(key)
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))]
                try:
                    zygote.control.sendmsg([data], rights, socket.MSG_DONTWAIT)
                    return None
                except BlockingIOError:  # (it loads, and hundreds of orders wait: the master must not wait for it)
                    raise
                except OSError:  # it died meanwhile: the next one
                    self._forget(key)
        except (ValueError, EOFError, TypeError, OSError) as error:
            if fds:
                refuse_order(fds[0], error)  # (the worker's log line says why)
            if not fds or isinstance(error, ValueError):
                self._log.log(levels.ERROR, f"what a worker said of an interpreter can't be: {error}")
        finally:
            for fd in fds:
                os.close(fd)
        return None

    def _recall(self) -> None:
        """Begin with processes where earlier servers found that applications need them."""
        for interpreter_id, refused in self._verdicts.known():
            if self._spec.scoreboard.move(interpreter_id.key, self._spec.generation):
                text = (
                    f"interpreter '{interpreter_id.name}': the application runs in processes, for {refused} can't be "
                    f"used in an isolated subinterpreter, as {self._verdicts.file} tells; without that file it is "
                    "tried anew"
                )
                self._log.log(levels.INFO, text, module="python")

    def _remember(self, interpreter_id: InterpreterId, refused: str, path: tuple[str, ...]) -> None:
        try:
            self._verdicts.remember(interpreter_id, refused, path)
        except OSError as error:
            text = f"{self._verdicts.file} can't be written, so the next start has to find that again"
            self._log.log(levels.INFO, text, module="python", error=error)

    def _refused(
        self, interpreter_id: InterpreterId, refused: str, caught: bool, twin: str, path: tuple[str, ...]
    ) -> bool:
        """A worker found that a subinterpreter refuses something: once, it is news for the log and for the others.

        :param caught: the application goes on without it.
        :param twin: the module that takes the place of a refused one, so that the application stays where it is.
        :param path: where the application looks for modules.
        :returns: whether the others should know, for the application needs processes.
        """
        told = f"interpreter '{interpreter_id.name}': {refused} can't be used in an isolated subinterpreter"
        if twin:
            if (interpreter_id, refused) not in self._without:
                self._without.add((interpreter_id, refused))
                text = (
                    f"{told}, and {twin} takes its place; with 'PythonInterpBackend process' the application has it, "
                    "'PythonInterpBackend own' is content without"
                )
                self._log.log(levels.WARN, text, module="python")
            return False
        if not self._spec.scoreboard.move(interpreter_id.key, self._spec.generation):
            return False
        otherwise = ", and 'PythonInterpBackend own' keeps it where it was, without that" if caught else ""
        self._log.log(
            levels.WARN,
            f"{told}, so the application runs in processes from now on; 'PythonInterpBackend process' makes that "
            f"permanent{otherwise}",
            module="python",
        )
        self._remember(interpreter_id, refused, path)
        return True

    def _start(self, key: Key) -> ZygoteHandle:
        apart = self._apart()
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                pid = fork(partial(self._become_zygote, key, theirs, apart))
            finally:
                theirs.close()
        finally:
            for fd in apart.values():
                os.close(fd)
        zygote = self._zygotes[key] = ZygoteHandle(pid, ours)
        return zygote

    def _forget(self, key: Key) -> None:
        zygote = self._zygotes.pop(key, None)
        if zygote is not None:
            zygote.control.close()

    def reaped(self, pid: int, status: int) -> bool:
        """A child ended; whether it was one of the zygotes. The next order starts a new one."""
        for key, zygote in self._zygotes.items():
            if zygote.pid == pid:
                self._forget(key)
                if status:
                    text = f"the zygote of '{key[0]}' {describe_end(status)}; the next request starts another"
                    self._log.log(levels.ERROR, text)
                return True
        return False

    def renew(self, name: str | None) -> None:
        """Interpreters of a name (None: of all) come from a new zygote from now on, which loads all anew."""
        for key in list(self._zygotes):
            if key[0] == name or name is None:
                self._former.setdefault(key, self._zygotes.pop(key))

    def settle(self, name: str | None, worked: bool) -> None:
        """The new zygotes stay and the former ones end; or the other way round, where the new ones did not work."""
        for key in [key for key in self._former if key[0] == name or name is None]:
            former = self._former.pop(key)
            if worked:
                former.control.close()
            else:
                self._forget(key)
                self._zygotes[key] = former

    def reopen(self, files: Mapping[int, int]) -> None:
        """Zygotes, and those that they fork from now on, have other files for their logs."""
        numbers = list(files)
        for zygote in (*self._zygotes.values(), *self._former.values()):
            for start in range(0, len(numbers), REOPEN_FDS):
                some = numbers[start : start + REOPEN_FDS]
                data, fds = REOPEN + plain_data.pack(some), array("i", [files[number] for number in some])
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
                try:
                    zygote.control.sendmsg([data], rights, socket.MSG_DONTWAIT)  # (`socket.send_fds` forgets that)
                except OSError as error:  # (it has ended; or it loads for so long that no more finds room)
                    self._log.log(levels.ERROR, f"a zygote (pid {zygote.pid}) keeps the former logs", error=error)

    def _renew_alone(self, data: bytes) -> None:
        """`renew` and `settle` for a server of one process, whose worker sends them."""
        if data.startswith(RENEW):
            self.renew(data[len(RENEW) :].decode())
        else:
            self.settle(data[len(SETTLE) + 1 :].decode(), data[len(SETTLE) : len(SETTLE) + 1] == b"1")

    def close(self) -> None:
        """The generation is over: zygotes end when their socket does."""
        self.settle(None, True)
        for key in list(self._zygotes):
            self._forget(key)

    def _become_zygote(
        self, key: Key, control: socket.socket, apart: Mapping[int, int], _blocked: Iterable[int]
    ) -> NoReturn:
        name, environment = key
        its, spec = dict(environment), self._spec
        status = 1
        try:
            reset_signals()
            for number, fd in apart.items():
                os.dup2(fd, number, inheritable=False)
            # (one with a user or a Python of its own speaks no TLS, and gets no keys)
            settings = spec.configuration.fds[:1] if USER in its or PYTHON in its else spec.configuration.fds
            close_inherited([control.fileno(), spec.scoreboard.fd, *settings, self._log.fd, *spec.logs.values()])
            set_title(f"mpserver: zygote {name}")
            other_python.limit(its)
            identity = self._identity
            if USER in its and os.geteuid() == 0:
                gains = identity is not None and identity.gains
                identity = unixd.account(its[USER][0], its[USER][1] or None)._replace(gains=gains)
            if identity is not None and os.geteuid() == 0:
                assume(identity)
            if PYTHON in its:
                depart(its[PYTHON], spec, key, control.fileno())
            serve(spec, key, control)
            status = 0
        except StartError as error:
            self._log.log(levels.CRIT, str(error))
        except BaseException as error:
            self._log.log(levels.CRIT, f"the zygote of '{name}' failed: {error!r}")
        finally:
            os._exit(status)


def keeper_process(
    configuration: Finished,
    logs: dict[str, int],
    scoreboard: Scoreboard,
    identity: Account | None,
    apart: Callable[[], dict[int, int]],
) -> socket.socket:
    """Fork a process that keeps the zygotes of a one-process server, which has threads and may not fork.

    It is a child of init: an application in the one process that waits for its children would wait for it as well.

    :returns: the socket for orders; its end ends the process, and is answered with the end of the other side.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    keeper = Keeper(configuration, logs, scoreboard, identity, 1, apart, one_process=True)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if os.fork():
                os._exit(0)
            reset_signals()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            close_inherited([theirs.fileno(), scoreboard.fd, *configuration.fds, 2, *logs.values()])
            set_title("mpserver: zygotes")
            _keep(keeper, theirs)
            status = 0
        finally:
            os._exit(status)
    theirs.close()
    os.waitpid(pid, 0)
    return ours


def _keep(keeper: Keeper, control: socket.socket) -> None:
    """Serve orders until the server is gone."""
    signals = SignalQueue()
    signals.install([signal.SIGCHLD])
    poll = select.poll()
    poll.register(signals, select.POLLIN)
    poll.register(control, select.POLLIN)
    while True:
        ready = {fd for fd, _event in poll.poll()}
        if signals.fileno() in ready:
            signals.read()
            for pid, status in ended_children():
                keeper.reaped(pid, status)
        if control.fileno() in ready:
            data, fds, _flags, _address = socket.recv_fds(control, MESSAGE, ORDER_FDS, socket.MSG_CMSG_CLOEXEC)
            if not data:
                keeper.close()
                reap_all()
                return
            if data not in (READY, LEAVING):  # (those are for a master)
                keeper.request(data, list(fds))
