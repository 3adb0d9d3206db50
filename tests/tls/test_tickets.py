"""The keys of session tickets, without servers."""

from __future__ import annotations

import ssl

import pytest

from mpserver.tls import tickets
from support.certificates import Authority

SECRET = b"s" * tickets.SECRET


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificates."""
    found = Authority(tmp_path_factory.mktemp("certificates") / "ca")
    found.issue("server", ["DNS:a.example"])
    return found


def serving(authority: Authority, secret: bytes, purpose: bytes) -> ssl.SSLContext:
    """A context of a server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.folder / "server.pem", authority.folder / "server.key")
    assert tickets.share(context, secret, purpose)
    return context


def greet(server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None) -> ssl.SSLObject:
    """The client's side of a connection, after its handshake and a byte from the server."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="a.example", session=session)
    waiting = [theirs, ours]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                pass
    ours.write(b"x")
    assert theirs.read(1) == b"x"
    return theirs


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_equal_contexts_take_each_others_tickets_and_others_do_not(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    client = ssl.create_default_context(cafile=str(authority.file))
    client.maximum_version = version
    session = greet(serving(authority, SECRET, b"host"), client, None).session
    assert greet(serving(authority, SECRET, b"host"), client, session).session_reused
    assert not greet(serving(authority, SECRET, b"other"), client, session).session_reused
    assert not greet(serving(authority, SECRET[::-1] + b"x", b"host"), client, session).session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("options", [0, ssl.OP_NO_TICKET])
def test_a_context_keeps_no_sessions_itself(authority: Authority, version: ssl.TLSVersion, options: int) -> None:
    server, client = serving(authority, SECRET, b"host"), ssl.create_default_context(cafile=str(authority.file))
    assert tickets.alone(server)
    client.maximum_version = version
    client.options |= options
    for _ in range(3):
        greet(server, client, None)
    assert server.session_stats()["number"] == 0


def test_where_openssl_can_not_be_called_keys_are_the_contexts_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ctypes", None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert not tickets.share(context, SECRET, b"")
    assert not tickets.alone(context)
