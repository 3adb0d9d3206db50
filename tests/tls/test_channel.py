"""An encrypted channel over a socket that takes little at a time."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from mpserver.tls import contexts
from mpserver.tls.channel import Channel
from mpserver.tls.profile import Certificate, Profile
from support.certificates import Authority
from support.waiting import PATIENCE, wait_for


class Pair(NamedTuple):
    """A channel, and the client at its other end."""

    channel: Channel
    client: ssl.SSLSocket


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The server's side."""
    issued = Authority(tmp_path_factory.mktemp("channel") / "ca").issue("server")
    files = [issued.certificate.read_bytes(), issued.key.read_bytes()]
    return contexts.make(Profile((Certificate(0, 1),)), lambda number, _is_key=False: (files[number], ""))


@pytest.fixture
def pair(context: ssl.SSLContext) -> Iterator[Pair]:
    """After the handshake."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20000)
        end.settimeout(PATIENCE)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    found: list[ssl.SSLSocket] = []
    thread = threading.Thread(target=lambda: found.append(trusting.wrap_socket(theirs)))
    thread.start()
    ours.setblocking(False)
    channel = Channel(ours, context, b"")
    wait_for(channel.shake, "the handshake")
    thread.join(PATIENCE)
    with found[0]:
        yield Pair(channel, found[0])
    channel.close()


def receive(client: ssl.SSLSocket) -> tuple[threading.Thread, list[bytes]]:
    """All that comes, in a thread."""
    parts: list[bytes] = []

    def run() -> None:
        while data := client.recv(10000):
            parts.append(data)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, parts


@pytest.mark.parametrize("size", [1, 2, 16384, 16385, 3_000_001])
def test_nothing_is_lost_where_the_client_takes_little(pair: Pair, size: int) -> None:
    data = os.urandom(size)
    view = memoryview(data)
    thread = None
    while view:
        try:
            view = view[pair.channel.send(view) :]
        except BlockingIOError:
            if thread is None:  # (only now it begins to read)
                thread, parts = receive(pair.client)
    if thread is None:
        thread, parts = receive(pair.client)
    pair.channel.shutdown(socket.SHUT_WR)
    thread.join(PATIENCE)
    assert b"".join(parts) == data


def test_files(pair: Pair, tmp_path: Path) -> None:
    data = os.urandom(1_000_000)
    (tmp_path / "file").write_bytes(data)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    part = SimpleNamespace(fd=fd, offset=1000, length=900_000)
    thread, parts = receive(pair.client)
    while part.length:
        try:
            pair.channel.send_file(-1, part)
        except BlockingIOError:
            continue
    os.close(fd)
    pair.channel.shutdown(socket.SHUT_WR)
    thread.join(PATIENCE)
    assert b"".join(parts) == data[1000:901_000]


def test_a_file_that_becomes_shorter(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"short")
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    part = SimpleNamespace(fd=fd, offset=0, length=10)
    pair.channel.send_file(-1, part)
    with pytest.raises(ConnectionAbortedError):
        pair.channel.send_file(-1, part)
    os.close(fd)


def test_the_end_of_the_client(pair: Pair) -> None:
    with pytest.raises(BlockingIOError):
        pair.channel.recv(100)
    pair.client.sendall(b"last words")
    assert wait_for(lambda: pair.channel.recv(100), "what the client says") == b"last words"
    pair.client.settimeout(0.01)
    with pytest.raises((ssl.SSLError, TimeoutError)):  # (we say nothing to its last word yet)
        pair.client.unwrap()
    assert pair.channel.recv(100) == b""


def test_rubbish_ends_it(pair: Pair) -> None:
    raw = socket.socket(fileno=os.dup(pair.client.fileno()))
    raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(ConnectionAbortedError):
        pair.channel.recv(100)
    raw.close()
