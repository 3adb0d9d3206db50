"""Where the requests of a WSGI script run: mod_wsgi's groups, as names and surroundings of interpreters.

The interpreters of a process group are processes of their own, one in each worker for each application group. Without
one they are the server's, and may be subinterpreters; the application group ``%{GLOBAL}`` is the main interpreter then.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache

from mpserver.modules import python, wsgi
from mpserver.modules.python.environment import ENVIRONMENT, PYTHON, Environment, plain
from mpserver.modules.wsgi import BETWEEN
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.config.server import Server
    from mpserver.config.settings import Conf

#: The name of a worker's own interpreter (manual 4.1).
MAIN = "main_interpreter"
#: The ports that are left out of names.
USUAL_PORTS = (0, 80, 443)


class Place(NamedTuple):
    """An interpreter for scripts, and how it finds their modules.

    ``path``: as PythonPath has it. ``daemon``: None where no process group is meant, or where it is not there.
    """

    name: str
    kind: str
    environment: Environment
    path: str | None
    process_group: str
    application_group: str
    daemon: wsgi.Daemon | None


def process_group(conf: Conf) -> str:
    """The process group of a scope's requests; "": none."""
    mount = conf[wsgi.MOUNT]
    own = mount.process_group if mount is not None else None
    return conf[wsgi.PROCESS_GROUP] if own is None else own


def application_group(conf: Conf, server_name: str, port: int, script: str) -> str:
    """The application group of a scope's requests, spelled out.

    :param script: SCRIPT_NAME, or the file where several of these lead to it.
    """
    mount = conf[wsgi.MOUNT]
    own = mount.application_group if mount is not None else None
    return spelled(conf[wsgi.APPLICATION_GROUP] if own is None else own, server_name, port, script)


def spelled(group: str, server_name: str, port: int, script: str) -> str:
    """What the name of an application group stands for on a server."""
    if group == wsgi.GLOBAL:
        return ""
    host = server_name if port in USUAL_PORTS else f"{server_name}:{port}"
    if group == wsgi.SERVER:
        return host
    return f"{host}{BETWEEN}{script}" if group == wsgi.RESOURCE else group


def port_of(server: Server) -> int:
    """The port that a server is known by: that of its ServerName, else of its first address; 0: neither has one."""
    if server.port:
        return server.port
    for address in server.addresses:
        port = address.rpartition(":")[2]
        if port.isdecimal():
            return int(port)
    return 0


def place(server: Server, conf: Conf, host_name: str, script: str) -> Place:
    """Where a script's requests run.

    :param conf: what holds for them, with their `wsgi.MOUNT`.
    :param script: see `application_group`.
    """
    return grouped(server, conf, process_group(conf), application_group(conf, host_name, port_of(server), script))


def grouped(server: Server, conf: Conf, process: str, application: str) -> Place:
    """The place of two groups."""
    own = plain(conf[ENVIRONMENT])
    if process:
        daemon = server.conf[wsgi.DAEMONS].get(process)
        environment, folders = (daemon.environment, daemon.path) if daemon is not None else ((), ())
        name, kind = f"{process}{BETWEEN}{application}" if application else process, "process"
    else:
        daemon, folders = None, server.conf[wsgi.PYTHON_PATH]
        home = server.conf[wsgi.PYTHON_HOME]
        environment = () if home is None else of_home(home)
        kind = conf[python.INTERP_BACKEND]
        name = conf[python.PYTHON_INTERPRETER] or application or MAIN
    if own:
        environment = tuple(sorted({**dict(environment), **dict(own)}.items()))
    return Place(name, kind, environment, expression(conf, folders), process, application, daemon)


def expression(conf: Conf, folders: tuple[str, ...]) -> str | None:
    """PythonPath, or what these folders in front of ``sys.path`` are as one."""
    said = conf[python.PYTHON_PATH]
    return said if said is not None or not folders else f"{list(folders)!r} + sys.path"


@lru_cache(maxsize=64)
def of_home(home: str) -> Environment:
    """What the home of a Python (a virtual environment) means for interpreters; nothing if it is this server's own."""
    if os.path.realpath(home) in (os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix)):
        return ()
    return ((PYTHON, os.path.join(home, "bin", "python3")),)
