"""Zygotes: the processes that process interpreters are forked from (DESIGN: a worker never forks).

The keeper, in the master (or in a helper process of a one-process server), has one zygote per
interpreter name. A worker sends an order and an inbox; the zygote forks an interpreter with it.
Since interpreters are forked from a warm process, each costs few milliseconds and little memory.
"""

from __future__ import annotations

import errno
import gc
import marshal
import os
import select
import signal
import socket
import sys
import time

from mpserver import elsewhere, handoff, privileges
from mpserver.api import log as levels
from mpserver.api.loader import Loader
from mpserver.api.log import ErrorLog
from mpserver.child import BLOCKED, LEAVING, READY, close_inherited, reap_all, reset_signals, set_title
from mpserver.config.compile import Configuration
from mpserver.errors import StartError
from mpserver.handoff import MESSAGE
from mpserver.interp import Boot, run
from mpserver.limits import limits
from mpserver.modules import registry, unixd
from mpserver.modules.environment import PYTHON, USER, Environment
from mpserver.modules.mime import TYPES_CONFIG
from mpserver.phases import protocol
from mpserver.phases.applications import environments, modules
from mpserver.phases.host import error_fd, log_levels
from mpserver.phases.plan import Place
from mpserver.preload import preload
from mpserver.scoreboard import Scoreboard
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from mpserver.modules.unixd import Identity

#: The name of an application, and the environment of its interpreters.
Key = tuple[str, Environment]


#: A crash at a greater age is no loop, and crashes are forgotten after such a time without one, in seconds.
SOON = 30.0
CALM = 60.0
#: So many crashes in a row change nothing; then no interpreter is started for these times, in seconds.
FREE = 5
FIRST_DELAY = 1.0
LAST_DELAY = 8.0
#: What comes with an order: the end of the inbox, and the ledger.
ORDER_FDS = 2
#: What the worker of a server of one process says when it replaces an interpreter: RENEW and its name; SETTLE, 1 or
#: 0 (whether it worked) and its name.
RENEW, SETTLE = b"renew", b"settle"


class Zygote:
    """A zygote as its keeper sees it."""

    __slots__ = ("control", "pid")

    def __init__(self, pid: int, control: socket.socket) -> None:
        self.pid = pid
        self.control = control


