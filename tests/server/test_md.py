"""Certificates by ACME (mod_md): a real server, an authority on loopback, and what clients see of it."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from conftest import StartServer
from support.acme import Authority, Refused
from support.processes import descendants, describe
from support.server import Port, Reply, Server
from support.tls import Client, Connection
from support.waiting import PATIENCE, wait_for

COMMON = """
LoadModule ssl_module modules/mod_ssl.so
LoadModule md_module modules/mod_md.so
Listen 127.0.0.1:${TLS} https
MDCertificateAuthority ${CA}/directory
MDContactEmail admin@a.example
MDPortMap http:${PORT} https:${TLS}
MDPrivateKeys secp256r1
MDRetryDelay 1s
KeepAliveTimeout 60
MDCheckInterval 12s
"""

CONF = (
    COMMON
    + """
PythonPath "['${WWW}'] + sys.path"
MDNotifyCmd "${ROOT}/told" notified
MDMessageCmd "${ROOT}/told"
<MDomainSet a.example>
    MDCertificateAgreement accepted
    MDRequireHttps permanent
</MDomainSet>
<MDomainSet b.example>
    MDCertificateAgreement accepted
    MDCAChallenges tls-alpn-01
    MDPrivateKeys secp384r1 rsa2048
    MDProfile short
    MDRequireHttps temporary
</MDomainSet>
<MDomainSet c.example *.c.example manual>
    MDCertificateAgreement accepted
    MDRenewMode always
    MDCAChallenges dns-01
    MDChallengeDns01 ${ROOT}/dns
</MDomainSet>
MDomain d.example
<MDomainSet e.example>
    MDCertificateAgreement accepted
    MDCAChallenges http-01
</MDomainSet>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName a.example
    ServerAlias www.a.example
    SSLEngine on
</VirtualHost>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName b.example
</VirtualHost>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName d.example
</VirtualHost>
<VirtualHost 127.0.0.1:${TLS}>
    ServerName e.example
    # another alias
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
    ServerName other.example
    RewriteEngine on
    RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]
    <Location />
        Require all denied
    </Location>
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
    ServerName www.a.example
    <Location /app>
        SetHandler mod_python
        PythonHandler app
    </Location>
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
    ServerName e.example
    PythonPostReadRequestHandler app
    <Location />
        SetHandler mod_python
        PythonHandler app
    </Location>
    <Location /metrics>
        Require local
        SetHandler server-metrics
    </Location>
</VirtualHost>
<VirtualHost 127.0.0.1:${PORT}>
    ServerName b.example
    Alias /.well-known ${WWW}
</VirtualHost>
"""
)

APP = """
from mod_python import apache

def handler(req):
    req.write("the application: " + req.uri)
    return apache.OK

def postreadrequesthandler(req):
    open(req.document_root() + "/met", "a").write(req.uri + "\\n")
    return apache.OK
"""

#: Programs of the administrator: each writes down what it is told.
TOLD = '#!/bin/sh\necho "$@" >> {root}/told.txt\n'
DNS = '#!/bin/sh\necho "$@" >> {root}/dns.txt\n'

FILES: dict[str, str | bytes] = {"app.py": APP, "page.txt": "a page"}


class Place(NamedTuple):
    """A server, its authority, and a port for TLS."""

    server: Server
    authority: Authority
    tls: int

    def client(self) -> Client:
        """One that trusts the authority."""
        file = self.server.root / "ca.pem"
        file.write_bytes(self.authority.pem)
        return Client(self.tls, file)

    def shown(self, host: str) -> x509.Certificate:
        """The certificate that new connections for a host get to see, be it good or not."""
        return shown(self.tls, host)

    def is_issued(self, host: str) -> bool:
        """Whether it is the authority's."""
        return self.shown(host).issuer == self.authority.own.subject

    def file(self, path: str) -> Path:
        """A file of the store."""
        return self.server.root / "md" / path

    def lines(self, name: str) -> list[str]:
        """What a program of the administrator was told."""
        path = self.server.root / name
        return path.read_text().splitlines() if path.exists() else []

    def processes(self) -> list[psutil.Process]:
        """Those that get certificates: there is one at a time."""
        assert self.server.master is not None
        return [p for p in descendants(self.server.master) if describe(p).endswith("mpserver: certificates")]


def shown(port: int, host: str) -> x509.Certificate:
    """What a client gets to see that trusts anybody."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=host) as sock,
    ):
        der = sock.getpeercert(True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def over_tls(port: int, host: str, path: str) -> Reply:
    """A GET of such a client."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=host) as sock,
    ):
        return Connection(sock, host).get(path)


