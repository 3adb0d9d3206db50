"""WebSockets as people install them, with real clients: Flask-Sock, Flask-SocketIO, and pywebsocket3 in a phase."""

from __future__ import annotations

import http.client
import importlib.util
import itertools
import threading
from collections.abc import Callable

import pytest

from conftest import StartServer
from support.pages import blocks, page
from support.processes import PROJECT
from support.server import BACKENDS, MPMS, Server
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


#: pywebsocket3 asks for a request as mod_python has it, in the phase that its Apache's module was for.
HANDSHAKE = """
from mod_python import apache
from pywebsocket3.dispatch import Dispatcher
from pywebsocket3.handshake import HandshakeException, do_handshake

dispatchers = {}


def headerparserhandler(req):
    root = req.get_options()["websocket.handlers"]
    dispatcher = dispatchers.get(root) or dispatchers.setdefault(root, Dispatcher(root, None))
    if dispatcher.get_handler_suite(req.uri) is None:
        return apache.DECLINED
    try:
        do_handshake(req, dispatcher)
    except HandshakeException as error:
        req.log_error(f"no WebSocket: {error}")
        return error.status
    dispatcher.transfer_data(req)
    req.assbackwards = 1
    return apache.DONE
"""

ECHO = """
def web_socket_do_extra_handshake(request):
    if request.ws_origin == "http://elsewhere.test":
        raise ValueError("not from there")
    if request.ws_requested_protocols:
        request.ws_protocol = request.ws_requested_protocols[-1]


def web_socket_transfer_data(request):
    while (message := request.ws_stream.receive_message()) is not None:
        request.ws_stream.send_message(message, binary=isinstance(message, bytes))
"""

PHASES = """
PythonOption websocket.handlers ${ROOT}/www/handlers
PythonPath "sys.path + ['${WWW}']"
PythonHeaderParserHandler handshake
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


@pytest.mark.parametrize(("kind", "mpm"), list(itertools.product(KINDS, MPMS)))
def test_pywebsocket(start_server: StartServer, kind: str, mpm: str) -> None:
    for needed in ("pywebsocket3", "websocket"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed: tools/test --apps")
    from websocket import WebSocketBadStatusException, create_connection

    files = {"handshake.py": HANDSHAKE, "handlers/echo_wsh.py": ECHO, "page.txt": "a page"}
    server = start_server(PHASES, files, backend=kind, mpm=mpm, workers=3, mode="foreground")
    url = f"ws://127.0.0.1:{server.port}"
    # (two at a time: each has a worker, or a thread, of its own as long as it lasts)
    connections = [create_connection(f"{url}/echo", timeout=PATIENCE, subprotocols=["a", "b"]) for _ in range(2)]
    for text in ("Zoë", "x" * 200_000, ""):
        for connection in connections:
            connection.send(text)
            assert connection.recv() == text
    for connection in connections:
        assert connection.subprotocol == "b"
        connection.send_binary(bytes(range(256)))
        assert connection.recv() == bytes(range(256))
        connection.ping("still there?")
        connection.close(timeout=PATIENCE)
    for path, origin, status in (("/none", None, 404), ("/echo", "http://elsewhere.test", 403)):
        with pytest.raises(WebSocketBadStatusException) as caught:
            create_connection(f"{url}{path}", timeout=PATIENCE, origin=origin)
        assert caught.value.status_code == status
    assert server.get("/echo").status == 400
    assert server.get("/page.txt").text == "a page"
    assert "Traceback" not in server.log()
