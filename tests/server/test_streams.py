"""Bodies longer than the memory that may be used for them: filters, connection handlers, other servers."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import psutil
import pytest

from conftest import StartServer
from support.backend import Talk, backend
from support.processes import descendants
from support.server import Port, Server, receive_all
from support.waiting import PATIENCE

MIB = 1 << 20
#: So many MiB go through, and by so many the server may grow meanwhile.
CASES = [(64, 24), pytest.param(1024, 64, marks=pytest.mark.long)]

APP = """
from mod_python import apache

def upper(filter):
    data = filter.read()
    while data:
        filter.write(data.upper())
        data = filter.read()
    if data is None:
        filter.close()

def count(req):
    size = 0
    while True:
        data = req.read(65536)
        if not data:
            break
        if data != data.upper():
            return 500
        size += len(data)
    req.write("%d" % size)
    return apache.OK

def made(req):
    block = b"abcdefgh" * 4096
    for _ in range(int(req.args) * 32):
        req.write(block, 0)
    return apache.OK

def talk(conn):
    while True:
        data = conn.read()
        if data is None:
            return apache.OK
        conn.write(data)
"""

CONF = """
PythonPath "sys.path + ['${WWW}']"
PythonOutputFilter app::upper UPPER
PythonOutputFilter app::upper AGAIN
PythonInputFilter app::upper INUPPER
<LocationMatch "^/(?!behind/)">
    SetOutputFilter UPPER;AGAIN
</LocationMatch>
ProxyPass /behind/ http://127.0.0.1:${BACK}/
<Location /count>
    SetHandler mod_python
    PythonHandler app::count
    SetInputFilter INUPPER
</Location>
<Location /made>
    SetHandler mod_python
    PythonHandler app::made
</Location>
Listen 127.0.0.1:${TALK}
<VirtualHost 127.0.0.1:${TALK}>
    PythonConnectionHandler app::talk
</VirtualHost>
"""


def memory(server: Server) -> int:
    """Bytes of memory that the server's processes have."""
    assert server.master is not None
    found = 0
    for process in (server.master, *descendants(server.master)):
        with contextlib.suppress(psutil.NoSuchProcess):  # (it has ended this moment)
            found += process.memory_info().rss
    return found


class Watch:
    """The greatest growth of a server while something runs."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._before = memory(server)
        self.growth = 0

    def look(self) -> None:
        """Look now."""
        self.growth = max(self.growth, memory(self._server) - self._before)


@pytest.fixture(scope="module")
def talk_port() -> Iterator[Port]:
    """A port for the connection handler."""
    port = Port()
    yield port
    port.release()


def behind(talk: Talk) -> None:
    """Answers /N with N MiB, and what is sent with its length."""
    while (found := talk.head()) is not None:
        line, fields = found
        method, path, _ = line.split()
        length = int(dict(fields).get("Content-Length", "0")) if method == "POST" else 0
        left = length
        while left and (piece := talk.read(min(left, MIB))):
            left -= len(piece)
        text = b"%d" % (length - left)
        size = int(path[1:]) * MIB if method == "GET" else len(text)
        talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        if method == "POST":
            talk.send(text)
        for _ in range(size // MIB):
            talk.send(bytes(MIB))


@pytest.fixture(scope="module")
def back_port() -> Iterator[int]:
    """The port of a server behind this one."""
    with backend(serve=behind) as made:
        yield made.port


@pytest.fixture(scope="module")
def server(start_module_server: StartServer, talk_port: Port, back_port: int) -> Server:
    """The site, with a file that has no blocks on the disk."""
    variables = {"TALK": str(talk_port.number), "BACK": str(back_port)}
    server = start_module_server(CONF, {"app.py": APP}, variables=variables)
    for mib in (64, 1024):
        path = server.www / f"{mib}.txt"
        path.touch()
        os.truncate(path, mib * MIB)
    assert server.get("/64.txt", {"Range": "bytes=0-0"}).status == 200  # everything is loaded
    assert server.request("POST", "/count", b"x" * 100000).text == "100000"
    assert server.request("POST", "/behind/0", b"x" * 100000).text == "100000"
    return server


def drain(sock: socket.socket, watch: Watch) -> int:
    """The number of bytes that come until the end."""
    size = seen = 0
    buffer = bytearray(MIB)
    while count := sock.recv_into(buffer):
        size += count
        if size - seen > 16 * MIB:
            seen = size
            watch.look()
    return size


def fetch(server: Server, request: str, mib: int, bound: int) -> None:
    """Ask for so many MiB, and look how much memory that takes."""
    watch = Watch(server)
    with server.dial() as sock:
        sock.sendall(request.encode())
        head = sock.recv(4096, socket.MSG_PEEK).partition(b"\r\n\r\n")[0]
        size = drain(sock, watch)
    assert head.startswith(b"HTTP/1.1 200")
    assert size - len(head) - 4 == mib * MIB
    assert watch.growth < bound * MIB


@pytest.mark.parametrize(("mib", "bound"), CASES)
@pytest.mark.parametrize("path", ["/{mib}.txt", "/made?{mib}"])
def test_output_filters(server: Server, path: str, mib: int, bound: int) -> None:
    """A file, and what a handler makes, through two filters."""
    fetch(server, f"GET {path.format(mib=mib)} HTTP/1.0\r\n\r\n", mib, bound)


@pytest.mark.parametrize(("mib", "bound"), CASES)
def test_input_filters(server: Server, mib: int, bound: int) -> None:
    """A body through a filter, to a handler that reads it in pieces."""
    watch = Watch(server)
    with server.dial() as sock:
        sock.sendall(f"POST /count HTTP/1.0\r\nContent-Length: {mib * MIB}\r\n\r\n".encode())
        block = b"abcdefgh" * (MIB // 8)
        for number in range(mib):
            sock.sendall(block)
            if number % 16 == 0:
                watch.look()
        answer = receive_all(sock)
    assert answer.endswith(b"\r\n\r\n%d" % (mib * MIB))
    assert watch.growth < bound * MIB


@pytest.mark.parametrize(("mib", "bound"), CASES)
def test_connection_handlers(server: Server, talk_port: Port, mib: int, bound: int) -> None:
    """An echo, of data that goes both ways at once."""
    watch = Watch(server)
    block = bytes(range(256)) * (MIB // 256)
    with socket.create_connection(("127.0.0.1", talk_port.number), timeout=PATIENCE) as sock:

        def send() -> None:
            for _ in range(mib):
                sock.sendall(block)
            sock.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        thread.start()
        size = drain(sock, watch)
        thread.join()
    assert size == mib * MIB
    assert watch.growth < bound * MIB


@pytest.mark.parametrize(("mib", "bound"), CASES)
def test_from_a_server_behind(server: Server, mib: int, bound: int) -> None:
    """An answer of another server, through the proxy."""
    fetch(server, f"GET /behind/{mib} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", mib, bound)


@pytest.mark.parametrize(("mib", "bound"), CASES)
def test_to_a_server_behind(server: Server, mib: int, bound: int) -> None:
    """A body for another server, through the proxy."""
    watch = Watch(server)
    with server.dial() as sock:
        head = f"POST /behind/0 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {mib * MIB}\r\n\r\n"
        sock.sendall(head.encode())
        for number in range(mib):
            sock.sendall(bytes(MIB))
            if number % 16 == 0:
                watch.look()
        answer = receive_all(sock)
    assert answer.endswith(b"\r\n\r\n%d" % (mib * MIB)), answer
    assert watch.growth < bound * MIB
