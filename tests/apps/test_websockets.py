"""WebSockets of WSGI applications: Flask-Sock and Flask-SocketIO as people install them, with real clients."""

from __future__ import annotations

import http.client
import importlib.util
import threading
from collections.abc import Callable

import pytest

from conftest import StartServer
from support.pages import blocks, page
from support.processes import PROJECT
from support.server import BACKENDS, Server
from support.waiting import PATIENCE

pytestmark = pytest.mark.apps

KINDS = (*BACKENDS, "auto")

SOCKETIO = PROJECT / "tools" / "wsgi_apps" / "socketio_threads.py"

CONF = """
<Location />
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application site_app
    PythonPath "sys.path + ['${WWW}']"
</Location>
"""


@pytest.fixture(params=KINDS)
def begin(request: pytest.FixtureRequest, start_server: StartServer) -> Callable[[str, str], Server]:
    """Starts a server with an application that needs some package."""

    def start(package: str, source: str) -> Server:
        for needed in (package, "websocket"):
            if importlib.util.find_spec(needed) is None:
                pytest.skip(f"{needed} is not installed: tools/test --apps")
        return start_server(CONF, {"site_app.py": source}, backend=request.param, mpm="worker", threads=12)

    return start


def test_the_pages_websocket(begin: Callable[[str, str], Server]) -> None:
    server = begin("flask_sock", blocks(page("wsgi.md"))["chat.py"])
    from websocket import create_connection

    failed: list[str] = []

    def talk(number: int) -> None:
        connection = create_connection(f"ws://127.0.0.1:{server.port}/echo", timeout=PATIENCE)
        for text in (f"Zoë {number}", "x" * 200_000, "last"):
            connection.send(text)
            if connection.recv() != text:
                failed.append(text[:20])
        connection.close()

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failed
    assert not any(thread.is_alive() for thread in threads)
    assert server.get("/echo").status == 400
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("ways", [["polling"], ["websocket"], ["polling", "websocket"]], ids="+".join)
def test_socketio(begin: Callable[[str, str], Server], ways: list[str]) -> None:
    server = begin("flask_socketio", SOCKETIO.read_text())
    import socketio

    if server.backend == "own":
        pytest.skip("its heart beats in a daemon thread: auto gives it a process")
    first = http.client.HTTPConnection("127.0.0.1", server.port, timeout=4 * PATIENCE)
    first.request("GET", "/")  # (it loads all of Socket.IO, under auto in a subinterpreter and then in a process)
    assert first.getresponse().read() == b"index"
    first.close()
    with socketio.SimpleClient() as client:
        client.connect(f"http://127.0.0.1:{server.port}", transports=ways)
        client.emit("shout", "Zoë")
        assert client.receive(timeout=PATIENCE) == ["heard", "ZOË"]
