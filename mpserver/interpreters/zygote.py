"""Zygotes: the processes that process interpreters are forked from, for a worker never forks.

The keeper (`mpserver.interpreters.zygote_keeper`), in the master or in a helper process of a one-process server, has
one zygote per name and environment of interpreters. A worker sends an order with one end of an inbox, and the zygote
forks an interpreter that has it. As interpreters are forked from a warm process, each costs a few milliseconds and
little memory.
"""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import socket
import sys
import time

from mpserver.api import error_log as levels
from mpserver.api.error_log import ErrorLog
from mpserver.application.beginning import surround
from mpserver.application.output import server_of
from mpserver.application.preloaded import Preloaded
from mpserver.config.finished import Finished
from mpserver.interpreters import ahead, other_python
from mpserver.interpreters.bounded import ORDER_FDS, REOPEN, REOPEN_FDS, NobodyWants
from mpserver.interpreters.crash_backoff import Crashes
from mpserver.interpreters.lifetime_settings import lifetime
from mpserver.interpreters.other_python import ZygoteArguments
from mpserver.interpreters.preload import Application, preload
from mpserver.interpreters.run import run
from mpserver.ipc import messages, plain_data
from mpserver.ipc.messages import MESSAGE
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.modules.all import registry
from mpserver.modules.mime import TYPES_CONFIG
from mpserver.modules.python import INTERP_PRELOAD_TIMEOUT
from mpserver.modules.python.environment import PRELOAD, Environment
from mpserver.phases.facts import modules, preloads
from mpserver.phases.host import error_log
from mpserver.phases.plan import InterpreterId
from mpserver.serving.boot import Boot
from mpserver.system.log_files import take_over
from mpserver.system.process import ended_children, set_title
from mpserver.system.signals import SignalQueue
from mpserver.typing import Any, NamedTuple, NoReturn

#: The name of an application, and the environment of its interpreters.
Key = tuple[str, Environment]


class ZygoteSpec(NamedTuple):
    """All that the zygotes of one generation of the configuration have to know."""

    configuration: Finished
    #: The descriptors of the log files by their names.
    logs: dict[str, int]
    scoreboard: Scoreboard
    log: ErrorLog
    generation: int
    one_process: bool


def specify(
    configuration: Finished, logs: dict[str, int], scoreboard: Scoreboard, generation: int, one_process: bool
) -> ZygoteSpec:
    """What zygotes have to know, the rest worked out from the configuration."""
    main = configuration.main
    return ZygoteSpec(
        configuration, logs, scoreboard, error_log(configuration, main, logs),
        generation, one_process,
    )  # fmt: skip


def arrive(*fields: Any) -> None:
    """Be a zygote in another Python; the fields are those of its arguments."""
    ahead.load()
    its = ZygoteArguments(*fields)
    configuration = Finished(its.configuration, registry)
    spec = specify(configuration, its.logs, Scoreboard.attach(its.scoreboard), its.generation, its.one_process)
    set_title(f"mpserver: zygote {its.key[0]}")
    try:
        serve(spec, its.key, socket.socket(fileno=its.control))
    except BaseException as error:
        spec.log.log(levels.CRIT, f"the zygote of '{its.key[0]}' failed: {error!r}")
        os._exit(1)
    os._exit(0)


def depart(python: str, spec: ZygoteSpec, key: Key, control: int) -> NoReturn:
    """Become a zygote in another Python, with the descriptor of its control socket.

    :raises OSError: it can't be executed.
    """
    other_python.go(
        python,
        ZygoteArguments(
            key, control, spec.scoreboard.fd, spec.configuration.fd, spec.logs, spec.generation,
            spec.one_process,
        ),
    )  # fmt: skip


def _end_as(status: int) -> None:
    """End as the child did that was the zygote in our place; returns where that ended well."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        os.kill(os.getpid(), -code)
    elif code:
        os._exit(code)


def describe_end(status: int) -> str:
    """A wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with status {code}"
    return f"was ended by signal {-code} ({signal.Signals(-code).name})"


def serve(spec: ZygoteSpec, key: Key, control: socket.socket) -> None:
    """A zygote's life: load the application, then fork an interpreter per order, until the keeper is gone.

    It ends after its last interpreter: so whoever waits for the zygotes has waited for all of the server's processes.
    """
    sys.argv = ["mod_python"]
    surround(spec.configuration, key[0])
    spec.configuration.main.base[TYPES_CONFIG].read()  # pages of the zygote are shared: here it is paid for once
    application = _application(spec, key, control)
    try:
        preloaded, status = preload(application, lambda text: spec.log.log(levels.NOTICE, text, module="python"))
    except NobodyWants:
        return
    if status >= 0:
        _end_as(status)
        return
    if preloaded is None:
        gc.freeze()
    Zygote(spec, key[0], control, preloaded).run()


def _application(spec: ZygoteSpec, key: Key, control: socket.socket) -> Application:
    """What there is to load."""
    name, environment = key
    server = server_of(spec.configuration, name)
    log = error_log(spec.configuration, server, spec.logs)
    wanted = modules(spec.configuration, name, environment)
    asked = dict(environment).get(PRELOAD, ())
    own = [one for one in wanted if one.module not in asked] if preloads(spec.configuration, name) else []
    within = spec.configuration.main.conf[INTERP_PRELOAD_TIMEOUT]
    return Application(name, [one for one in wanted if one.module in asked], own, log, within, control)


