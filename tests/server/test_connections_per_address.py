"""MaxConnectionsPerAddress: more connections of an address are closed, whoever has those that it has."""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from conftest import StartServer
from support.certificates import Authority
from support.server import BACKENDS, EACH_IN_BOTH, Port, Server, receive_all, receive_until
from support.tls import HTTPS, Client, at_port
from support.waiting import PATIENCE, wait_for

#: The limit.
MOST = 4

CONF = f"""
MaxConnectionsPerAddress {MOST}
KeepAliveTimeout 300
Timeout 300
RequestReadTimeout header=300 handshake=300 body=300
PythonPath "['${{WWW}}'] + sys.path"
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.1.1
Listen 127.0.0.1:${{PROXIED}}
<VirtualHost 127.0.0.1:${{PROXIED}}>
    RemoteIPProxyProtocol On
    RemoteIPProxyProtocolExceptions 127.0.1.2
</VirtualHost>
<Location /app>
    SetHandler mod_python
    PythonHandler app
</Location>
"""
APP = """
import os
import time
from mod_python import apache


def handler(req):
    if req.args == "wait":
        while not os.path.exists(__file__ + ".go on"):
            time.sleep(0.01)
    if req.args == "crash":
        req.write("x" * 20000)
        req.flush()
        os.kill(os.getpid(), 9)
    req.write("served", 0)
    return apache.OK
"""

GET = b"GET %b HTTP/1.1\r\nHost: a.example\r\n\r\n"


class Site(NamedTuple):
    """A server with its ports, whose connections end with a test."""

    server: Server
    tls: Client
    proxied: int
    addresses: Iterator[int]
    open_ones: contextlib.ExitStack

    def address(self) -> str:
        """An address of this machine that no test has had."""
        return f"127.0.2.{next(self.addresses)}"

    def dial(self, address: str, port: int = 0) -> socket.socket:
        """A connection from an address."""
        sock = socket.create_connection(("127.0.0.1", port or self.server.port), PATIENCE, (address, 0))
        return self.open_ones.enter_context(sock)

    def ask(self, address: str, path: bytes = b"/page.txt", port: int = 0, first: bytes = b"") -> socket.socket | None:
        """A connection from an address that has had an answer, and stays open; None: it was closed without one."""
        sock = self.dial(address, port)
        try:
            sock.sendall(first + GET % path)
            answered = sock.recv(65536)
        except ConnectionError:
            answered = b""
        if answered:
            assert answered.startswith(b"HTTP/1.1 200"), answered
            return sock
        sock.close()
        return None

    def fill(self, address: str, ask: Callable[[], object]) -> None:
        """Ask until an address has as many connections as it may have, and no more."""
        for _ in range(MOST):
            assert wait_for(ask, "a connection to be let in")
        assert ask() is None
        self.server.wait_for_log(f"{address} has {MOST} connections (MaxConnectionsPerAddress)")


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def running(
    request: pytest.FixtureRequest, start_module_server: StartServer, authority: Authority
) -> Iterator[tuple[Server, Client, int]]:
    """A server of two workers."""
    kind, mpm = request.param
    proxied = Port()
    with at_port(authority) as (client, variables):
        server = start_module_server(
            CONF + HTTPS, {"app.py": APP, "page.txt": "a page"}, mode="foreground", backend=kind, mpm=mpm, workers=2,
            variables={**variables, "PROXIED": str(proxied.number)},
        )  # fmt: skip
        yield server, client, proxied.number
        server.close()
    proxied.release()


@pytest.fixture(scope="module")
def addresses() -> Iterator[int]:
    """The last numbers of addresses."""
    return iter(range(1, 255))


@pytest.fixture
def site(running: tuple[Server, Client, int], addresses: Iterator[int]) -> Iterator[Site]:
    """The server, whose connections end with the test."""
    with contextlib.ExitStack() as open_ones:
        yield Site(*running, addresses, open_ones)


def test_more_connections_than_that_are_closed(site: Site) -> None:
    address = site.address()
    paths = itertools.cycle((b"/page.txt", b"/app"))
    found = [site.ask(address, next(paths)) for _ in range(MOST)]
    assert all(found)
    assert site.ask(address) is None
    assert site.ask(site.address()) is not None
    for sock in found:  # (they are as they were)
        assert sock is not None
        sock.sendall(GET % b"/app")
        assert b"served" in sock.recv(65536)
    assert found[0] is not None
    found[0].close()
    assert wait_for(lambda: site.ask(address), "another one to be let in")
    assert site.ask(address) is None
    log = site.server.wait_for_log(f"{address} has {MOST} connections (MaxConnectionsPerAddress)")
    assert log.count(f"[client {address}") == 1


def test_those_that_say_nothing_count(site: Site) -> None:
    address = site.address()
    silent = [site.dial(address) for _ in range(MOST)]
    wait_for(lambda: site.ask(address) is None, "all of them to be accepted")
    for sock in silent:  # (one of them may have come after the last that was let in, and be closed already)
        sock.close()
    assert wait_for(lambda: site.ask(address), "another one to be let in")


def test_those_whose_requests_run_or_wait_count(site: Site) -> None:
    address, go_on = site.address(), site.server.www / "app.py.go on"
    waiting = [sock for _ in range(MOST) if (sock := site.ask(address)) is not None]
    assert len(waiting) == MOST
    for sock in waiting:
        sock.sendall(GET % b"/app?wait")
    assert site.ask(address) is None
    go_on.touch()
    try:
        assert all(b"served" in sock.recv(65536) for sock in waiting)
    finally:
        go_on.unlink()
    for sock in waiting:
        sock.close()
    site.fill(address, lambda: site.ask(address))


