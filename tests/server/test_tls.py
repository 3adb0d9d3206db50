"""HTTPS on a real server, in every kind of interpreter and under both MPMs."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from conftest import StartServer
from support.certificates import Authority, run
from support.server import BACKENDS, EACH_IN_BOTH, Reply, Server, receive_all
from support.tls import Client, at_port
from support.waiting import PATIENCE

CONF = """
LoadModule ssl_module modules/mod_ssl.so
Listen 127.0.0.1:${TLS} https
PythonPath "['${WWW}'] + sys.path"
<Location /app>
    SetHandler mod_python
    PythonHandler app
</Location>
<Location /other>
    SetHandler mod_python
    PythonHandler app
    PythonInterpreter other
</Location>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName a.example
    ServerAlias alias.example
    SSLEngine on
    SSLCertificateFile ${CA}/a.pem
    SSLCertificateKeyFile ${CA}/a.key
    SSLCertificateFile ${CA}/rsa.pem
    SSLCertificateKeyFile ${CA}/rsa.key
    <Location /app>
        SSLOptions +StdEnvVars
    </Location>
    <Location /cgi>
        SSLOptions +StdEnvVars +ExportCertData
    </Location>
    ScriptAlias /cgi ${WWW}/script.cgi
</VirtualHost>
<VirtualHost 127.0.0.1:${TLS}>
    # (by its Listen)
    ServerName b.example
    SSLCertificateFile ${CA}/b.pem
    SSLCertificateKeyFile ${CA}/b.key
</VirtualHost>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName same.example
    SSLEngine on
    SSLCertificateFile ${CA}/a.pem
    SSLCertificateKeyFile ${CA}/a.key
    SSLCertificateFile ${CA}/rsa.pem
    SSLCertificateKeyFile ${CA}/rsa.key
</VirtualHost>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName early.example
    SSLEngine on
    SSLCertificateFile ${CA}/b.pem
    SSLCertificateKeyFile ${CA}/b.key
    PythonPostReadRequestHandler early
</VirtualHost>
"""

APP = """
import contextlib
import json
from mod_python import apache

def handler(req):
    body = req.read() if req.method == "POST" else b""
    if req.args and req.args.startswith("size="):
        req.write(b"x" * int(req.args[5:]))
        return apache.OK
    req.add_common_vars()
    answer = {
        "interpreter": apache.interpreter, "https": req.is_https(), "url": req.construct_url("/x"),
        "env": {key: text for key, text in req.subprocess_env.items() if key.startswith(("SSL", "HTTPS", "SERVER_P"))},
        "protocol": req.ssl_var_lookup("SSL_PROTOCOL"), "server": req.ssl_var_lookup("SSL_SERVER_S_DN_CN"),
        "length": len(body), "client": req.connection.client_ip, "local": req.connection.local_addr[1],
        "early": getattr(req, "early", None), "keepalives": req.connection.keepalives,
    }
    req.write(json.dumps(answer))
    return apache.OK
"""

EARLY = """
from mod_python import apache

def postreadrequesthandler(req):
    req.early = [apache.interpreter, req.is_https(), req.ssl_var_lookup("SSL_TLS_SNI"), req.subprocess_env.get("HTTPS")]
    return apache.OK
