"""The end of a handshake whose client has too many authorities above its certificate."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any, cast

from mpserver.api.error_log import ERROR
from mpserver.serving.tls import Handshake
from mpserver.system.loop import Loop


class Spoken:
    """What OpenSSL tells of a client with an authority's authority above it."""

    def __init__(self) -> None:
        self._sslobj = self

    def getpeercert(self, binary_form: bool = False) -> bytes:
        return b"der"

    def get_verified_chain(self) -> list[bytes]:
        return [b"client", b"authority", b"root"]


def test_the_loop_forgets_a_descriptor_before_it_is_closed() -> None:
    loop = Loop()
    ours, theirs = socket.socketpair()
    told: list[str] = []
    levels: list[int] = []
    channel = SimpleNamespace(object=Spoken(), shake=lambda: True, close=ours.close, fileno=ours.fileno)

    def log(level: int, text: str, **_more: object) -> None:
        levels.append(level)
        told.append(text)

    connection: Any = SimpleNamespace(
        fd=ours.fileno(), owner=SimpleNamespace(loop=loop), client=None, sock=ours,
        host=SimpleNamespace(log=SimpleNamespace(log=log)),
    )  # fmt: skip

    def close() -> None:
        if connection.sock.fileno() >= 0:
            loop.remove(connection.fd)  # (an OSError where it is closed already)
            connection.sock.close()

    connection.close = close
    host = SimpleNamespace(tls=SimpleNamespace(verify=1, depth=1), server=SimpleNamespace(number=0))
    speaking = SimpleNamespace(contexts=SimpleNamespace(read=None))
    hello = SimpleNamespace(server_name="a.example")
    with theirs:
        loop.add(ours.fileno(), lambda _event: None)
        Handshake(cast(Any, speaking), connection, cast(Any, channel), cast(Any, host), cast(Any, hello)).on_event(0)
        assert told == ["the client's certificate has more than 1 authorities above it (SSLVerifyDepth)"]
        assert levels == [ERROR]  # (as in httpd: at LogLevel warn, too, somebody has to learn of it)
        assert theirs.recv(1) == b""
        assert not loop._callbacks
    assert not hasattr(connection, "channel")
    loop.close()