def test_connections_over_tls_count(site: Site) -> None:
    address = site.address()

    def speak(path: bytes) -> ssl.SSLSocket | None:
        plain = site.dial(address, site.tls.port)
        try:
            sock = site.open_ones.enter_context(site.tls.context.wrap_socket(plain, server_hostname="a.example"))
            sock.sendall(GET % path)
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")
        except (ssl.SSLError, ConnectionError):
            return None
        return sock

    found = [speak(path) for path in (b"/page.txt", b"/app", b"/app", b"/page.txt")]
    assert all(found)
    assert site.ask(address) is None
    assert speak(b"/app") is None
    for sock in found:  # (each belongs elsewhere now, which takes it along)
        assert sock is not None
        sock.sendall(GET % b"/app" + GET % b"/page.txt")
        receive_until(sock, b"a page")
    assert site.ask(address) is None
    for sock in found:
        assert sock is not None
        sock.close()
    site.fill(address, lambda: speak(b"/app"))


def test_proxies_that_are_trusted_do_not_count(site: Site) -> None:
    assert all(site.ask("127.0.1.1", b"/app") for _ in range(2 * MOST))


def test_of_the_proxy_protocol_the_client_counts(site: Site) -> None:
    address, client = site.address(), f"198.51.100.{next(site.addresses)}"
    first = f"PROXY TCP4 {client} 192.0.2.1 1234 80\r\n".encode()
    site.fill(client, lambda: site.ask(address, b"/app", site.proxied, first))
    other = f"PROXY TCP4 198.51.101.{next(site.addresses)} 192.0.2.1 1234 80\r\n".encode()
    assert site.ask(address, b"/app", site.proxied, other) is not None
    own = [site.ask(address, b"/app", site.proxied, b"PROXY UNKNOWN\r\n") for _ in range(2 * MOST)]
    assert all(own), "a proxy's own"
    assert all(site.ask("127.0.1.2", b"/app", site.proxied) for _ in range(MOST))
    assert site.ask("127.0.1.2", b"/app", site.proxied) is None


def test_after_a_crash_those_that_ended_do_not_count(site: Site) -> None:
    address = site.address()
    sock = site.dial(address)
    sock.sendall(GET % b"/app?crash")
    receive_all(sock)
    site.fill(address, lambda: site.ask(address, b"/app"))


@pytest.mark.parametrize("kind", sorted({*BACKENDS} - {"process"}))
def test_those_that_are_lost_on_their_way_do_not_count(start_server: StartServer, kind: str) -> None:
    """Passed on to a worker that ends before it has taken them."""
    conf = CONF.partition("RemoteIPHeader")[0] + CONF[CONF.index("<Location") :]
    server = start_server(conf, {"app.py": APP}, mode="foreground", backend=kind, mpm="prefork", workers=2)
    with contextlib.ExitStack() as open_ones:

        def ask(address: str, path: bytes) -> socket.socket:
            sock = socket.create_connection(("127.0.0.1", server.port), PATIENCE, (address, 0))
            sock.sendall(GET % path)
            return open_ones.enter_context(sock)

        waiting = ask("127.0.3.1", b"/app?wait")
        busy = wait_for(lambda: having(server, waiting), "a worker to have a request")
        (other,) = [worker for worker in server.workers() if worker != busy]
        other.suspend()
        lost = ask("127.0.3.2", b"/app")
        wait_for(lambda: is_accepted(lost) and not having(server, lost), "a connection to be passed on")
        other.kill()
        with contextlib.suppress(ConnectionError):
            assert lost.recv(65536) == b""
        (server.www / "app.py.go on").touch()
        assert b"served" in waiting.recv(65536)

        def is_let_in() -> bool:
            try:
                return b"served" in ask("127.0.3.2", b"/app").recv(65536)
            except ConnectionError:
                return False

        for _ in range(MOST):
            wait_for(is_let_in, "a connection to be let in")


def having(server: Server, sock: socket.socket) -> psutil.Process | None:
    """The worker that has a connection."""
    client = sock.getsockname()
    for worker in server.workers():
        if any(client == tuple(found.raddr) for found in worker.net_connections("tcp")):
            return worker
    return None


def is_accepted(sock: socket.socket) -> bool:
    """Whether a connection of a client has been accepted: the server's end of it has an inode, and a row of its own."""
    client, server = (f":{end[1]:04X}" for end in (sock.getsockname(), sock.getpeername()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(server) and row[2].endswith(client) and row[9] != "0" for row in rows)


def test_those_that_outlive_their_worker_count(site: Site) -> None:
    address = site.address()
    found = [site.ask(address, path) for path in (b"/page.txt", b"/app", b"/page.txt", b"/app")]
    assert all(found)
    before = {worker.pid for worker in site.server.workers()}
    site.server.send(signal.SIGUSR1)
    wait_for(lambda: before.isdisjoint(worker.pid for worker in site.server.workers()), "the former workers' end")
    for sock in found:  # (then they are where they go)
        assert sock is not None
        sock.sendall(GET % b"/app")
        assert b"served" in sock.recv(65536)
    assert site.ask(address) is None
    for sock in found:
        assert sock is not None
        sock.close()
    site.fill(address, lambda: site.ask(address, b"/app"))