"""

SCRIPT = """#!/bin/sh
echo Content-Type: text/plain
echo
env
"""

BIG = bytes(range(256)) * 16384  # 4 MB

FILES: dict[str, str | bytes] = {
    "app.py": APP, "early.py": EARLY, "page.txt": "a page", "big.bin": BIG, "script.cgi": SCRIPT,
    "folder/index.html": "",
}  # fmt: skip


class Secure(NamedTuple):
    """A server with a port for TLS, and a client that trusts its certificates."""

    server: Server
    port: int
    client: Client
    authority: Authority

    def app(self, reply: Reply) -> dict[str, Any]:
        """What the application saw."""
        assert reply.status == 200, f"{reply}\n{self.server.said()}"
        found: dict[str, Any] = json.loads(reply.text)
        return found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificates of all hosts here."""
    found = Authority(tmp_path_factory.mktemp("certificates") / "ca")
    names = [f"DNS:{name}.example" for name in ("a", "alias", "same")]
    found.issue("a", names)
    found.issue("rsa", names, rsa=True)
    found.issue("b", ["DNS:b.example", "DNS:early.example"])
    return found


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def secure(request: pytest.FixtureRequest, start_module_server: StartServer, authority: Authority) -> Iterator[Secure]:
    """One server for each kind of interpreter and each MPM."""
    backend, mpm = request.param
    with at_port(authority) as (client, variables):
        server = start_module_server(CONF, FILES, backend=backend, mpm=mpm, variables=variables, mode="foreground")
        yield Secure(server, client.port, client, authority)


def test_hello(secure: Secure) -> None:
    with secure.client.connect("a.example") as connection:
        assert connection.get("/page.txt").text == "a page"
        seen = secure.app(connection.get("/app"))
        assert (seen["https"], seen["protocol"]) == (1, "TLSv1.3")
        assert seen["url"] == "https://a.example/x"
        assert (seen["client"], seen["local"]) == ("127.0.0.1", secure.port)
        assert (seen["env"]["HTTPS"], seen["env"]["SSL_TLS_SNI"]) == ("on", "a.example")
        assert (seen["env"]["SERVER_PORT"], seen["server"]) == ("443", "a")


def test_plain_hosts_stay_plain(secure: Secure) -> None:
    seen = secure.app(secure.server.get("/app"))
    assert (seen["https"], seen["protocol"], seen["url"][:7]) == (0, None, "http://")
    assert "HTTPS" not in seen["env"]


def test_several_interpreters_on_one_connection(secure: Secure) -> None:
    with secure.client.connect("a.example") as connection:
        names = []
        for path in ("/app", "/page.txt", "/other", "/app", "/other"):
            reply = connection.get(path)
            if path == "/page.txt":
                assert reply.text == "a page"
                continue
            seen = secure.app(reply)
            names.append(seen["interpreter"])
            assert (seen["https"], seen["protocol"], seen["server"], seen["client"]) == (1, "TLSv1.3", "a", "127.0.0.1")
    assert names == ["a.example", "other", "a.example", "other"]


def test_hosts_have_their_own_certificates(secure: Secure) -> None:
    for host in ("a.example", "b.example", "same.example", "alias.example"):
        assert secure.app(secure.client.get(host, "/app"))["url"] == f"https://{host}/x"


@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"])
def test_two_kinds_of_keys(secure: Secure, cipher: str) -> None:
    client = Client(secure.port, secure.authority.file, newest=ssl.TLSVersion.TLSv1_2)
    client.context.set_ciphers(cipher)
    with client.connect("a.example") as connection:
        seen = secure.app(connection.get("/app"))
        assert connection.sock.cipher()[0] == cipher  # type: ignore[index]
    assert seen["env"]["SSL_CIPHER"] == cipher
    assert seen["env"]["SSL_SERVER_S_DN_CN"] == ("a" if "ECDSA" in cipher else "rsa")


def test_big_bodies_and_files(secure: Secure) -> None:
    with secure.client.connect("a.example") as connection:
        for path in ("/app", "/other"):
            assert secure.app(connection.request("POST", path, BIG))["length"] == len(BIG)
            assert len(connection.get(f"{path}?size=3000000").body) == 3_000_000
            assert connection.get("/big.bin").body == BIG
            part = connection.get("/big.bin", {"Range": "bytes=1000000-1000099"})
            assert (part.status, part.body) == (206, BIG[1000000:1000100])


