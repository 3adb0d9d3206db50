"""What hosts and directories ask of their clients over TLS: certificates, and what SSLRequire says of them."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import StartServer
from support.certificates import Authority, Issued
from support.server import EACH_AND_THREADS, Server
from support.tls import Client, at_port

CONF = """
LoadModule ssl_module modules/mod_ssl.so
Listen 127.0.0.1:${TLS} https
PythonPath "['${WWW}'] + sys.path"
SSLCertificateFile ${CA}/server.pem
SSLCertificateKeyFile ${CA}/server.key
SSLCACertificateFile ${CA}/ca.pem
SSLCARevocationFile ${CA}/crl.pem
SSLCARevocationCheck chain
<Location /app>
    SetHandler mod_python
    PythonHandler app
    SSLOptions +StdEnvVars +ExportCertData
</Location>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName sections.example
    SSLEngine on
    <Location /closed>
        SSLVerifyClient require
    </Location>
    <Location /tls>
        SSLRequireSSL
    </Location>
    <Location /anna>
        SSLVerifyClient require
        SSLRequire %{SSL_CLIENT_S_DN_CN} eq "Anna" and %{SSL_CLIENT_S_DN_O} in {"Tests", "Others"}
    </Location>
    <Location /strong>
        SSLRequire %{SSL_CIPHER_USEKEYSIZE} >= 128 && %{HTTP_USER_AGENT} =~ m/^curl/
    </Location>
    <Location /app>
        SSLUserName SSL_CLIENT_S_DN_Email
    </Location>
    <Location /fake>
        SetHandler mod_python
        PythonHandler app
        PythonAuthenHandler app
        SSLOptions +FakeBasicAuth
        AuthType Basic
        AuthName certificates
        Require valid-user
    </Location>
</VirtualHost>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName all.example
    SSLEngine on
    SSLVerifyClient require
    SSLVerifyDepth 2
</VirtualHost>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName shallow.example
    SSLEngine on
    SSLVerifyClient require
    SSLVerifyDepth 0
</VirtualHost>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName places.example
    SSLEngine on
    <Location /closed>
        SSLVerifyClient require
        SSLVerifyDepth 0
    </Location>
</VirtualHost>
<Location /plain>
    SSLRequireSSL
</Location>
"""

APP = """
import json
from mod_python import apache

def authenhandler(req):
    password = req.get_basic_auth_pw()
    req.headers_out["X-Seen"] = "%s:%s" % (req.user, password)
    return apache.OK

def handler(req):
    names = ("SSL_CLIENT_VERIFY", "SSL_CLIENT_S_DN", "SSL_CLIENT_I_DN", "SSL_CLIENT_S_DN_CN", "SSL_CLIENT_SAN_Email_0",
             "SSL_CLIENT_M_SERIAL", "SSL_CLIENT_A_KEY", "SSL_CLIENT_V_REMAIN", "SSL_CLIENT_S_DN_Email",
             "SSL_CLIENT_CERT")
    looked = {name: req.ssl_var_lookup(name) for name in names}
    env = {name: req.subprocess_env.get(name) for name in names}
    req.write(json.dumps({"looked": looked, "env": env, "user": req.user}))
    return apache.OK
