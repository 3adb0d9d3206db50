"""HTTPS in operation: certificates that change, restarts, clients that are slow or break off, sessions."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import StartServer
from support.browser import browser
from support.certificates import Authority
from support.checking import refusal
from support.server import EACH_AND_THREADS, Port, Server
from support.tls import Client, at_port
from support.waiting import PATIENCE, wait_for

CONF = """
LoadModule ssl_module modules/mod_ssl.so
Listen 127.0.0.1:${TLS} https
PythonPath "['${WWW}'] + sys.path"
Timeout 3
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
    SSLEngine on
    SSLCertificateFile ${ROOT}/used.pem
    SSLCertificateKeyFile ${ROOT}/used.key
</VirtualHost>
"""

APP = """
import os, time
from mod_python import apache

def handler(req):
    if req.args == "wait":
        folder = req.document_root()
        open(folder + "/begun", "w").close()
        while not os.path.exists(folder + "/go"):
            time.sleep(0.005)
    req.write("%s %d" % (apache.interpreter, os.getpid()))
    return apache.OK
"""

FILES: dict[str, str | bytes] = {"app.py": APP, "page.txt": "a page", "big.bin": bytes(3_000_000)}


class Secure(NamedTuple):
    """A server with a port for TLS."""

    server: Server
    client: Client
    authority: Authority

    def use(self, name: str) -> None:
        """Let the server's files be those of a certificate."""
        for end in ("pem", "key"):
            temporary = self.server.root / f"new.{end}"
            shutil.copy(self.authority.folder / f"{name}.{end}", temporary)
            os.replace(temporary, self.server.root / f"used.{end}")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The certificates."""
    found = Authority(tmp_path_factory.mktemp("certificates") / "ca")
    for name in ("first", "second"):
        found.issue(name, ["DNS:a.example"], subject=f"/CN={name}")
    return found


@contextlib.contextmanager
def secured(start: StartServer, authority: Authority, conf: str = CONF, **options: object) -> Iterator[Secure]:
    """A server whose files are those of the first certificate."""
    with at_port(authority) as (client, variables):
        # (its folder is there only once it was made)
        conf = conf.replace("${ROOT}/used", f"{authority.folder}/first")
        server = start(conf, FILES, variables=variables, **options)
        yield Secure(server, client, authority)


def shown(client: Client) -> str:
    """The name in the certificate that a client is shown."""
    with client.connect("a.example") as connection:
        subject = connection.sock.getpeercert()["subject"]  # type: ignore[index]
    return str(dict(pair for part in subject for pair in part)["commonName"])  # type: ignore[misc]


@pytest.fixture(
    scope="module",
    params=EACH_AND_THREADS,
    ids="-".join,
)
def secure(request: pytest.FixtureRequest, start_module_server: StartServer, authority: Authority) -> Iterator[Secure]:
    """One server for each kind of interpreter."""
    backend, mpm = request.param
    with secured(start_module_server, authority, backend=backend, mpm=mpm, mode="foreground", workers=2) as found:
        yield found


@pytest.mark.parametrize("mode", ["one", "foreground"])
def test_certificates_are_renewed(start_server: StartServer, authority: Authority, tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "used"
    folder.mkdir()

    def use(name: str) -> None:
        for end in ("pem", "key"):
            shutil.copy(authority.folder / f"{name}.{end}", folder / f"new.{end}")
            os.replace(folder / f"new.{end}", folder / f"used.{end}")

    use("first")
    with (
        secured(start_server, authority, CONF.replace("${ROOT}/used", f"{folder}/used"), mode=mode) as secure,
        secure.client.connect("a.example") as kept,
    ):
        assert kept.get("/page.txt").text == "a page"
        assert shown(secure.client) == "first"
        use("second")
        wait_for(lambda: shown(secure.client) == "second", "the new certificate")
        (folder / "used.key").write_text("rubbish")
        secure.server.wait_for_log("used.key changed, but can't be used")
        assert shown(secure.client) == "second"
        use("first")
        wait_for(lambda: shown(secure.client) == "first", "the first certificate again")


def test_silent_clients_are_left(secure: Secure) -> None:
    greeting = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    with contextlib.ExitStack() as stack:
        socks = []
        for data in (b"", greeting[:3], greeting, greeting + bytes(200)):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", secure.client.port), timeout=PATIENCE))
            sock.sendall(data)
            socks.append(sock)
        # nobody waits for them
        for path in ("/page.txt", "/app", "/other"):
            assert secure.client.get("a.example", path).status == 200
        for sock in socks:
            with contextlib.suppress(ConnectionResetError):
                assert sock.recv(100) == b""


GREETINGS = (
        b"\x00" * 100, b"\x16\x03\x01\x00\x00", b"\x16\x03\x01\xff\xff" + b"\x01" * 100, b"\x80\x2e\x01\x03\x01" * 20,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x03",
        b"\x15\x03\x01\x00\x02\x01\x00",
        b"\x16\x03\x01\x00\x2e\x01\x00\x00\x2a\x03\x03" + bytes(40),
)  # fmt: skip


@pytest.mark.parametrize("data", GREETINGS, ids=range(len(GREETINGS)))
def test_broken_greetings(secure: Secure, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", secure.client.port), timeout=PATIENCE) as sock:
        sock.sendall(data)
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(1000):
                pass
    assert secure.client.get("a.example", "/page.txt").text == "a page"


def test_greetings_in_pieces(secure: Secure) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    spoken = secure.client.context.wrap_bio(incoming, outgoing, server_hostname="a.example")
    with socket.create_connection(("127.0.0.1", secure.client.port), timeout=PATIENCE) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                spoken.do_handshake()
                break
            except ssl.SSLWantReadError:
                data = outgoing.read()
                for at in range(0, len(data), 150):
                    sock.sendall(data[at : at + 150])
                incoming.write(sock.recv(65536))
        spoken.write(b"GET /page.txt HTTP/1.0\r\nHost: a.example\r\n\r\n")
        for byte in outgoing.read():
            sock.sendall(bytes([byte]))
        while data := sock.recv(65536):
            incoming.write(data)
        assert spoken.read(65536).endswith(b"a page")


def test_the_end_is_told(secure: Secure) -> None:
    for path in ("/page.txt", "/app", "/other"):
        with secure.client.connect("a.example") as connection:
            connection.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n".encode())
            # (then an end without close_notify is an error)
            connection.sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]
            answer = b""
            while data := connection.sock.recv(65536):
                answer += data
            assert answer.startswith(b"HTTP/1.1 200 OK")


def test_slow_readers_get_all(secure: Secure) -> None:
    secure.client.get("a.example", "/app")  # (so that it takes no second below, while nobody reads)
    for first in ("/page.txt", "/other"):
        with secure.client.connect("a.example") as connection:
            connection.get(first)
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            connection.sock.sendall(b"GET /big.bin HTTP/1.1\r\nHost: a.example\r\n\r\n" * 2)
            secure.client.get("a.example", "/app")
            length = 0
            while length < 2 * 3_000_000:
                part = connection.sock.recv(65536)
                assert part, length
                length += len(part)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed_wherever_they_come_to(secure: Secure, version: ssl.TLSVersion) -> None:
    if sys.version_info[:2] == (3, 12) and secure.server.backend == "own":
        pytest.skip("isolated interpreters of this Python load no ctypes: the keys of tickets are each one's own")
    client = Client(secure.client.port, secure.authority.file, newest=version)
    with client.connect("a.example") as connection:
        connection.get("/app")
        session = connection.sock.session
    assert session is not None
    speakers = set()
    for path in ("/app", "/other", "/page.txt") * 6:
        with client.connect("a.example", session=session) as connection:
            reply = connection.get(path)
            assert reply.status == 200
            speakers.add(reply.text)
            assert connection.sock.session_reused, (path, speakers)
    assert len(speakers) > 2


def test_nothing_is_kept_of_clients_that_take_no_tickets(secure: Secure) -> None:
    if sys.version_info[:2] == (3, 12) and secure.server.backend == "own":
        pytest.skip("isolated interpreters of this Python load no ctypes: there OpenSSL keeps sessions")
    client = Client(secure.client.port, secure.authority.file, newest=ssl.TLSVersion.TLSv1_2)
    client.context.options |= ssl.OP_NO_TICKET
    for path in ("/app", "/other", "/page.txt"):
        with client.connect("a.example") as connection:
            assert connection.get(path).status == 200
            assert connection.sock.session is not None
            assert not connection.sock.session.id, "a name of a session that can be resumed"


def test_old_protocols_are_refused(secure: Secure) -> None:
    client = Client(secure.client.port, secure.authority.file)
    with pytest.deprecated_call():
        client.context.minimum_version = ssl.TLSVersion.TLSv1
        client.context.maximum_version = ssl.TLSVersion.TLSv1_1
    client.context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)), client.connect("a.example"):
        pass


def test_a_long_request_keeps_nobody_waiting(secure: Secure) -> None:
    (secure.server.www / "go").unlink(missing_ok=True)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(secure.client.connect("a.example")) for _ in range(6)]
        # (the first makes the router know where the requests of this host go)
        assert secure.client.get("a.example", "/app").status == 200
        for connection in connections:
            assert connection.get("/app").status == 200
        waiting = connections.pop()
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(waiting.get("/app?wait").status))
        thread.start()
        wait_for((secure.server.www / "begun").exists, "the request to begin")
        for connection in connections:
            assert connection.get("/app").status == 200
        assert answers == []
        (secure.server.www / "go").touch()
        thread.join(PATIENCE)
        assert answers == [200]
    (secure.server.www / "begun").unlink()


def test_a_graceful_restart_loses_nothing(secure: Secure) -> None:
    server = secure.server
    (server.www / "go").unlink(missing_ok=True)
    with (
        secure.client.connect("a.example") as kept,
        secure.client.connect("a.example") as moved,
        secure.client.connect("a.example") as waiting,
    ):
        assert kept.get("/app").status == 200
        assert moved.get("/page.txt").status == moved.get("/other").status == 200
        answers: list[int] = []
        thread = threading.Thread(target=lambda: answers.append(waiting.get("/app?wait").status))
        thread.start()
        wait_for((server.www / "begun").exists, "the request to begin")
        before = {worker.pid for worker in server.workers()}
        server.send(signal.SIGUSR1)
        wait_for(lambda: server.log().count("resuming normal operations") >= 2, "the restart")
        # what is kept is still answered, by whom it has, and ends then
        for connection in (kept, moved):
            reply = connection.get("/app")
            assert reply.status == 200
        (server.www / "go").touch()
        thread.join(PATIENCE)
        assert answers == [200]
        (server.www / "begun").unlink()
        assert secure.client.get("a.example", "/app").status == 200
    wait_for(lambda: not before & {worker.pid for worker in server.workers()}, "the former workers to end")


DEVELOPMENT = """
LoadModule ssl_module modules/mod_ssl.so
Listen 127.0.0.1:${TLS} https
LogFormat "%{SSL_PROTOCOL}x %{version}c %{SSL_CLIENT_S_DN}x %{SSL_TLS_SNI}x %>s" tls
PythonPath "['${WWW}'] + sys.path"
<Location /app>
    SetHandler mod_python
    PythonHandler app
