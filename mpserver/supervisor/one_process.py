"""The server in one process in the foreground (-X, -D ONE_PROCESS): for debuggers and development."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable

from mpserver.api import error_log
from mpserver.ipc.messages import MESSAGE
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.supervisor import descriptor_limit
from mpserver.supervisor.companions import Companions
from mpserver.supervisor.engine import Engine
from mpserver.supervisor.generation import open_generation
from mpserver.supervisor.watched import Watched
from mpserver.supervisor.worker_start import WorkerStart
from mpserver.system import descriptors, pidfile
from mpserver.system.account import assume
from mpserver.system.inherited import Inherited
from mpserver.system.listeners import Listeners
from mpserver.system.process import LAST_ONES, reap_all, set_title
from mpserver.system.signals import Held
from mpserver.system.systemd import Notifier
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.supervisor.reading import Reading


def run(
    reading: Reading, engine: Engine, notifier: Notifier, inherited: Inherited, started: Callable[[], object]
) -> None:
    """Serve in this process until a signal ends it.

    Process interpreters need a process without threads to be forked from, so their keeper gets one, which is
    forked before anything else starts. It is no child of this one, where applications may wait for theirs.

    :param started: is called when it is about to serve.
    :raises StartError: the server can't start.
    """
    with Held():
        _run(reading, engine, notifier, inherited, started)


def _run(
    reading: Reading, engine: Engine, notifier: Notifier, inherited: Inherited, started: Callable[[], object]
) -> None:
    soft = descriptors.original()
    generation = open_generation(1, reading, Listeners(inherited=inherited), soft)
    configuration = generation.configuration
    conf = generation.conf
    try:
        # (before the pid file is there: who finds us by that asks the title whose server this is)
        set_title(f"{pidfile.ONE_PROCESS_TITLE} [{conf.file}]")
        pidfile.claim(conf.pid_file)
        try:
            board = Scoreboard.create(1, soft)
            board.prepare(0)
            board.enter(0, os.getpid(), generation.number, time.time())
            control = engine.keeper_process(
                configuration, generation.logs.fds, board, conf.account, generation.logs.apart
            )
            watched = Watched()
            _end_with_us = Companions(engine.renew, watched, board).fork(generation)
            watched.close()
            for level, text in conf.notices:
                generation.error_log.log(level, text)
            if short := descriptor_limit.raise_limit(configuration):
                generation.error_log.log(error_log.WARN, short)
            if conf.account is not None:
                assume(conf.account)
            start = WorkerStart(
                0, generation.number, configuration, generation.listeners.sockets, generation.logs.fds, board,
                control, True, renewal=generation.renewal,
            )  # fmt: skip
            started()
            notifier.ready()
            engine.serve(start)
            notifier.stopping()
            _end_keeper(control)
        finally:
            pidfile.remove(conf.pid_file)
    finally:
        generation.close()
    reap_all()


def _end_keeper(control: socket.socket) -> None:
    """Let the process that keeps zygotes end, and wait for that, or for `LAST_ONES`."""
    with control:
        control.settimeout(LAST_ONES)
        try:
            control.shutdown(socket.SHUT_WR)
            while control.recv(MESSAGE):
                pass
        except OSError:
            pass  # it is gone, or takes too long