"""

FILES: dict[str, str | bytes] = {
    "app.py": APP, "page.txt": "a page",
    **{f"{name}/page.txt": name for name in ("closed", "tls", "anna", "strong", "plain")},
}  # fmt: skip


class Secure(NamedTuple):
    """A server that asks for certificates, and what clients have."""

    server: Server
    port: int
    authority: Authority
    issued: dict[str, Issued]

    def client(self, name: str = "") -> Client:
        """A client with a certificate, or without one."""
        return Client(self.port, self.authority.file, self.issued.get(name))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, dict[str, Issued]]:
    """The authority of all, and the clients that it knows."""
    folder = tmp_path_factory.mktemp("certificates")
    found = Authority(folder / "ca")
    found.issue("server", ["DNS:sections.example", "DNS:all.example", "DNS:shallow.example", "DNS:places.example"])
    issued = {
        "anna": found.issue(
            "anna", ["email:anna@example.org"], subject="/C=DE/O=Tests/CN=Anna/emailAddress=anna@example.org"
        ),
        "bert": found.issue("bert", subject="/O=Tests/CN=Bert"),
        "gone": found.issue("gone", subject="/O=Tests/CN=Gone"),
        "stranger": Authority(folder / "other").issue("stranger", subject="/O=Tests/CN=Anna"),
    }
    found.revoke(issued["gone"])
    found.revoked()
    return found, issued


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def secure(
    request: pytest.FixtureRequest, start_module_server: StartServer, authority: tuple[Authority, dict[str, Issued]]
) -> Iterator[Secure]:
    """One server for each kind of interpreter."""
    backend, mpm = request.param
    with at_port(authority[0]) as (client, variables):
        server = start_module_server(CONF, FILES, backend=backend, mpm=mpm, variables=variables, mode="foreground")
        yield Secure(server, client.port, *authority)


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("", "/page.txt", 200), ("", "/closed/page.txt", 403), ("bert", "/closed/page.txt", 200),
        ("", "/tls/page.txt", 200), ("anna", "/anna/page.txt", 200), ("bert", "/anna/page.txt", 403),
        ("", "/anna/page.txt", 403), ("anna", "/closed/page.txt", 200),
    ],
)  # fmt: skip
def test_sections(secure: Secure, name: str, path: str, status: int) -> None:
    assert secure.client(name).get("sections.example", path).status == status


def test_what_is_required_of_requests(secure: Secure) -> None:
    client = secure.client()
    assert client.get("sections.example", "/strong/page.txt", {"User-Agent": "curl/8"}).status == 200
    assert client.get("sections.example", "/strong/page.txt").status == 403
    assert secure.server.get("/plain/page.txt").status == 403
    secure.server.wait_for_log("SSLRequireSSL")


@pytest.mark.parametrize("host", ["sections.example", "all.example"])
@pytest.mark.parametrize("name", ["gone", "stranger"])
def test_certificates_that_do_not_count(secure: Secure, host: str, name: str) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        secure.client(name).get(host, "/page.txt")
    secure.server.wait_for_log("the TLS handshake failed")


def test_hosts_that_let_nobody_in_without(secure: Secure) -> None:
    assert secure.client("bert").get("all.example", "/page.txt").text == "a page"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        secure.client().get("all.example", "/page.txt")


def test_an_authority_is_too_much_for_a_depth_of_0(secure: Secure) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        secure.client("bert").get("shallow.example", "/page.txt")
    secure.server.wait_for_log("has more than 0 authorities above it (SSLVerifyDepth)")
    assert secure.client("bert").get("places.example", "/page.txt").status == 200
    assert secure.client("bert").get("places.example", "/closed/page.txt").status == 403


def test_what_is_known_of_a_client(secure: Secure) -> None:
    reply = secure.client("anna").get("sections.example", "/app")
    seen = json.loads(reply.text)
    assert seen["looked"] == seen["env"]
    env = seen["env"]
    assert env["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert env["SSL_CLIENT_S_DN"] == "emailAddress=anna@example.org,CN=Anna,O=Tests,C=DE"
    assert env["SSL_CLIENT_I_DN"] == "O=Tests,CN=Test Authority"
    assert (env["SSL_CLIENT_S_DN_CN"], env["SSL_CLIENT_A_KEY"]) == ("Anna", "id-ecPublicKey")
    assert env["SSL_CLIENT_SAN_Email_0"] == "anna@example.org"
    assert env["SSL_CLIENT_M_SERIAL"] == "1001"
    assert env["SSL_CLIENT_V_REMAIN"] in ("29", "30")
    assert ssl.PEM_cert_to_DER_cert(env["SSL_CLIENT_CERT"]) == ssl.PEM_cert_to_DER_cert(
        secure.issued["anna"].certificate.read_text()
    )
    assert seen["user"] == "anna@example.org"
    without = json.loads(secure.client().get("sections.example", "/app").text)
    assert (without["env"]["SSL_CLIENT_VERIFY"], without["user"]) == ("NONE", None)


def test_certificates_as_passwords(secure: Secure) -> None:
    reply = secure.client("bert").get("sections.example", "/fake")
    assert (reply.status, reply.header("X-Seen")) == (200, "/O=Tests/CN=Bert:password")
    pretended = {"Authorization": "Basic L089VGVzdHMvQ049QmVydDpwYXNzd29yZA=="}
    assert secure.client().get("sections.example", "/fake", pretended).status == 403
    # (what is no digit of base 64 does not count)
    disguised = {"Authorization": pretended["Authorization"].replace(" ", " \u00c5\u0082")}
    assert secure.client().get("sections.example", "/fake", disguised).status == 403


def test_hosts_that_ask_for_different_clients_share_nothing(secure: Secure, tmp_path: Path) -> None:
    with secure.client("bert").connect("sections.example") as connection:
        assert connection.get("/page.txt").status == 200
        assert connection.get("/page.txt", host="all.example").status == 421


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_of_a_host_that_asks_for_less_is_not_resumed(secure: Secure, version: ssl.TLSVersion) -> None:
    for name, is_served in (("", False), ("bert", True)):
        client = secure.client(name)
        client.context.maximum_version = version
        with client.connect("sections.example") as connection:
            assert connection.get("/page.txt").status == 200
            session = connection.sock.session
        with client.connect("sections.example", session=session) as connection:
            assert connection.get("/page.txt").status == 200
        if is_served:
            with client.connect("all.example", session=session) as connection:
                assert connection.get("/page.txt").status == 200
                assert not connection.sock.session_reused
        else:
            with (
                pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)),
                client.connect("all.example", session=session) as connection,
            ):
                connection.get("/page.txt")
