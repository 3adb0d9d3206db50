"""An interpreter that starts in one worker keeps nobody waiting whom another worker can serve."""

from __future__ import annotations

import contextlib
import select

import pytest

from conftest import StartServer
from mpserver.routing.heirs import TAKEN
from support.server import BACKENDS, MPMS, Server, receive_all
from support.waiting import wait_for

CONF = """
PythonPath "sys.path+['${WWW}']"
PythonImport app localhost
<Location />
    SetHandler mod_python
    PythonHandler app
</Location>
"""

#: It loads at once where it is the first, and else waits until it may go on.
APP = """
import os
import time

from mod_python import apache

here = os.path.dirname(__file__)


def there(name):
    return os.path.join(here, name)


try:
    os.close(os.open(there("first"), os.O_CREAT | os.O_EXCL))
except FileExistsError:
    open(there("starts"), "w").close()
    until = time.monotonic() + 60
    while not os.path.exists(there("go")) and time.monotonic() < until:
        time.sleep(0.01)


def handler(req):
    req.write("number %d" % req.connection.id)
    return apache.OK
"""

#: How long clients wait for their answers, in seconds: longer ones wait for the other worker.
PATIENCE = 1.0
#: So many come at a time, so that each worker accepts some.
CLIENTS = 8


def _was_passed(server: Server, stack: contextlib.ExitStack) -> bool:
    """Whether one of some requests that come now is answered by another worker than the one that accepted it.

    (It may wait for that: where the other one is just in a request that takes some time.)
    """
    clients = [stack.enter_context(server.dial()) for _ in range(CLIENTS)]
    for client in clients:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
    answered, _, _ = select.select(clients, [], [], PATIENCE)
    numbers = [receive_all(client).rpartition(b"number ")[2] for client in answered]
    return any(int(number) >= TAKEN << 16 for number in numbers)


# (a process is forked from one that has loaded the application, once for all workers)
@pytest.mark.parametrize("mpm", MPMS)
@pytest.mark.parametrize("kind", [kind for kind in BACKENDS if kind != "process"])
def test_who_comes_while_it_starts_is_served_elsewhere(start_server: StartServer, kind: str, mpm: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=kind, mpm=mpm, workers=2)
    wait_for((server.www / "starts").exists, "two workers to load the application")
    try:
        with contextlib.ExitStack() as clients:
            wait_for(
                lambda: _was_passed(server, clients), "a request to be passed on by the worker that can't serve it"
            )
    finally:
        (server.www / "go").touch()