def test_misdirected(secure: Secure) -> None:
    with secure.client.connect("a.example") as connection:
        assert secure.app(connection.get("/app", host="same.example"))["url"] == "https://same.example/x"
        assert connection.get("/page.txt", host="b.example").status == 421
    with secure.client.connect("a.example", sni=False) as connection:
        assert connection.get("/page.txt").status == 200
        assert connection.get("/page.txt", host="b.example").status == 421


def test_early_phases_know(secure: Secure) -> None:
    for path in ("/app", "/other"):
        seen = secure.app(secure.client.get("early.example", path))
        assert seen["early"] == ["early.example", 1, "early.example", "on"]


def test_programs_know(secure: Secure) -> None:
    variables = dict(
        line.split("=", 1) for line in secure.client.get("a.example", "/cgi").text.splitlines() if "=" in line
    )
    assert variables["HTTPS"] == "on"
    assert variables["REQUEST_SCHEME"] == "https"
    assert variables["SSL_PROTOCOL"] == "TLSv1.3"
    assert variables["SSL_SERVER_CERT"].startswith("-----BEGIN CERTIFICATE-----")


def test_redirects_keep_the_scheme(secure: Secure) -> None:
    assert secure.client.get("a.example", "/folder").header("Location") == "https://a.example/folder/"


def test_http_where_tls_is_spoken(secure: Secure) -> None:
    with socket.create_connection(("127.0.0.1", secure.port), timeout=10) as sock:
        sock.sendall(b"GET /page.txt HTTP/1.1\r\nHost: a.example\r\n\r\n")
        answer = receive_all(sock)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"https://" in answer


def test_openssl_speaks_with_it(secure: Secure) -> None:
    told = run(
        "s_client", "-connect", f"127.0.0.1:{secure.port}", "-servername", "b.example", "-CAfile",
        secure.authority.file, "-verify_return_error", "-alpn", "h2,http/1.1",
    )  # fmt: skip
    assert "ALPN protocol: http/1.1" in told
    assert "CN=b" in told.replace(" ", "")


LOADED = """
import sys
from mod_python import apache

def handler(req):
    names = [name for name in sys.modules if name.startswith(("mpserver.tls", "mpserver.serving.tls", "ssl", "_ssl"))]
    req.write(" ".join(["loaded:", *names]))
    return apache.OK
"""


@pytest.mark.skipif("own" not in BACKENDS, reason="processes share all of the engine with what they are forked from")
def test_who_speaks_none_loads_nothing_of_it(start_server: StartServer) -> None:
    conf = (
        "<Location />\nSetHandler mod_python\nPythonHandler loaded\nPythonPath \"['${WWW}'] + sys.path\"\n</Location>"
    )
    server = start_server(conf, {"loaded.py": LOADED}, backend="own")
    assert server.get("/").text == "loaded:"


@pytest.mark.parametrize("goodbye", [True, False], ids=["said", "silent"])
def test_a_client_that_says_no_more_reads_its_answer(secure: Secure, goodbye: bool) -> None:
    """It closes its direction after a request, wherever that is served (RFC 9112 9.6, RFC 8446 6.1)."""
    for path in ("/page.txt", "/app?size=300000", "/other?size=300000"):
        assert secure.client.get("a.example", "/app").status == 200  # (there the next connection's TLS is spoken)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        spoken = secure.client.context.wrap_bio(incoming, outgoing, server_hostname="a.example")
        with socket.create_connection(("127.0.0.1", secure.port), timeout=PATIENCE) as sock:
            while True:
                try:
                    spoken.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    incoming.write(sock.recv(65536))
            spoken.write(f"GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode())
            if goodbye:
                with contextlib.suppress(ssl.SSLError):
                    spoken.unwrap()
            sock.sendall(outgoing.read())
            sock.shutdown(socket.SHUT_WR)
            incoming.write(receive_all(sock))
        found = b""
        with contextlib.suppress(ssl.SSLError):
            while data := spoken.read(65536):
                found += data
        head, _, body = found.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), path
        assert body == b"a page" if path == "/page.txt" else body.count(b"x") == 300_000, path
