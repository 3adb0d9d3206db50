"""The service manager keeps the listening sockets over a start: a stand-in for systemd, with its notify socket."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartServer
from support.processes import alive
from support.server import BACKENDS, Server, receive_all
from support.waiting import PATIENCE, wait_for

CONF = """
Listen unix:run/site.sock
<IfDefine !LESS>
    Listen unix:run/other.sock
</IfDefine>
PythonPath "sys.path+['${WWW}']"
SetHandler mod_python
PythonHandler app
"""

APP = """
import os
from mod_python import apache

assert "FDSTORE" not in os.environ and "LISTEN_FDS" not in os.environ


def handler(req):
    req.write("x")
    return apache.OK
"""

#: Gets the sockets that are kept, as systemd passes them, and becomes the server.
PASS = """
import os, socket, sys
hand, *command = sys.argv[1:]
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect(hand)
    names, fds, *_ = socket.recv_fds(sock, 65536, 100)
for number, fd in enumerate(fds):
    os.dup2(fd, 200 + number)
for number in range(len(fds)):
    os.dup2(200 + number, 3 + number, inheritable=True)
os.closerange(3 + len(fds), 400)
os.environ.update(LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names.decode().strip(), LISTEN_PID=str(os.getpid()))
os.execvp(command[0], command)
"""


class Manager:
    """What systemd does of it: it hears messages, keeps descriptors by names, and passes them to who is started."""

    def __init__(self, folder: Path) -> None:
        self.notify, self.hand = folder / "notify", folder / "hand"
        self.kept: dict[str, list[int]] = {}
        self.status = ""
        self._over = False
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(self.notify))
        self._starts = socket.socket(socket.AF_UNIX)
        self._starts.bind(str(self.hand))
        self._starts.listen()
        self._threads = [threading.Thread(target=self._hear), threading.Thread(target=self._pass)]
        for thread in self._threads:
            thread.start()

    def _hear(self) -> None:
        while True:
            data, fds, *_ = socket.recv_fds(self._told, 65536, 100)
            said = dict(line.partition("=")[::2] for line in data.decode().splitlines())
            self.status = said.get("STATUS", self.status)
            if "END" in said:
                return
            if "FDSTORE" in said:
                self._keep(said["FDNAME"], fds)
                continue
            if "FDSTOREREMOVE" in said:
                self._close(said["FDNAME"])
            for fd in fds:  # (of BARRIER=1: what came before is done)
                os.close(fd)

    def _keep(self, name: str, fds: list[int]) -> None:
        """Keep those that are no duplicates of what is kept."""
        kept = list(self.kept.get(name, []))
        for fd in fds:
            if any(os.path.sameopenfile(fd, one) for one in kept):
                os.close(fd)
            else:
                kept.append(fd)
        self.kept[name] = kept

    def _close(self, name: str) -> None:
        for fd in self.kept.pop(name, []):
            os.close(fd)

    def _pass(self) -> None:
        while True:
            sock, _ = self._starts.accept()
            with sock:
                if self._over:
                    return
                pairs = [(name, fd) for name, fds in list(self.kept.items()) for fd in fds]
                names = ":".join(name for name, _fd in pairs)
                socket.send_fds(sock, [names.encode() + b"\n"], [fd for _name, fd in pairs])

    def close(self) -> None:
        """End it."""
        self._over = True
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"END=1", str(self.notify))
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.hand))
        for thread in self._threads:
            thread.join()
        for name in list(self.kept):
            self._close(name)
        self._told.close()
        self._starts.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    made = Manager(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(made.notify))
    monkeypatch.setenv("FDSTORE", "16")
    yield made
    made.close()


def asked(server: Server) -> list[socket.socket]:
    """Connections by the port and by the file, with a request each, whether or not anybody serves them now."""
    port, file = socket.socket(), socket.socket(socket.AF_UNIX)
    for sock in (port, file):
        sock.settimeout(PATIENCE)
    port.connect(("127.0.0.1", server.port))
    file.connect(str(server.root / "run" / "site.sock"))
    for sock in (port, file):
        sock.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
    return [port, file]


def answers(socks: list[socket.socket]) -> list[bytes]:
    """The ends of their answers."""
    found = []
    for sock in socks:
        with sock:
            found.append(receive_all(sock)[-5:])
    return found


def test_clients_wait_while_the_server_is_started_anew(start_server: StartServer, manager: Manager) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=BACKENDS[0])
    wait_for(lambda: [len(fds) for fds in list(manager.kept.values())] == [1, 1, 1], "three addresses to be kept")
    wait_for(lambda: "requests served" in manager.status, "live figures")
    server.prefix = (sys.executable, "-c", PASS, str(manager.hand))
    # it crashes
    assert server.master is not None
    assert server.process is not None
    family = server.workers()
    server.master.kill()
    server.process.wait(PATIENCE)
    wait_for(lambda: not any(map(alive, family)), "the workers to end")
    waiting = asked(server)
    server.start()
    assert answers(waiting) == [b"\r\n\r\nx"] * 2
    # it is stopped, and started with one address less
    server.stop(signal.SIGWINCH)
    waiting = asked(server)
    server.arguments = ("-DLESS",)
    server.start()
    assert answers(waiting) == [b"\r\n\r\nx"] * 2
    wait_for(lambda: len(manager.kept) == 2, "the third address to be forgotten")
    # a restart of its own changes what is kept
    server.arguments = ()
    server.conf.write_text(server.conf.read_text().replace("!LESS", "LESS"))
    server.command("-k", "graceful")
    wait_for(lambda: len(manager.kept) == 3, "the address to be kept again")
    assert (server.root / "run" / "other.sock").is_socket()
    # a file that is gone leads nowhere, so there is another socket then
    server.stop()
    (server.root / "run" / "site.sock").unlink()
    server.arguments = ("-DLESS",)
    manager.status = ""
    server.start()
    assert answers(asked(server)) == [b"\r\n\r\nx"] * 2
    wait_for(lambda: "requests served" in manager.status, "live figures")


def test_without_room_nothing_is_kept(
    start_server: StartServer, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FDSTORE")
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=BACKENDS[0])
    wait_for(lambda: "requests served" in manager.status, "live figures")
    assert answers(asked(server)) == [b"\r\n\r\nx"] * 2
    server.stop()
    assert manager.kept == {}
    assert not (server.root / "run" / "site.sock").exists()
