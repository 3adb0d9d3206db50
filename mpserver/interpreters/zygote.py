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

from mpserver.api import error_log as levels
from mpserver.api.loader import Loader
from mpserver.config.configuration import Configuration
from mpserver.interpreters import other_python
from mpserver.interpreters.crash_backoff import Crashes
from mpserver.interpreters.lifetime_settings import limits
from mpserver.interpreters.preload import preload
from mpserver.interpreters.run import run
from mpserver.ipc import messages
from mpserver.ipc.messages import MESSAGE
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.modules.all import registry
from mpserver.modules.mime import TYPES_CONFIG
from mpserver.phases.applications import modules
from mpserver.phases.plan import InterpreterId
from mpserver.serving.boot import Boot
from mpserver.system.process import ended_children, set_title
from mpserver.system.signals import SignalQueue
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from mpserver.interpreters.zygote_keeper import Keeper, Key


#: What comes with an order: the end of the inbox, and the connection states.
ORDER_FDS = 2


def _end_as(status: int) -> None:
    """End as the child did that was the zygote in our place; returns where that ended well."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        os.kill(os.getpid(), -code)
    elif code:
        os._exit(code)


def arrive(*fields: Any) -> None:
    """Be a zygote in another Python; the fields are those of its record."""
    record = other_python.Record(*fields)
    configuration = Configuration.from_bytes(record.configuration, registry())
    board = Scoreboard.attach(record.scoreboard)
    from mpserver.interpreters.zygote_keeper import Keeper

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
    signals = SignalQueue()
    signals.install([signal.SIGCHLD])
    poll = select.poll()
    poll.register(signals, select.POLLIN)
    poll.register(control, select.POLLIN)
    children: dict[int, Running] = {}
    crashes = Crashes()
    kept = True
    while kept or children:
        ready = {fd for fd, _event in poll.poll()}
        if signals.fileno() in ready:
            signals.read()
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
                interpreter_id, scoreboard_index, slot = marshal.loads(data)
                try:
                    pid = os.fork()
                except OSError as error:  # no room for another process: those that there are live on
                    _refuse(fds[0], error)
                else:
                    if pid == 0:
                        _become_interpreter(
                            keeper,
                            InterpreterId(*interpreter_id),
                            scoreboard_index,
                            slot,
                            (fds[0], fds[1]),
                            (signals, control),
                            loader,
                        )
                    children[pid] = Running(slot, time.monotonic())
            for fd in fds:
                os.close(fd)


class Running(NamedTuple):
    """An interpreter of a zygote: its worker's slot, and when it was forked (``time.monotonic()``)."""

    slot: int
    began: float


def _put_off(inbox: int, wait: float) -> None:
    """Answer an order while the application is held back."""
    with socket.socket(fileno=os.dup(inbox)) as sock:
        try:
            messages.send(sock, messages.Message(messages.BACKOFF, state=f"{wait:.3f}".encode()))
        except OSError:
            pass  # the worker is gone


def _refuse(inbox: int, error: OSError | ValueError | EOFError | TypeError) -> None:
    """Answer an order that can't be followed."""
    sock = socket.socket(fileno=inbox)
    messages.report(sock, error)
    sock.detach()  # (its descriptor is closed with the rest of the order)


def _reap(keeper: Keeper, name: str, children: dict[int, Running], crashes: Crashes) -> None:
    for pid, status in ended_children() if children else ():
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
    keeper: Keeper,
    interpreter_id: InterpreterId,
    scoreboard_index: int,
    slot: int,
    fds: tuple[int, int],
    own: tuple[SignalQueue, socket.socket],
    loader: Loader | None,
) -> NoReturn:
    status = 1
    try:
        for ours in own:
            ours.close()
        set_title(f"mpserver: interpreter {interpreter_id.name} (worker {slot})")
        boot = Boot(
            interpreter_id, "process", scoreboard_index, slot, keeper.generation, keeper.configuration, keeper.logs,
            keeper.scoreboard.fd, keeper.one_process, fds[1], keeper.environments,
            keeper.talks, limits(keeper.configuration, interpreter_id),
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