@pytest.fixture(scope="module")
def place(start_module_server: StartServer) -> Iterator[Place]:
    """A server that has got its certificates."""
    port = Port()
    authority = Authority(0, port.number)
    try:
        with authority.running():
            server = start_module_server(
                CONF, FILES, mode="foreground", variables={"TLS": str(port.number), "CA": authority.url}
            )
            for name, text in (("told", TOLD), ("dns", DNS)):
                path = server.root / name
                path.write_text(text.format(root=server.root))
                path.chmod(0o755)
            found = Place(server, authority, port.number)
            authority.http_port = server.port
            authority.dns = lambda name: [
                line.split()[2] for line in found.lines("dns.txt") if f"setup {name} " in line
            ]
            authority.opened.set()
            hosts = ("a.example", "b.example", "e.example")
            wait_for(lambda: all(map(found.is_issued, hosts)), "certificates")
            server.wait_for_log("c.example: a new certificate is there")
            yield found
            # (its server ends first, and with it who asks the authority)
            server.close()
    finally:
        port.release()


@pytest.mark.parametrize("host", ["a.example", "www.a.example", "b.example"])
def test_clients_trust_what_hosts_have(place: Place, host: str) -> None:
    assert place.client().get(host, "/page.txt").text == "a page"


def test_names_of_hosts_are_in_one_certificate(place: Place) -> None:
    names = place.shown("a.example").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"a.example", "www.a.example"}


def test_each_challenge_is_answered(place: Place) -> None:
    assert set(place.authority.looked) == {"http-01", "tls-alpn-01", "dns-01"}
    told = [line.split() for line in place.lines("dns.txt")]
    # (the name, and that of the wildcard)
    assert [line[:2] for line in told[:2]] == [["setup", "c.example"]] * 2
    assert [line for line in told if line[0] == "teardown"] == [["teardown", "c.example"]] * 2
    assert not list(place.file("challenges").iterdir())


def test_answers_go_past_applications_and_rules(place: Place) -> None:
    """Rules send the default host's requests to https and nobody is let in; another host has early handlers."""
    place.server.get("/there", host="e.example")
    wait_for(lambda: (place.server.www / "met").exists(), "the early handler")
    assert (place.server.www / "met").read_text().splitlines() == ["/there"]
    assert place.server.get("/x", host="a.example").header("Location") == "https://a.example/x"


@pytest.mark.parametrize("host", ["a.example", "www.a.example", "b.example", "e.example", "other.example"])
@pytest.mark.parametrize("token", ["unknown", "..%2f..%2fx", ".", "x/y"])
def test_nothing_else_is_there(place: Place, host: str, token: str) -> None:
    reply = place.server.get(f"/.well-known/acme-challenge/{token}", host=host)
    assert (reply.status, "the application" in reply.text) == (404, False)


def test_kinds_of_keys(place: Place) -> None:
    a = place.shown("a.example").public_key()
    assert isinstance(a, ec.EllipticCurvePublicKey)
    assert a.curve.name == "secp256r1"
    strong = x509.load_pem_x509_certificate(place.file("domains/b.example/pubcert.secp384r1.pem").read_bytes())
    old = x509.load_pem_x509_certificate(place.file("domains/b.example/pubcert.pem").read_bytes())
    strong_key, old_key = strong.public_key(), old.public_key()
    assert isinstance(strong_key, ec.EllipticCurvePublicKey)
    assert isinstance(old_key, rsa.RSAPublicKey)
    assert (strong_key.curve.name, old_key.key_size) == ("secp384r1", 2048)


def test_keys_are_for_their_owner_alone(place: Place) -> None:
    secret = [path for path in place.file(".").rglob("*") if "key" in path.name or "account" in path.name]
    assert len(secret) >= 6
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in secret}
    assert set(modes.values()) <= {0o600, 0o700}, modes