class ForkedInterpreter(NamedTuple):
    """An interpreter of a zygote."""

    #: Its worker's.
    slot: int
    #: When it was forked (``time.monotonic()``).
    began: float
    #: Its end of its inbox. What it has started may have that as well and outlive it; so its end is told here.
    inbox: socket.socket

    def over(self) -> None:
        """It has ended: its worker sees the end of the inbox, once it has read what was said before."""
        try:
            self.inbox.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the worker is gone
        self.inbox.close()


class Zygote:
    """One zygote from the inside: its orders, and the interpreters that it forked."""

    def __init__(self, spec: ZygoteSpec, name: str, control: socket.socket, preloaded: Preloaded | None) -> None:
        """``preloaded`` has the modules that were loaded here; None: none were."""
        self._spec, self._name, self._control, self._preloaded = spec, name, control, preloaded
        self._signals = SignalQueue()
        self._signals.install([signal.SIGCHLD])
        self._poll = select.poll()
        self._poll.register(self._signals, select.POLLIN)
        self._poll.register(control, select.POLLIN)
        self._children: dict[int, ForkedInterpreter] = {}
        self._crashes = Crashes()
        #: Whether the keeper is there.
        self._kept = True

    def run(self) -> None:
        """Follow orders until the keeper is gone, and the last interpreter."""
        while self._kept or self._children:
            ready = {fd for fd, _event in self._poll.poll()}
            if self._signals.fileno() in ready:
                self._signals.read()
                self._reap()
            if self._control.fileno() in ready:
                self._take_order()

    def _take_order(self) -> None:
        data, received, _flags, _address = socket.recv_fds(self._control, MESSAGE, REOPEN_FDS, socket.MSG_CMSG_CLOEXEC)
        if not data:
            self._poll.unregister(self._control)
            self._kept = False
            return
        fds = list(received)
        if data.startswith(REOPEN):
            for number, fd in zip(plain_data.unpack(data[len(REOPEN) :]), fds, strict=False):
                take_over(number, fd)
            return
        wait = self._crashes.wait(time.monotonic())
        if len(fds) < ORDER_FDS:
            text = f"an interpreter could not be started: {os.strerror(errno.EMFILE)}"
            self._spec.log.log(levels.ERROR, text)
        elif wait > 0:
            _put_off(fds[0], wait)
        else:
            interpreter_id, scoreboard_index, slot = plain_data.unpack(data)
            try:
                pid = os.fork()
            except OSError as error:  # no room for another process: those that there are live on
                refuse_order(fds[0], error)
            else:
                if pid == 0:
                    self._become_interpreter(InterpreterId(*interpreter_id), scoreboard_index, slot, fds[0], fds[1])
                self._children[pid] = ForkedInterpreter(slot, time.monotonic(), socket.socket(fileno=fds.pop(0)))
        for fd in fds:
            os.close(fd)

    def _reap(self) -> None:
        for pid, status in ended_children():
            child = self._children.pop(pid, None)
            if child is None:
                continue
            child.over()
            if status:
                now = time.monotonic()
                delay = self._crashes.add(now - child.began, now)
                then = "the next request starts it again"
                if delay:
                    then = f"it crashes again and again, so for {delay:g} s none is started and requests get 503"
                self._spec.log.log(
                    levels.ERROR,
                    f"interpreter '{self._name}' of worker {child.slot} (process {pid}) {describe_end(status)}: "
                    f"its requests in flight failed, {then}",
                    module="python",
                )

    def _become_interpreter(
        self, interpreter_id: InterpreterId, scoreboard_index: int, slot: int, inbox: int, connection_states: int
    ) -> NoReturn:
        """The child's life, from the fork to its end."""
        spec = self._spec
        status = 1
        try:
            self._signals.close()
            self._control.close()
            for sibling in self._children.values():
                sibling.inbox.close()
            set_title(f"mpserver: interpreter {interpreter_id.name} (worker {slot})")
            boot = Boot(
                interpreter_id, "process", scoreboard_index, slot, spec.generation, spec.configuration, spec.logs,
                spec.scoreboard.fd, spec.one_process, connection_states,
                lifetime=lifetime(spec.configuration, interpreter_id),
            )  # fmt: skip
            run(boot, inbox, self._preloaded)
            status = 0
        finally:
            _leave(status)


def _put_off(inbox: int, wait: float) -> None:
    """Answer an order while the application is held back."""
    with socket.socket(fileno=os.dup(inbox)) as sock:
        try:
            messages.send(sock, messages.Message(messages.Kind.BACKOFF, state=f"{wait:.3f}".encode()))
        except OSError:
            pass  # the worker is gone


def refuse_order(inbox: int, error: OSError | ValueError | EOFError | TypeError) -> None:
    """Answer an order that can't be followed; the descriptor stays the caller's.

    A worker may have sent anything as an inbox: a file, or a socket that takes no more. The master waits for none.
    """
    try:
        sock = socket.socket(fileno=inbox)
    except OSError:
        return  # it is no socket
    try:
        sock.setblocking(False)
        messages.send(sock, messages.failure(error), wait=False)
    except (OSError, MemoryError):
        pass  # the end of the inbox tells as much
    finally:
        sock.detach()  # (its descriptor is closed with the rest of the order)


def _leave(status: int) -> NoReturn:
    """End an interpreter's process: atexit functions of the application run, the zygote's state is left alone."""
    import atexit

    try:
        atexit._run_exitfuncs()  # noqa: SLF001  (os._exit, which follows, runs none)
    finally:
        os._exit(status)