class Keeper:
    """The zygotes of one generation of the configuration."""

    def __init__(
        self,
        configuration: Configuration,
        logs: dict[str, int],
        scoreboard: Scoreboard,
        identity: Identity | None,
        generation: int = 0,
        one_process: bool = False,
    ) -> None:
        self.configuration = configuration
        self.logs = logs
        self.scoreboard = scoreboard
        self.identity = identity
        self.generation = generation
        self.one_process = one_process
        self.log = ErrorLog(error_fd(configuration, configuration.main, logs), *log_levels(configuration.main))
        self.environments = environments(configuration).by_name
        self.talks = protocol.wanted(configuration)
        #: By the name and the environment of their interpreters.
        self.zygotes: dict[Key, Zygote] = {}
        #: Those that are replaced, until it is clear that their successors work.
        self._former: dict[Key, Zygote] = {}

    def request(self, data: bytes, fds: list[int]) -> tuple[Any, ...] | None:
        """A worker's order for an interpreter, with its end of the inbox (closed here); without one: news.

        See `mpserver.child.KeeperLike`.
        """
        if data.startswith((RENEW, SETTLE)):
            self._renew_alone(data)
            return None
        try:
            place, *order = marshal.loads(data)
            place = Place(*place)
            if len(order) == 1:
                return ("moved", tuple(place)) if self._moved(place, order[0]) else None
            if len(fds) < ORDER_FDS:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))  # (the worker sees the end of its inbox)
            key = place.name, place.environment
            for _attempt in range(2):
                zygote = self.zygotes.get(key) or self._start(key)
                try:
                    socket.send_fds(zygote.control, [data], fds)
                    return None
                except OSError:  # it died meanwhile: the next one
                    self._forget(key)
        except (ValueError, EOFError, TypeError, OSError) as error:
            if fds:
                _refuse(fds[0], error)  # (the worker's log line says why)
            else:
                self.log.log(levels.ERROR, f"news of an interpreter can't be understood: {error}")
        finally:
            for fd in fds:
                os.close(fd)
        return None

    def _moved(self, place: Place, refused: str) -> bool:
        """A worker found that an application needs processes: once, it is news for the log and for the others."""
        if not self.scoreboard.move(place.key, self.generation):
            return False
        self.log.log(
            levels.WARN,
            f"interpreter '{place.name}': {refused} can't be used in an isolated subinterpreter, so the "
            "application runs in processes from now on; 'PythonInterpBackend process' makes that permanent",
            module="python",
        )
        return True

    def _start(self, key: Key) -> Zygote:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
        try:
            pid = os.fork()
            if pid == 0:
                self._become_zygote(key, theirs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            theirs.close()
        zygote = self.zygotes[key] = Zygote(pid, ours)
        return zygote

    def _forget(self, key: Key) -> None:
        zygote = self.zygotes.pop(key, None)
        if zygote is not None:
            zygote.control.close()

    def reaped(self, pid: int, status: int) -> bool:
        """A child ended; whether it was one of the zygotes. The next order starts a new one."""
        for key, zygote in self.zygotes.items():
            if zygote.pid == pid:
                self._forget(key)
                if status:
                    text = f"the zygote of '{key[0]}' {ending(status)}; the next request starts another"
                    self.log.log(levels.ERROR, text)
                return True
        return False

    def renew(self, name: str | None) -> None:
        """Interpreters of a name (None: of all) come from a new zygote from now on, which loads all anew."""
        for key in list(self.zygotes):
            if key[0] == name or name is None:
                self._former.setdefault(key, self.zygotes.pop(key))

    def settle(self, name: str | None, worked: bool) -> None:
        """The new zygotes stay and the former ones end; or the other way round, where the new ones did not work."""
        for key in [key for key in self._former if key[0] == name or name is None]:
            former = self._former.pop(key)
            if worked:
                former.control.close()
            else:
                self._forget(key)
                self.zygotes[key] = former

    def _renew_alone(self, data: bytes) -> None:
        """`renew` and `settle` for a server of one process, whose worker sends them."""
        if data.startswith(RENEW):
            self.renew(data[len(RENEW) :].decode())
        else:
            self.settle(data[len(SETTLE) + 1 :].decode(), data[len(SETTLE) : len(SETTLE) + 1] == b"1")

    def close(self) -> None:
        """The generation is over: zygotes end when their socket does."""
        self.settle(None, True)
        for key in list(self.zygotes):
            self._forget(key)

    def _record(self, key: Key, control: int) -> elsewhere.Record:
        board, configuration = self.scoreboard.fd, self.configuration.to_bytes()
        return elsewhere.Record(key, control, board, configuration, self.logs, self.generation, self.one_process)

    def _become_zygote(self, key: Key, control: socket.socket) -> NoReturn:
        name, environment = key
        its = dict(environment)
        status = 1
        try:
            reset_signals()
            close_inherited([control.fileno(), self.scoreboard.fd, self.log.fd, *self.logs.values()])
            set_title(f"mpserver: zygote {name}")
            elsewhere.limit(its)
            identity = self.identity
            if USER in its and os.geteuid() == 0:
                identity = unixd.account(its[USER][0], its[USER][1] or None)
            if identity is not None and os.geteuid() == 0:
                privileges.assume(identity)
            if PYTHON in its:
                elsewhere.go(its[PYTHON], self._record(key, control.fileno()))
            serve(self, key, control)
            status = 0
        except StartError as error:
            self.log.log(levels.CRIT, str(error))
        except BaseException as error:
            self.log.log(levels.CRIT, f"the zygote of '{name}' failed: {error!r}")
        finally:
            os._exit(status)


def _end_as(status: int) -> None:
    """End as the child did that was the zygote in our place; returns where that ended well."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        os.kill(os.getpid(), -code)
    elif code:
        os._exit(code)


def arrive(*fields: Any) -> None:
    """Be a zygote in another Python; the fields are those of its record."""
    record = elsewhere.Record(*fields)
    configuration = Configuration.from_bytes(record.configuration, registry())
    board = Scoreboard.attach(record.scoreboard)
    keeper = Keeper(configuration, record.logs, board, None, record.generation, record.one_process)
    set_title(f"mpserver: zygote {record.key[0]}")
    try:
        serve(keeper, record.key, socket.socket(fileno=record.control))
    except BaseException as error:
        keeper.log.log(levels.CRIT, f"the zygote of '{record.key[0]}' failed: {error!r}")
        os._exit(1)
    os._exit(0)


def ending(status: int) -> str:
    """A wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with status {code}"
    return f"was ended by signal {-code} ({signal.Signals(-code).name})"


def serve(keeper: Keeper, key: Key, control: socket.socket) -> None:
    """A zygote's life: load the application, then fork an interpreter per order, until the keeper is gone.

    It ends after its last interpreter: whoever awaits the server's end awaits its zygotes, and by them all of it.
    """
    sys.argv = ["mod_python"]
    name, environment = key
    keeper.configuration.main.base[TYPES_CONFIG].read()  # pages of the zygote are shared: here it is paid for once
    loader, status = preload(modules(keeper.configuration, name, environment))
    if status >= 0:
        _end_as(status)
        return
    if loader is None:
        gc.freeze()
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # the byte in the pipe is the message
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    poll.register(control, select.POLLIN)
    children: dict[int, Running] = {}
    crashes = Crashes()
    kept = True
    while kept or children:
        ready = {fd for fd, _event in poll.poll()}
        if reader in ready:
            os.read(reader, 64)
            _reap(keeper, name, children, crashes)
        if control.fileno() in ready:
            data, fds, _flags, _address = socket.recv_fds(control, MESSAGE, 2)
            if not data:
                poll.unregister(control)
                kept = False
                continue
            wait = crashes.wait(time.monotonic())
            if len(fds) < ORDER_FDS:
                keeper.log.log(levels.ERROR, f"an interpreter could not be started: {os.strerror(errno.EMFILE)}")
            elif wait > 0:
                _put_off(fds[0], wait)
            else:
                place, seat, slot = marshal.loads(data)
                try:
                    pid = os.fork()
                except OSError as error:  # no room for another process: those that there are live on
                    _refuse(fds[0], error)
                else:
                    if pid == 0:
                        own = (control.fileno(), reader, writer)
                        _become_interpreter(keeper, Place(*place), seat, slot, (fds[0], fds[1]), own, loader)
                    children[pid] = Running(slot, time.monotonic())
            for fd in fds:
                os.close(fd)


class Running(NamedTuple):
    """An interpreter of a zygote: its worker's slot, and when it was forked (``time.monotonic()``)."""

    slot: int
    began: float


class Crashes:
    """The crashes of one application, in whichever worker; an application that does nothing else is held back.

    A crash soon after the interpreter's start counts. The first ones in a row change nothing; after each
    further one no interpreter is started for a time that doubles.
    """

    __slots__ = ("_last", "_row", "_until")

    def __init__(self) -> None:
        self._row = 0
        self._last = self._until = float("-inf")

    def add(self, age: float, now: float) -> float:
        """An interpreter crashed at an age in seconds. :returns: how long the next has to wait, 0 for not at all."""
        if age > SOON or now - self._last > CALM:
            self._row = 0
        self._last = now
        self._row += 1
        if self._row <= FREE or now < self._until:  # (those that crash meanwhile were there before)
            return 0.0
        delay = min(FIRST_DELAY * 2.0 ** (self._row - FREE - 1), LAST_DELAY)
        self._until = now + delay
        return delay

    def wait(self, now: float) -> float:
        """How long the next interpreter has to wait, in seconds."""
        return max(self._until - now, 0.0)


def _put_off(inbox: int, wait: float) -> None:
    """Answer an order while the application is held back."""
    with socket.socket(fileno=os.dup(inbox)) as sock:
        try:
            handoff.send(sock, handoff.Message(handoff.BACKOFF, state=f"{wait:.3f}".encode()))
        except OSError:
            pass  # the worker is gone


def _refuse(inbox: int, error: OSError | ValueError | EOFError | TypeError) -> None:
    """Answer an order that can't be followed."""
    sock = socket.socket(fileno=inbox)
    handoff.report(sock, error)
    sock.detach()  # (its descriptor is closed with the rest of the order)


def _reap(keeper: Keeper, name: str, children: dict[int, Running], crashes: Crashes) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        child = children.pop(pid, None)
        if status and child is not None:
            now = time.monotonic()
            delay = crashes.add(now - child.began, now)
            then = "the next request starts it again"
            if delay:
                then = f"it crashes again and again, so for {delay:g} s none is started and requests get 503"
            keeper.log.log(
                levels.ERROR,
                f"interpreter '{name}' of worker {child.slot} (process {pid}) {ending(status)}: "
                f"its requests in flight failed, {then}",
                module="python",
            )


def _become_interpreter(
    keeper: Keeper, place: Place, seat: int, slot: int, fds: tuple[int, int], own: tuple[int, ...],
    loader: Loader | None,
) -> NoReturn:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in own:
            os.close(fd)
        set_title(f"mpserver: interpreter {place.name} (worker {slot})")
        boot = Boot(
            place, "process", seat, slot, keeper.generation, keeper.configuration, keeper.logs,
            keeper.scoreboard.fd, keeper.one_process, fds[1], keeper.environments,
            keeper.talks, limits(keeper.configuration, place),
        )  # fmt: skip
        run(boot, fds[0], loader)
        status = 0
    finally:
        _leave(status)


def _leave(status: int) -> NoReturn:
    """End an interpreter's process: atexit functions of the application run, the zygote's state is left alone."""
    import atexit

    try:
        atexit._run_exitfuncs()
    finally:
        os._exit(status)


def keeper_process(
    configuration: Configuration, logs: dict[str, int], scoreboard: Scoreboard, identity: Identity | None
) -> socket.socket:
    """Fork a process that keeps the zygotes of a one-process server, which has threads and may not fork.

    :returns: the socket for orders; its end ends the process.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            reset_signals()
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            close_inherited([theirs.fileno(), scoreboard.fd, 2, *logs.values()])
            set_title("mpserver: zygotes")
            _keep(Keeper(configuration, logs, scoreboard, identity, 1, one_process=True), theirs)
            status = 0
        finally:
            os._exit(status)
    theirs.close()
    return ours


def _keep(keeper: Keeper, control: socket.socket) -> None:
    """Serve orders until the server is gone."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    poll.register(control, select.POLLIN)
    while True:
        ready = {fd for fd, _event in poll.poll()}
        if reader in ready:
            os.read(reader, 64)
            _reap_zygotes(keeper)
        if control.fileno() in ready:
            data, fds, _flags, _address = socket.recv_fds(control, MESSAGE, 2)
            if not data:
                keeper.close()
                reap_all()
                return
            if data not in (READY, LEAVING):  # (those are for a master)
                keeper.request(data, list(fds))


def _reap_zygotes(keeper: Keeper) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        keeper.reaped(pid, status)
