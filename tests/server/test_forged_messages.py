"""Messages that an application makes up: what runs under another account believes none of what could harm it.

The application of ``/forge`` has an account of its own and writes to the inbox that its interpreter shares with the
worker; that of ``/order`` runs in the worker, and writes to the socket that this shares with the master.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Server
from support.waiting import wait_for

FORGER = '''
import fcntl
import os
import pickle
import socket
import struct
import time
from mod_python import apache
from mpserver.ipc import messages
from mpserver.ipc.plain_data import pack as dumps

HERE = os.path.dirname(os.path.abspath(__file__))
PROOF = os.path.join(os.path.dirname(HERE), "proof")
HEAD = b"GET /%s HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n"


class Evil:
    def __reduce__(self):
        return os.mkdir, (PROOF,)


EVIL = pickle.dumps(Evil())


def sockets():
    """The sockets for messages that this process has."""
    for name in os.listdir("/proc/self/fd"):
        try:
            sock = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        if sock.family == socket.AF_UNIX and sock.type == socket.SOCK_SEQPACKET:
            yield sock


def members(**more):
    return {"mp_uri": "/victim", "mp_method": "GET", "mp_user": "joe", "mp_admitted": True, **more}


def chain(place=None, own=None, **more):
    return [(place, members(**more), {"mp_notes": [("a", "note")]}, own or {})]


def moved(stage, chain):
    begun = {"mp_started": False, "mp_finished": False}
    return dumps((stage, 0, chain, begun, b"", True, 0, None, (("1.2.3.4", 1), ("1.2.3.4", 2))))


STEPS, CONTENT, LOCATE = 0, 1, 4
ADDED = {"PythonFixupHandler": [("evil::handler", HERE + "/evil/", False, False)]}

#: The state of the message, what is on its connection, and the path that its head asks for.
FORGED = {
    "pickle": (EVIL, b"", b"victim"),
    "luggage": (b"", EVIL, b"victim"),
    "origin": (b"", b"", b"victim"),
    "objects": (moved(LOCATE, chain(own={"own": EVIL})), dumps((None, {"own": EVIL})), b"victim"),
    "handlers": (moved(STEPS, chain(("/victim", HERE + "/victim", None), mp_added=ADDED)), b"", b"victim"),
    "file": (moved(CONTENT, chain(("/static.txt", "/etc/passwd", None), mp_uri="/static.txt",
                                  mp_filename="/etc/passwd")), b"", b"static.txt"),
    "admitted": (moved(CONTENT, chain(("/closed.txt", HERE + "/closed.txt", None), mp_uri="/closed.txt")), b"",
                 b"closed.txt"),
    "passed": (moved(LOCATE, chain(mp_uri="/closed.txt", mp_passed={
        "access_checker_ex /closed.txt": 0, "(of accounts) access_checker_ex /closed.txt": 0,
    })), b"", b"closed.txt"),
    "client": (moved(LOCATE, chain(mp_uri="/near.txt", mp_agent=("198.51.100.1", 1), mp_begun=True)), b"",
               b"near.txt"),
    "user": (moved(LOCATE, chain(mp_uri="/joes.txt", mp_ap_auth_type="Basic", mp_claimed=("joe", "Basic"))), b"",
             b"joes.txt"),
    "nobody": (moved(LOCATE, []), b"", b"victim"),
    "shape": (moved(LOCATE, chain(mp_status="200")), b"", b"victim"),
}


def forge(req):
    """Send a made-up message on the inbox, and tell what came back over the connection in it."""
    what, _, kind = req.args.partition(",")
    if what == "overwrite":
        return overwrite(req)
    ours, theirs = socket.socketpair()
    state, luggage, path = FORGED[what]
    message = messages.Message(
        messages.Kind.MOVED, theirs.fileno(), HEAD % path, 1, 1 << 40, time.time(),
        dumps(((kind, "victim", ()), state)) if state else b"", luggage=luggage,
        origin=b"made up" if what == "origin" else b"",
    )
    [inbox] = sockets()
    messages.send(inbox, message if state else message._replace(kind=messages.Kind.CONNECTION))
    theirs.close()
    ours.settimeout(20)
    said = b""
    while data := ours.recv(65536):
        said += data
    req.content_type = "text/plain"
    req.write(said, 0)
    return apache.OK


def overwrite(req):
    """Try to change what others read of the configuration and the engine: tell how many files allowed it."""
    changed = seen = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith(("/memfd:mpserver-settings", "/memfd:mpserver-engine")):
                seen += 1
                os.pwrite(int(name), os.pread(int(name), 1, 0), 0)
                changed += 1
        except OSError:
            pass
    req.write("%s of them" % changed if seen else "none was there", 0)
    return apache.OK


def facts(req):
    """A request that has come from another interpreter: tell that one something made up of the answer."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:") and fcntl.fcntl(fd, fcntl.F_GETFL) & 1:
                os.set_blocking(fd, False)
                os.write(fd, struct.pack("!I", len(EVIL)) + EVIL)
        except OSError:
            pass
    req.write("told", 0)
    return apache.OK


