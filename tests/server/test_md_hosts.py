"""mod_md in each kind of interpreter, and as an account without rights."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from cryptography import x509

from conftest import StartServer
from mpserver.modules.md.store import Store, answer_to, handshake_files
from support.acme import Authority
from support.processes import describe, session
from support.server import EACH_AND_THREADS, Port, Server
from support.tls import Connection
from support.waiting import PATIENCE

CONF = """
LoadModule ssl_module modules/mod_ssl.so
LoadModule md_module modules/mod_md.so
Listen 127.0.0.1:${TLS} https
PythonPath "['${WWW}'] + sys.path"
MDCertificateAuthority ${CA}/directory
MDCertificateAgreement accepted
MDPortMap http:${PORT} https:${TLS}
MDRetryDelay 1d
MDomain a.example
<Location />
    SetHandler mod_python
    PythonHandler app
</Location>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName a.example
    Protocols http/1.1 acme-tls/1
    SSLEngine on
</VirtualHost>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName b.example
    SSLCertificateFile auto
</VirtualHost>
"""

APP = """
from mod_python import apache

def handler(req):
    req.write("the application")
    return apache.OK
"""


class Hosts:
    """A server whose authority does not answer, so that tests can put into the store what they like."""

    def __init__(self, server: Server, tls: int) -> None:
        self.server, self.tls = server, tls
        self.store = Store(str(server.root / "md"))

    def connect(self, host: str, *protocols: str) -> ssl.SSLSocket:
        """A connection of a client that trusts anybody."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if protocols:
            context.set_alpn_protocols(list(protocols))
        plain = socket.create_connection(("127.0.0.1", self.tls), timeout=PATIENCE)
        return context.wrap_socket(plain, server_hostname=host)

    def get(self, host: str) -> tuple[int, str]:
        """Status and text of a page over TLS."""
        with self.connect(host) as sock:
            reply = Connection(sock, host).get("/")
        return reply.status, reply.text


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def hosts(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Hosts]:
    """One server for each kind of interpreter."""
    kind, mpm = request.param
    tls, closed = Port(), Port()
    try:
        server = start_module_server(
            CONF, {"app.py": APP}, backend=kind, mpm=mpm,
            variables={"TLS": str(tls.number), "CA": f"http://127.0.0.1:{closed.number}"},
        )  # fmt: skip
        server.wait_for_log("a.example: no certificate could be had: the authority can't be reached: ")
        yield Hosts(server, tls.number)
        server.close()
    finally:
        tls.release()
        closed.release()


def test_answers_to_requests(hosts: Hosts) -> None:
    store = hosts.store
    store.write(answer_to(store.answers, "a.example", "token"), b"token.digest")
    path = "/.well-known/acme-challenge/token"
    for host in ("a.example", "A.EXAMPLE:80", "a.example."):
        assert hosts.server.get(path, host=host).text == "token.digest"
    assert hosts.server.request("HEAD", path, host="a.example").header("Content-Length") == "12"
    assert hosts.server.request("POST", path, b"x", host="a.example").status == 405
    assert hosts.server.get(path, host="b.example").status == 404
    assert hosts.server.get("/.well-known/other", host="a.example").text == "the application"


def test_answers_in_handshakes(hosts: Hosts) -> None:
    store = hosts.store
    pair = (hosts.server.root / "run" / "auto-b.example.pem").read_bytes()
    for path in handshake_files(store.answers, "a.example"):
        store.write(path, pair, secret=True)
    with hosts.connect("a.example", "acme-tls/1") as sock:
        der = sock.getpeercert(True)
        assert der is not None
        names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert "b.example" in names.value.get_values_for_type(x509.DNSName)
        assert sock.selected_alpn_protocol() == "acme-tls/1"
        assert sock.recv(1) == b""  # (nothing is served on it)
    with hosts.connect("b.example", "acme-tls/1", "http/1.1") as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"
    with hosts.connect("a.example", "http/1.1") as sock:
        assert sock.selected_alpn_protocol() == "http/1.1"


def test_nobody_is_served_without_a_certificate(hosts: Hosts) -> None:
    assert hosts.get("b.example") == (200, "the application")
    assert hosts.get("a.example")[0] == 503
    for path in (hosts.store.key("a.example", ""), hosts.store.chain("a.example", "")):
        hosts.store.write(path, (hosts.server.root / "run" / "auto-localhost.pem").read_bytes(), secret="key" in path)
    assert hosts.get("a.example") == (200, "the application")


def test_the_process_is_no_child_of_the_only_one(hosts: Hosts) -> None:
    """Applications there wait for children of their own. (It ends with the server: what starts them sees to that)."""
    (process,) = certificates(hosts.server)
    assert hosts.server.master is not None
    assert process.ppid() != hosts.server.master.pid


def certificates(server: Server) -> list[psutil.Process]:
    """The processes of a server that get certificates."""
    assert server.master is not None
    return [one for one in session(server.master) if describe(one).endswith("mpserver: certificates")]


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can give up capabilities, with setpriv"
)
def test_it_takes_no_rights(start_open_server: StartServer) -> None:
    """And the master needs none to read what is another account's."""
    kept = "--bounding-set=-all,+net_bind_service,+setuid,+setgid,+kill,+chown"
    port = Port()
    authority = Authority(0, port.number)
    try:
        with authority.running():
            conf = f"User nobody\n{CONF}"
            server = start_open_server(
                conf, {"app.py": APP}, mode="foreground", variables={"TLS": str(port.number), "CA": authority.url},
                prefix=("setpriv", kept, "--no-new-privs"),
            )  # fmt: skip
            authority.http_port = server.port
            authority.opened.set()
            server.wait_for_log("new connections get what is there now")
            nobody = pwd.getpwnam("nobody").pw_uid
            assert server.master is not None
            (process,) = certificates(server)
            assert process.uids().effective == process.uids().saved == nobody
            assert process.ppid() == server.master.pid
            store = server.root / "md"
            assert {path.stat().st_uid for path in (store, *store.rglob("*"))} == {nobody}
            assert (store / "domains/a.example/privkey.pem").stat().st_mode & 0o777 == 0o600
            # (so do tests of the configuration, which the unit makes before each start)
            words = ["setpriv", kept, "--no-new-privs", sys.executable, "-m", "mpserver", "-f", str(server.conf), "-t"]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert authority.looked == ["tls-alpn-01"]
            server.close()
    finally:
        port.release()
