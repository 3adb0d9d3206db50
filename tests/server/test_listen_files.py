"""``Listen unix:PATH``, behind nginx too, and sockets that are passed to the server as systemd does it."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from pathlib import Path

import pytest

from conftest import StartServer
from support.nginx import Nginx
from support.processes import alive
from support.server import BACKENDS, EACH_AND_THREADS, Server, receive_all, receive_until
from support.waiting import PATIENCE, wait_for

CONF = """
Listen unix:run/site.sock mode=${MODE}
KeepAliveTimeout 60
PythonPath "sys.path+['${WWW}']"
LogFormat "%h %p %s %U" short
CustomLog logs/access.log short
SetHandler mod_python
PythonHandler app
<Location /local>
    Require local
</Location>
<VirtualHost *:80>
    ServerName localhost
</VirtualHost>
<VirtualHost *:80>
    ServerName other.test
    PythonHandler app
    <Location />
        PythonOption host other
    </Location>
</VirtualHost>
"""

APP = """
from mod_python import apache


def handler(req):
    req.add_common_vars()
    told = (
        req.get_options().get("host", "main"), req.connection.remote_ip, str(req.connection.remote_addr),
        str(req.connection.local_addr), req.subprocess_env["SERVER_PORT"], str(len(req.read())),
    )
    text = " | ".join(told)
    req.set_content_length(len(text))
    req.write(text)
    return apache.OK
"""


def dial(file: Path) -> socket.socket:
    """A connection to a socket's file."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE)
    try:
        sock.connect(str(file))
    except OSError:
        sock.close()
        raise
    return sock


def ask(file: Path, path: str = "/", host: str = "localhost", body: bytes = b"") -> str:
    """The body of an answer."""
    with dial(file) as sock:
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        sock.sendall(head.encode() + body)
        answer = receive_all(sock).decode()
    assert answer.startswith("HTTP/1.1 200 OK\r\n"), answer
    return answer.partition("\r\n\r\n")[2]


def answers(file: Path) -> bool:
    """Whether somebody answers."""
    try:
        return bool(ask(file))
    except OSError:
        return False