def order(req):
    """Ask the master for a process of root's."""
    if req.args == "overwrite":
        return overwrite(req)
    with open(HERE + "/program", "w") as file:
        file.write(f"#!/bin/sh\\nmkdir {PROOF}\\n")
    os.chmod(HERE + "/program", 0o755)
    environment = (("python", HERE + "/program"), ("user", ("root", "")))
    for sock in sockets():
        peer = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        if peer == os.getppid():
            ours, theirs = socket.socketpair()
            made_up = dumps((("process", "made up", environment), 1, 0))
            socket.send_fds(sock, [made_up], [ours.fileno(), theirs.fileno()])
    req.write(str(os.geteuid()), 0)
    return apache.OK
'''

VICTIM = """
import os
from mod_python import apache


def early(req):
    req.register_cleanup(lambda data: None)
    return apache.OK


def handler(req):
    req.content_type = "text/plain"
    own = getattr(req, "own", None), getattr(req.connection, "own", None)
    req.write("served %s %s %s" % (os.geteuid(), own, req.notes.get("a")), 0)
    return apache.OK
"""

EVIL = """
import os
os.mkdir({proof!r})
def handler(req):
    return 0
"""

CONF = """
CustomLog logs/access.log "%r %>s"
<Location /victim>
    SetHandler mod_python
    PythonPath "sys.path + ['${WWW}']"
    PythonHandler victim
    PythonInterpreter victim
</Location>
<Location /order>
    SetHandler mod_python
    PythonPath "sys.path + ['${WWW}']"
    PythonHandler forger::order
    PythonInterpreter main_interpreter
</Location>
<Location /forge>
    SetHandler mod_python
    PythonPath "sys.path + ['${WWW}']"
    PythonHandler forger::forge
    PythonInterpreter forge
    PythonInterpUser nobody
    PythonInterpBackend process
</Location>
<VirtualHost *:${PORT}>
    ServerName early
    PythonInterpreter victim
    PythonPath "sys.path + ['${WWW}']"
    PythonPostReadRequestHandler victim::early
    <Location /facts>
        SetHandler mod_python
        PythonHandler forger::facts
        PythonInterpreter forge
        PythonInterpUser nobody
        PythonInterpBackend process
    </Location>
</VirtualHost>
<Files closed.txt>
    Require all denied
</Files>
<Files near.txt>
    Require ip 198.51.100.1
</Files>
<Files joes.txt>
    AuthType Basic
    AuthName joes
    AuthUserFile /dev/null
    Require user joe
</Files>
"""

FILES: dict[str, str | bytes] = {
    "forger.py": FORGER, "victim.py": VICTIM, "static.txt": "static\n", "closed.txt": "closed\n",
    "near.txt": "near\n", "joes.txt": "joes\n",
}  # fmt: skip

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run applications as other users")


GIVEN_UP = "interpreter 'forge' is given up, for what it sends can't be: "


def proof(server: Server) -> Path:
    """What is there once something of the forger's has run elsewhere."""
    return server.root / "proof"


@pytest.fixture(params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_open_server: StartServer) -> Server:
    """One with the forger; its victims are of each kind."""
    backend, mpm = request.param
    server = start_open_server(CONF, FILES, mode="daemon", backend=backend, mpm=mpm)
    (server.www / "evil").mkdir()
    (server.www / "evil" / "evil.py").write_text(EVIL.format(proof=str(proof(server))))
    assert server.get("/victim").text == "served 0 (None, None) None"
    return server


def forged(server: Server, what: str) -> str:
    """What came back over the connection of a made-up message; "" where it was closed."""
    kind = server.backend
    reply = server.get(f"/forge?{what},{kind}")
    return reply.text if reply.status == 200 else ""


def test_what_another_account_makes_up_runs_and_reads_nothing(server: Server) -> None:
    for number, what in enumerate(("pickle", "luggage", "origin", "nobody", "shape"), 1):
        assert forged(server, what) == ""
        wait_for(lambda n=number: server.log().count(GIVEN_UP) == n, what)  # type: ignore[misc]
        assert server.get("/victim").text.startswith("served 0 ")
        assert not proof(server).exists(), what
    for path in ("/forge?overwrite", "/order?overwrite"):
        assert server.get(path).text == "0 of them"
    assert "served 0 (None, None) note" in forged(server, "objects")
    server.wait_for_log("req.own, connection.own did not go along")
    assert "served 0 (None, None) note" in forged(server, "handlers")
    server.wait_for_log("handlers that were added did not go along")
    answer = forged(server, "file")
    assert answer.startswith("HTTP/1.1 200 ")
    assert answer.endswith("\r\n\r\nstatic\n")
    refused = {what: forged(server, what)[:13] for what in ("admitted", "passed", "client")}
    assert refused == dict.fromkeys(refused, "HTTP/1.1 403 ")
    assert forged(server, "user").startswith("HTTP/1.1 401 ")
    assert server.get("/facts", headers={"Host": "early"}).text == "told"
    server.wait_for_log("what was said of the answer to /facts can't be: ")
    server.wait_for_log("GET /facts", "access.log")
    assert server.get("/order").text == "0"
    server.wait_for_log("gives 'made up' another environment")
    assert server.get("/victim").text.startswith("served 0 ")
    assert not proof(server).exists()