def test_no_certificate_without_agreement(place: Place) -> None:
    """The host of d.example serves nobody until it has one."""
    log = place.server.wait_for_log("d.example: no certificate could be had")
    line = next(line for line in log.splitlines() if "d.example: no certificate could be had" in line)
    assert "MDCertificateAgreement accepted" in line
    assert place.authority.terms in line
    assert re.search(r"It is tried again \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", line)
    assert over_tls(place.tls, "d.example", "/page.txt").status == 503
    assert not place.is_issued("d.example")
    assert over_tls(place.tls, "d.example", "/.httpd/certificate-status").text == "{}\n"
    note = "no certificate for d.example: the authority has terms"
    wait_for(lambda: note in place.server.command("--status").stdout, "the status")
    series = 'mpserver_certificate_errors{domain="d.example"}'
    wait_for(lambda: series in place.server.get("/metrics", host="e.example").text, "the metrics")
    assert "errored d.example" in wait_for(lambda: place.lines("told.txt"), "the program")


def test_facts_about_certificates(place: Place) -> None:
    told = json.loads(place.client().get("a.example", "/.httpd/certificate-status").text)
    its = place.shown("a.example")
    assert told["sha256-fingerprint"] == its.fingerprint(hashes.SHA256()).hex()
    assert int(told["serial"], 16) == its.serial_number
    assert told["valid-until"] == its.not_valid_after_utc.strftime("%a, %d %b %Y %H:%M:%S GMT")


@pytest.mark.parametrize(
    ("host", "method", "status"),
    [
        ("www.a.example", "GET", 301),
        ("www.a.example", "POST", 308),
        ("b.example", "HEAD", 302),
        ("b.example", "PUT", 307),
    ],
)
def test_plain_requests_are_sent_to_https(place: Place, host: str, method: str, status: int) -> None:
    reply = place.server.request(method, "/a%20page?x=1", host=f"{host}:{place.server.port}")
    assert (reply.status, reply.header("Location")) == (status, f"https://{host}/a%20page?x=1")


def test_clients_are_told_to_stay(place: Place) -> None:
    client = place.client()
    assert client.get("a.example", "/page.txt").header("Strict-Transport-Security") == "max-age=15768000"
    assert client.get("b.example", "/page.txt").header("Strict-Transport-Security") is None
    assert place.server.get("/.well-known/page.txt", host="b.example").text == "a page"


def test_accounts(place: Place) -> None:
    assert place.authority.contacts[0] == ["mailto:admin@a.example"]


def test_renewal_and_what_goes_wrong(place: Place) -> None:
    """One story, for each step takes a moment: nobody who is connected notices any of it."""
    server, authority = place.server, place.authority
    workers = [worker.pid for worker in server.workers()]
    with place.client().connect("a.example") as connection:
        assert connection.get("/page.txt").status == 200
        first = {host: place.shown(host).serial_number for host in ("a.example", "b.example", "e.example")}

        # the authority has new terms, and wants certificates to be renewed
        authority.refuses["order"] = Refused("userActionRequired", "our terms have changed")
        authority.hurry("a.example")
        why = "no certificate could be had: the authority refuses: userActionRequired: our terms have changed"
        server.wait_for_log(f"a.example: {why}")
        assert place.shown("a.example").serial_number == first["a.example"]

        # it lets them pass, but has forgotten who we are; and one name leads elsewhere
        authority.forget_accounts()
        closed = Port()
        authority.elsewhere["e.example"] = closed.number
        authority.hurry("e.example")
        del authority.refuses["order"]
        server.wait_for_log("the authority could not see that e.example is ours: connection:")
        wait_for(lambda: place.shown("a.example").serial_number != first["a.example"], "another certificate")
        assert place.shown("e.example").serial_number == first["e.example"]
        assert place.shown("b.example").serial_number == first["b.example"]
        assert connection.get("/page.txt").status == 200
    assert [worker.pid for worker in server.workers()] == workers
    told = wait_for(lambda: place.lines("told.txt"), "the program")
    assert {"renewing a.example", "renewed a.example", "installed a.example", "notified a.example"} <= set(told)
    assert "challenge-setup:http-01:www.a.example a.example" in told

    # the process is started again where it ends; and a restart, which brings another name, tries at once
    (process,) = place.processes()
    process.kill()
    server.wait_for_log(f"the process for certificates (pid {process.pid}) ended with signal 9")
    wait_for(lambda: [one for one in place.processes() if one != process], "another one")
    authority.elsewhere.clear()
    closed.release()
    server.conf.write_text(server.conf.read_text().replace("# another alias", "ServerAlias www.e.example"))
    server.send(signal.SIGUSR1)
    wait_for(lambda: "www.e.example" in names(place), "a certificate of both names")
    assert place.client().get("www.e.example", "/page.txt").text == "a page"


def names(place: Place) -> list[str]:
    """The names of the certificate of e.example."""
    found = place.shown("www.e.example").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)