</Location>
<VirtualHost *:${TLS}>
    ServerName localhost
    ServerAlias alias.example
    CustomLog logs/tls.log tls
    SSLEngine on
    SSLCertificateFile auto
    <FilesMatch "\\.(?:cgi|shtml|phtml|php)$">
        SSLOptions +StdEnvVars
    </FilesMatch>
    <Directory /usr/lib/cgi-bin>
        SSLOptions +StdEnvVars
    </Directory>
</VirtualHost>
"""

PAGE = """<!DOCTYPE html><title>A page</title><link rel="stylesheet" href="style.css">
<h1 id="told"></h1><script>
fetch("/app", {method: "POST", body: "x".repeat(100000)})
  .then(reply => reply.text())
  .then(text => { document.getElementById("told").textContent = text + location.protocol; });
</script>"""


@pytest.fixture(scope="module")
def development(start_module_server: StartServer) -> Iterator[tuple[Server, int]]:
    """A server that has made its certificate itself."""
    port = Port()
    files = {**FILES, "page.html": PAGE, "style.css": "h1 { color: rgb(1, 2, 3) }"}
    yield start_module_server(DEVELOPMENT, files, variables={"TLS": str(port.number)}, mode="foreground"), port.number
    port.release()


def test_a_certificate_for_development(development: tuple[Server, int]) -> None:
    server, port = development
    made = server.root / "run" / "auto-localhost.pem"
    assert made.stat().st_mode & 0o777 == 0o600
    der = ssl.PEM_cert_to_DER_cert(made.read_text()[: made.read_text().index("-----BEGIN PRIVATE")])
    fingerprint = ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())
    assert f"certificate {made}, so clients warn of it" in server.log()
    assert f"its SHA-256 fingerprint is {fingerprint}\n" in server.log()
    client = Client(port, made)
    for host in ("localhost", "alias.example"):
        assert client.get(host, "/page.txt").text == "a page"
    for address in ("127.0.0.1", "::1"):
        with client.connect(address) as connection:  # (which looks whether the certificate is for it)
            assert connection.sock.version() == "TLSv1.3"
    assert server.wait_for_log("TLSv1.3 TLSv1.3 - alias.example 200", "tls.log").count("TLSv1.3") == 4
    assert f"{made} is good for 396 d" in server.command("--status").stdout
    before = made.read_bytes()
    assert "Syntax OK" in server.command("-t").stderr
    assert made.read_bytes() == before


def test_a_browser(development: tuple[Server, int], tmp_path: Path) -> None:
    server, port = development
    with browser(tmp_path, trusting=True) as window:
        window.open(f"https://localhost:{port}/page.html")
        told = wait_for(lambda: window.text("#told"), "the application's answer")
        assert told.startswith("localhost ")
        assert told.endswith("https:")
        assert window.run("return getComputedStyle(document.getElementById('told')).color") == "rgb(1, 2, 3)"
        assert window.run("return window.isSecureContext") is True
    server.wait_for_log("TLSv1.3 TLSv1.3 - localhost 200", "tls.log")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("", "needs a certificate"),
        ("SSLCertificateFile ${CA}/none.pem", "none.pem' can't be read: No such file or directory"),
        ("SSLCertificateFile ${CA}/first.key", "first.key: OpenSSL can't use it"),
        ("SSLCertificateFile ${CA}/first.pem\nSSLCertificateKeyFile ${CA}/second.key", "another certificate's"),
        (
            "SSLCertificateFile ${CA}/first.pem\nSSLCertificateKeyFile ${CA}/first.pem",
            "first.pem: OpenSSL can't use it",
        ),
        (
            "SSLCertificateFile ${CA}/locked.pem\nSSLCertificateKeyFile ${CA}/locked.key\n",
            "pass phrase is missing or wrong",
        ),
        (
            "SSLCertificateFile ${CA}/first.pem\nSSLCertificateKeyFile ${CA}/first.key\nSSLCipherSuite NONE-SUCH",
            "NONE-SUCH",
        ),
        (
            "SSLCertificateFile ${CA}/first.pem\nSSLCertificateKeyFile ${CA}/first.key\nSSLVerifyClient require",
            "SSLCACert",
        ),
        (
            "SSLCertificateFile ${CA}/first.pem\nSSLSessionTicketKeyFile /dev/null",
            "openssl rand -out",
        ),
    ],
)
def test_what_does_not_fit_is_told(authority: Authority, tmp_path: Path, lines: str, told: str) -> None:
    if not (authority.folder / "locked.key").exists():
        authority.issue("locked", phrase="secret words")
    conf = f'Listen 127.0.0.1:1 https\nSSLPassPhraseDialog "exec:/bin/echo wrong"\nSSLEngine on\n{lines}\n'
    with contextlib.closing(Server(tmp_path, conf, variables={"CA": str(authority.folder)})) as server:
        said = refusal(server)
    assert told in said
    assert "Syntax error on line" in said


def test_pass_phrases_are_asked_for(start_server: StartServer, authority: Authority, tmp_path: Path) -> None:
    if not (authority.folder / "locked.key").exists():
        authority.issue("locked", phrase="secret words")
    program = tmp_path / "phrase"
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\necho secret words\n')
    program.chmod(0o755)
    conf = CONF.replace("${ROOT}/used", str(authority.folder / "locked")) + f"SSLPassPhraseDialog exec:{program}\n"
    with secured(start_server, authority, conf, mode="foreground") as secure:
        secure.client.context.check_hostname = False
        with secure.client.connect("a.example", sni=False) as connection:
            assert connection.get("/app").status == 200
        secure.server.send(signal.SIGUSR1)
        wait_for(lambda: secure.server.log().count("resuming normal operations") >= 2, "the restart")
    assert (tmp_path / "asked").read_text() == "a.example:443 RSA\n"
