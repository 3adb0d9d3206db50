"""What a server has once, and takes along to another configuration: pid file, control socket, ManagementListen."""

from __future__ import annotations

import os

from mpserver.errors import StartError
from mpserver.ipc import control_path
from mpserver.supervisor.control_socket import ControlSocket
from mpserver.supervisor.management import Management
from mpserver.supervisor.settings import ProcessSettings
from mpserver.system import pidfile


def take(before: ProcessSettings, now: ProcessSettings, control: ControlSocket, management: Management) -> None:
    """Have them where another configuration wants them.

    :raises StartError: one can't be had; all are where they were.
    """
    management.open(now.management)
    if before.pid_file == now.pid_file:
        _make_again(now.pid_file, control)
        return
    try:
        pidfile.claim(now.pid_file)
        try:
            control.open(control_path.path(now.pid_file))
        except StartError:
            pidfile.remove(now.pid_file)
            raise
    except StartError:
        management.open(before.management)
        raise
    pidfile.remove(before.pid_file)


def _make_again(pid_file: str, control: ControlSocket) -> None:
    """Have the files that somebody has removed, if that can be: the server goes on without them otherwise."""
    try:
        found = pidfile.look(pid_file)
        if found.pid is None:
            pidfile.claim(pid_file)
        elif found.pid != os.getpid():
            return  # (it is another server's by now)
        control.open(control_path.path(pid_file))
    except (StartError, OSError):
        pass