@pytest.fixture(scope="module", params=EACH_AND_THREADS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    kind, mpm = request.param
    return start_module_server(
        CONF, {"app.py": APP}, mode="foreground", backend=kind, mpm=mpm, variables={"MODE": "0600"}
    )


@pytest.fixture
def file(server: Server) -> Path:
    """Where the server listens."""
    return server.root / "run" / "site.sock"


def test_requests_come_by_a_file(server: Server, file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    here = "127.0.0.1 | ('127.0.0.1', 0) | ('127.0.0.1', 80) | 80"
    assert ask(file, body=b"x" * 300000) == f"main | {here} | 300000"
    assert ask(file, "/local") == f"main | {here} | 0"
    assert ask(file, host="other.test") == f"other | {here} | 0"
    server.wait_for_log("127.0.0.1 80 200 /local\n", "access.log")
    with dial(file) as sock:
        for _ in range(3):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            receive_until(sock, b"| 0")
    assert server.get("/").text.startswith("main | 127.0.0.1 | ('127.0.0.1', ")


def test_a_restart_keeps_the_file_and_says_who_may_come(server: Server, file: Path) -> None:
    before = file.stat()
    with dial(file) as kept:
        kept.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        receive_until(kept, b"| 0")
        text = server.conf.read_text()
        server.conf.write_text(text.replace('MODE "0600"', 'MODE "0666"'))
        server.command("-k", "graceful")
        assert file.stat().st_ino == before.st_ino
        assert stat.S_IMODE(file.stat().st_mode) == 0o666
        kept.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        receive_until(kept, b"| 0")
    assert ask(file).startswith("main")
    server.conf.write_text(text)
    server.command("-k", "graceful")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_restart_changes_the_rights_of_nothing_else(server: Server, file: Path) -> None:
    """Whoever may write to the folder has put a link in its place."""
    victim, kept = server.root / "victim", file.with_name("kept")
    victim.touch(mode=0o600)
    text = server.conf.read_text()
    file.rename(kept)
    file.symlink_to(victim)
    server.conf.write_text(text.replace('MODE "0600"', 'MODE "0666"'))
    try:
        done = server.command("-k", "graceful", check=False)
        assert done.returncode == 1
        assert "another file has taken its place" in done.stderr
        assert stat.S_IMODE(victim.stat().st_mode) == 0o600
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    finally:
        kept.rename(file)
        server.conf.write_text(text)
    server.command("-k", "graceful")
    assert ask(file).startswith("main")


def test_behind_nginx(server: Server, file: Path, tmp_path: Path) -> None:
    with Nginx(tmp_path / "nginx", [], [f"unix:{file}"]) as nginx:
        status, text = nginx.post("/", {"Host": "other.test"})
    assert status == 200
    assert text.startswith("other | 127.0.0.1 | ('127.0.0.1', 0)")


def test_its_life(start_server: StartServer) -> None:
    """What a killed server left is replaced, a file of others is not; the file goes with the server."""
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=BACKENDS[0], variables={"MODE": "0660"})
    file = server.root / "run" / "site.sock"
    assert ask(file)
    refused = server.command("-C", "PidFile run/second.pid", "-c", "PidFile run/second.pid", "-X", check=False)
    assert refused.returncode == 1
    assert server.master is not None
    family = server.workers()
    server.master.kill()
    wait_for(lambda: not any(map(alive, family)), "the workers to end")
    assert server.process is not None
    server.process.wait()
    assert file.exists()
    server.start()
    wait_for(
        lambda: answers(file), "it to serve there"
    )  # (it has its port before, and the killed one's control socket)
    server.send(signal.SIGWINCH)
    wait_for(lambda: not file.exists(), "the file to go")
    server.process.wait(PATIENCE)
    file.write_text("not a socket")
    done = server.command("-X", check=False)
    assert done.returncode == 1
    assert f"could not bind to address unix:{file}" in done.stderr
    assert file.read_text() == "not a socket"


#: Opens sockets as systemd does for a .socket unit, and becomes the server.
ACTIVATE = """
import os, socket, sys
port, file, pid, *command = sys.argv[1:]
web = socket.socket()
web.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
web.bind(("127.0.0.1", int(port)))
web.listen()
site = socket.socket(socket.AF_UNIX)
site.bind(file)
site.listen()
for number, sock in ((10, web), (11, site)):
    os.dup2(sock.fileno(), number)
for number in (3, 4):
    os.dup2(number + 7, number, inheritable=True)
os.environ.update(LISTEN_FDS="2", LISTEN_FDNAMES="web:site", LISTEN_PID=pid if pid != "own" else str(os.getpid()))
os.execvp(command[0], command)
"""


def test_sockets_are_taken_by_name_and_by_address(tmp_path: Path) -> None:
    """The port is one that a Listen names, the file one that its name stands for; both stay over restarts."""
    conf = CONF.replace("Listen unix:run/site.sock mode=${MODE}", "ListenFdName site")
    app = APP + "\nimport os\nassert 'LISTEN_FDS' not in os.environ\n"
    server = Server(tmp_path / "server", conf, {"app.py": app}, mode="foreground", backend=BACKENDS[0])
    passed = tmp_path / "passed.sock"
    server.prefix = (sys.executable, "-c", ACTIVATE, str(server.port), str(passed), "own")
    with server:
        for _ in range(2):
            assert ask(passed).startswith("main | 127.0.0.1")
            assert server.get("/").text.startswith("main | 127.0.0.1")
            server.command("-k", "graceful")
        server.stop()
    assert passed.exists()  # it is systemd's


def test_a_name_that_was_not_passed_is_told(tmp_path: Path) -> None:
    server = Server(tmp_path, "ListenFdName web\n", mode="foreground")
    try:
        done = server.command("-DFOREGROUND", check=False)
        assert done.returncode == 1
        assert "ListenFdName web: no socket of that name was passed to the server (there is none)" in done.stderr
    finally:
        server.close()


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("Listen unix:", "has no path"),
        ("Listen unix:run/x mode=9", "is no mode of a file"),
        ("Listen unix:run/x mode=01777", "is no mode of a file"),
        ("Listen unix:run/x colour=red", "'colour=red' is no option: write unix:PATH, and optionally mode=0660"),
        ("Listen unix:run/x https", "Let the proxy before it speak TLS"),
        ("Listen unix:run/x owner=nobody-of-this-name", "nobody-of-this-name"),
        ("Listen unix:no/folder/x", "could not bind to address unix:"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, line: str, fault: str) -> None:
    server = Server(tmp_path, line + "\n", mode="foreground")
    try:
        done = server.command("-DFOREGROUND", check=False)
        assert done.returncode == 1
        assert fault in done.stderr
    finally:
        server.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_whose_it_is(start_server: StartServer) -> None:
    server = start_server(
        CONF.replace("mode=${MODE}", "owner=nobody group=daemon"),
        {"app.py": APP},
        mode="foreground",
        backend=BACKENDS[0],
    )
    file = server.root / "run" / "site.sock"
    assert (file.owner(), file.group()) == ("nobody", "daemon")
    assert stat.S_IMODE(file.stat().st_mode) == 0o660
    assert ask(file)
