"""A small ACME authority for tests (RFC 8555, 8737, 9773): it listens on loopback, where all names lead.

It checks what it gets: signatures, nonces, and the answers to its challenges, by real connections.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import http.client
import itertools
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import josepy.b64
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwk import JWK
from josepy.jws import JWS

from support.waiting import PATIENCE

HTTP_01, TLS_ALPN_01, DNS_01 = "http-01", "tls-alpn-01", "dns-01"
_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


class Refused(Exception):
    """What the authority refuses: the kind of problem, and in words."""

    def __init__(self, kind: str, detail: str, status: int = 403) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.status = kind, detail, status


class Authority:
    """An authority. Its attributes may be changed while it runs.

    ``http_port`` and ``tls_port``: where the world's port 80 and 443 lead.
    """

    def __init__(self, http_port: int, tls_port: int) -> None:
        self.http_port, self.tls_port = http_port, tls_port
        self.offers = [HTTP_01, TLS_ALPN_01, DNS_01]
        self.terms = "http://127.0.0.1/terms"
        self.life = datetime.timedelta(days=90)
        #: By the last part of a URL's path: what it is refused with from now on.
        self.refuses: dict[str, Refused] = {}
        #: The numbers of certificates that are to be renewed at once (RFC 9773); those of all, by their first names.
        self.urgent: set[str] = set()
        self.serials: dict[str, str] = {}
        #: Whether answers are taken as they are.
        self.believes = False
        #: Whether only its own customers are taken (RFC 8555 7.3.4), and the numbers that some have come with.
        self.known_only = False
        #: The ports of names that lead elsewhere.
        self.elsewhere: dict[str, int] = {}
        #: Nothing is answered before this is set.
        self.opened = threading.Event()
        #: What was put into the DNS for a name.
        self.dns: Callable[[str], list[str]] = lambda _name: []
        #: What happened: the paths of all requests; the names of orders; the types of challenges that were looked at.
        self.requests: list[str] = []
        self.ordered: list[list[str]] = []
        self.looked: list[str] = []
        self.contacts: list[Any] = []
        self.bound: list[str] = []
        self.profiles: list[str] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._nonces: set[str] = set()
        self._accounts: dict[str, JWK] = {}
        self._orders: dict[str, dict[str, Any]] = {}
        self._authorizations: dict[str, dict[str, Any]] = {}
        self._certificates: dict[str, bytes] = {}
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test ACME")])
        self.own = self._signed(self._name, self._key.public_key(), datetime.timedelta(days=30), [], authority=True)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def directory(self) -> str:
        """For MDCertificateAuthority."""
        return f"{self.url}/directory"

    @property
    def pem(self) -> bytes:
        """Its own certificate."""
        return self.own.public_bytes(serialization.Encoding.PEM)

    @contextlib.contextmanager
    def running(self) -> Iterator[Authority]:
        """It serves until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.opened.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    # ---- what is asked for

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The answer to a request."""
        self.opened.wait(PATIENCE)
        with self._lock:
            self.requests.append(path)
            nonce = josepy.b64.b64encode(b"nonce%012d" % next(self._numbers)).decode()
            self._nonces.add(nonce)
        headers = {"Replay-Nonce": nonce, "Content-Type": "application/json"}
        try:
            refused = self.refuses.get(path.rstrip("/").split("/")[1])
            if refused is not None:
                raise refused
            status, more, told = self._answer(method, path, body)
        except Refused as problem:
            headers["Content-Type"] = "application/problem+json"
            return problem.status, headers, json.dumps(_problem(problem)).encode()
        headers.update(more)
        return status, headers, told if isinstance(told, bytes) else json.dumps(told).encode()

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        if path == "/directory":
            return 200, {}, self._directory()
        if path == "/nonce":
            return 200, {}, b""
        if path.startswith("/renewal/"):
            is_urgent = path.rpartition(".")[2] in self.urgent
            moment = _now() + datetime.timedelta(days=-1 if is_urgent else 60)
            window = {"start": _stamp(moment), "end": _stamp(moment)}
            return 200, {"Retry-After": "1"}, {"suggestedWindow": window}
        header, payload = self._verified(path, body)
        kind, _, name = path[1:].partition("/")
        if kind == "account":
            return self._new_account(header, payload)
        if header["kid"] not in self._accounts:
            raise Refused("accountDoesNotExist", "who are you?", 400)
        return self._known(kind, name, payload, self._accounts[header["kid"]])

    def _known(self, kind: str, name: str, payload: Any, key: JWK) -> tuple[int, dict[str, str], Any]:
        if kind == "order":
            return self._order(payload) if payload is not None else (200, {}, self._orders[name])
        if kind == "authorization":
            return 200, {}, self._authorizations[name]
        if kind == "challenge":
            return self._look(name, key)
        if kind == "finalize":
            return self._finalize(name, payload)
        return 200, {"Content-Type": "application/pem-certificate-chain"}, self._certificates[name]

    def _directory(self) -> dict[str, Any]:
        return {
            "newNonce": f"{self.url}/nonce",
            "newAccount": f"{self.url}/account",
            "newOrder": f"{self.url}/order",
            "revokeCert": f"{self.url}/revoke",
            "keyChange": f"{self.url}/key",
            "renewalInfo": f"{self.url}/renewal",
            "meta": {
                "termsOfService": self.terms,
                "profiles": {"short": "six days"},
                "externalAccountRequired": self.known_only,
            },
        }

    def _verified(self, path: str, body: bytes) -> tuple[dict[str, Any], Any]:
        """The header and payload of a request, whose signature, nonce and URL are right (RFC 8555 6)."""
        signed = json.loads(body)
        header = json.loads(josepy.b64.b64decode(signed["protected"]))
        if header["nonce"] not in self._nonces:
            raise Refused("badNonce", "this nonce is not mine", 400)
        self._nonces.remove(header["nonce"])
        if header["url"] != self.url + path:
            raise Refused("unauthorized", "this was signed for another URL")
        key = _key(header) if "jwk" in header else self._accounts.get(header["kid"])
        if key is None:
            raise Refused("accountDoesNotExist", "who are you?", 400)
        parsed = JWS.from_json(
            {
                "payload": signed["payload"],
                "signatures": [{"protected": signed["protected"], "signature": signed["signature"]}],
            }
        )
        if not parsed.verify(key):
            raise Refused("malformed", "the signature is wrong", 400)
        return header, json.loads(parsed.payload) if parsed.payload else None

    def _new_account(self, header: dict[str, Any], payload: Any) -> tuple[int, dict[str, str], Any]:
        if self.terms and not payload.get("termsOfServiceAgreed"):
            raise Refused("userActionRequired", "accept the terms")
        self.contacts.append(payload.get("contact"))
        if "externalAccountBinding" in payload:
            bound = payload["externalAccountBinding"]["protected"]
            self.bound.append(json.loads(josepy.b64.b64decode(bound))["kid"])
        key = _key(header)
        uri = f"{self.url}/who/{base64.urlsafe_b64encode(key.thumbprint()).decode()}"
        known = uri in self._accounts
        self._accounts[uri] = key
        return 200 if known else 201, {"Location": uri}, {"status": "valid"}

    def hurry(self, name: str) -> None:
        """Want the certificate of a first name to be renewed at once."""
        self.urgent.add(self.serials[name])

    def forget_accounts(self) -> None:
        """Know nobody any more."""
        self._accounts.clear()

    def _order(self, payload: Any) -> tuple[int, dict[str, str], Any]:
        number = str(next(self._numbers))
        names = [identifier["value"] for identifier in payload["identifiers"]]
        self.ordered.append(names)
        self.profiles.append(payload.get("profile", ""))
        urls = []
        for place, name in enumerate(names):
            own = f"{number}-{place}"
            plain = name.removeprefix("*.")
            offered = [DNS_01] if name != plain else self.offers
            self._authorizations[own] = {
                "status": "pending",
                "identifier": {"type": "dns", "value": plain},
                "challenges": [
                    {
                        "type": kind, "url": f"{self.url}/challenge/{own}~{kind}", "status": "pending",
                        "token": josepy.b64.b64encode(hashlib.sha256(f"{own}{kind}".encode()).digest()).decode(),
                    }
                    for kind in offered
                ],
            }  # fmt: skip
            urls.append(f"{self.url}/authorization/{own}")
        self._orders[number] = {
            "status": "pending", "identifiers": payload["identifiers"], "authorizations": urls,
            "finalize": f"{self.url}/finalize/{number}", "profile": payload.get("profile", ""),
        }  # fmt: skip
        return 201, {"Location": f"{self.url}/order/{number}"}, self._orders[number]

    def _look(self, name: str, key: JWK) -> tuple[int, dict[str, str], Any]:
        """Look at an answer at once."""
        own, _, kind = name.partition("~")
        authorization = self._authorizations[own]
        challenge = next(one for one in authorization["challenges"] if one["type"] == kind)
        host, token = authorization["identifier"]["value"], challenge["token"]
        expected = f"{token}.{josepy.b64.b64encode(key.thumbprint()).decode()}"
        self.looked.append(kind)
        try:
            if not self.believes:
                {HTTP_01: self._http, TLS_ALPN_01: self._handshake, DNS_01: self._dns}[kind](host, token, expected)
        except (OSError, Refused, http.client.HTTPException) as error:
            challenge["status"] = authorization["status"] = "invalid"
            kind_of = error.kind if isinstance(error, Refused) else "connection"
            challenge["error"] = {"type": f"urn:ietf:params:acme:error:{kind_of}", "detail": str(error)}
        else:
            challenge["status"] = authorization["status"] = "valid"
        return 200, {"Link": f'<{self.url}/authorization/{own}>;rel="up"'}, challenge

    def _http(self, host: str, token: str, expected: str) -> None:
        port = self.elsewhere.get(host, self.http_port)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", f"/.well-known/acme-challenge/{token}", headers={"Host": host})
            response = connection.getresponse()
            found = response.read().decode().rstrip()
        finally:
            connection.close()
        if response.status != 200 or found != expected:
            raise Refused("unauthorized", f"{host} answered {response.status}: {found[:80]}")

    def _handshake(self, host: str, _token: str, expected: str) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["acme-tls/1"])
        with (
            socket.create_connection(("127.0.0.1", self.tls_port), timeout=PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host) as sock,
        ):
            der = sock.getpeercert(True)
            spoken = sock.selected_alpn_protocol()
            rest = sock.recv(1)
        assert der is not None
        if spoken != "acme-tls/1" or rest:
            raise Refused("unauthorized", f"{host} speaks {spoken}")
        shown = x509.load_der_x509_certificate(der)
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = shown.extensions.get_extension_for_oid(_IDENTIFIER)
        wanted = b"\x04\x20" + hashlib.sha256(expected.encode()).digest()
        value = found.value.value  # type: ignore[attr-defined]
        if not found.critical or value != wanted or names.get_values_for_type(x509.DNSName) != [host]:
            raise Refused("unauthorized", f"{host} shows another certificate")

    def _dns(self, host: str, _token: str, expected: str) -> None:
        wanted = josepy.b64.b64encode(hashlib.sha256(expected.encode()).digest()).decode()
        if wanted not in self.dns(host):
            raise Refused("dns", f"the DNS has no such record for {host}")

    def _finalize(self, number: str, payload: Any) -> tuple[int, dict[str, str], Any]:
        order = self._orders[number]
        own = [self._authorizations[url.rpartition("/")[2]] for url in order["authorizations"]]
        if any(one["status"] != "valid" for one in own):
            raise Refused("orderNotReady", "show first that the names are yours")
        request = x509.load_der_x509_csr(josepy.b64.b64decode(payload["csr"]))
        wanted = sorted(identifier["value"] for identifier in order["identifiers"])
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = names.get_values_for_type(x509.DNSName)
        if sorted(found) != wanted or not request.is_signature_valid:
            raise Refused("badCSR", "it is for other names", 400)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, found[0])])
        signed = self._signed(subject, request.public_key(), self.life, found)
        length = (signed.serial_number.bit_length() + 8) // 8
        serial = josepy.b64.b64encode(signed.serial_number.to_bytes(length, "big")).decode()
        self.serials[found[0]] = serial
        self._certificates[number] = signed.public_bytes(serialization.Encoding.PEM) + self.pem
        order.update(status="valid", certificate=f"{self.url}/certificate/{number}")
        return 200, {"Location": f"{self.url}/order/{number}"}, order

    def _signed(
        self, subject: x509.Name, key: Any, life: datetime.timedelta, names: list[str], *, authority: bool = False
    ) -> x509.Certificate:
        now = _now()
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + life)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(
                x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())


def _key(header: dict[str, Any]) -> JWK:
    found = JWK.from_json(header["jwk"])
    assert isinstance(found, JWK)
    return found


def _problem(problem: Refused) -> dict[str, Any]:
    return {
        "type": f"urn:ietf:params:acme:error:{problem.kind}", "detail": problem.detail, "status": problem.status,
    }  # fmt: skip


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _stamp(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _handler(authority: Authority) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = PATIENCE

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, told = authority.answer(self.command, self.path, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told)))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(told)

        do_GET = do_HEAD = do_POST = _serve

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    return Handler
