"""The fork of a worker, and what becomes of the process in it."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable, Iterable
from functools import partial

from mpserver.api import error_log
from mpserver.api.error_log import ErrorLog
from mpserver.errors import StartError
from mpserver.system.account import Account, assume
from mpserver.system.process import close_inherited, fork, reset_signals, set_title
from mpserver.typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from mpserver.supervisor.worker_start import WorkerStart

#: A worker's exit status when it could not start at all, as httpd's APEXIT_CHILDFATAL.
FATAL = 15

#: A worker's life, from its start to its end.
Serve = Callable[["WorkerStart"], None]


def control_pair() -> tuple[socket.socket, socket.socket]:
    """The control socket between a master and a worker: the master's end, which does not block, and the worker's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


def fork_worker(start: WorkerStart, serve: Serve, account: Account | None, log: ErrorLog) -> int:
    """Fork a worker into its slot. Returns in the master only.

    :param account: whom it becomes; None: it stays who we are.
    :param log: where it tells why it can't start.
    :returns: its process number.
    :raises OSError: the system has no room for another process.
    """
    start.scoreboard.prepare(start.number)
    try:
        return fork(partial(_become_worker, start, serve, account, log))
    except OSError:
        start.scoreboard.leave(start.number)
        raise


def _become_worker(
    start: WorkerStart, serve: Serve, account: Account | None, log: ErrorLog, blocked: Iterable[int]
) -> NoReturn:
    """The child's life, from the fork to its end.

    It lets go of everything of the master's (signals, descriptors, rights) before any engine or application code
    runs; nothing of the master's is run or cleaned up.
    """
    status = FATAL
    try:
        reset_signals(blocked)
        for number, fd in start.apart.items():
            os.dup2(fd, number, inheritable=False)
        listeners = (sock.fileno() for sock in start.listeners)
        close_inherited(
            [
                start.control.fileno(),
                start.scoreboard.fd,
                *start.configuration.fds,
                log.fd,
                *start.logs.values(),
                *listeners,
                *((start.marks,) if start.marks >= 0 else ()),
            ]
        )
        set_title(f"mpserver: worker {start.number}")
        if account is not None:
            assume(account)
        serve(start)
        status = 0
    except StartError as error:
        log.log(error_log.CRIT, str(error))
    except BaseException:
        # The end of the process: whatever it was, it goes to the log, and the master sees the status.
        log.log(error_log.CRIT, "the worker failed:\n" + traceback.format_exc())
    finally:
        os._exit(status)
