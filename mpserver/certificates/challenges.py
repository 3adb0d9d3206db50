"""What shows an authority that a name is ours (RFC 8555 8), and what takes it away again."""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Sequence

from acme import challenges, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwk import JWK

from mpserver.certificates import programs
from mpserver.certificates.errors import Failed
from mpserver.modules.md import DNS_01, HTTP_01, TLS_ALPN_01
from mpserver.modules.md.domains import Domain
from mpserver.modules.md.store import Store, answer_to, handshake_files
from mpserver.typing import Any, Protocol

#: The extension that holds the answer (RFC 8737 3), before its 32 bytes: an octet string.
IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
OCTETS = b"\x04\x20"
#: How long the certificate of an answer is good: it is looked at once.
DAY = datetime.timedelta(days=1)


@challenges.ChallengeResponse.register
class InHandshakeResponse(challenges.KeyAuthorizationChallengeResponse):
    """The response to `InHandshake`."""

    typ = TLS_ALPN_01


@challenges.Challenge.register
class InHandshake(challenges.KeyAuthorizationChallenge):
    """A challenge that is answered in a handshake (RFC 8737), which the library left to others."""

    typ = TLS_ALPN_01
    response_cls = InHandshakeResponse

    def validation(self, account_key: JWK, **_unused: Any) -> bytes:
        """What the certificate has to hold."""
        return hashlib.sha256(self.key_authorization(account_key).encode()).digest()


class Asked(Protocol):
    """Answers a challenge: see `setters`."""

    def set_up(self, name: str, token: str, validation: Any) -> None:
        """Let the answer be found. :raises Failed: it can't be."""

    def tear_down(self, name: str, token: str, validation: Any) -> None:
        """Take it away."""


class _ByFile:
    """http-01: the server answers what lies in a file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def set_up(self, name: str, token: str, validation: str) -> None:
        """See `Asked`."""
        self._store.write(answer_to(self._store.answers, name, token), validation.encode())

    def tear_down(self, name: str, token: str, _validation: str) -> None:
        """See `Asked`."""
        path = answer_to(self._store.answers, name, token)
        _remove(path)
        _leave(path)


class _ByHandshake:
    """tls-alpn-01: the server shows a certificate that holds the answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def set_up(self, name: str, _token: str, validation: bytes) -> None:
        """See `Asked`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "challenge")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.UnrecognizedExtension(IDENTIFIER, OCTETS + validation), critical=True)
            .sign(key, hashes.SHA256())
        )
        chain_file, key_file = handshake_files(self._store.answers, name)
        self._store.write(
            key_file,
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            secret=True,
        )
        self._store.write(chain_file, certificate.public_bytes(serialization.Encoding.PEM))

    def tear_down(self, name: str, _token: str, _validation: bytes) -> None:
        """See `Asked`."""
        for path in handshake_files(self._store.answers, name):
            _remove(path)
            _leave(path)


class _ByProgram:
    """dns-01: a program of the administrator puts the answer into the DNS, and takes it out (MDChallengeDns01)."""

    def __init__(self, command: Sequence[str], version: int) -> None:
        self._command, self._version = command, version

    def set_up(self, name: str, _token: str, validation: str) -> None:
        """See `Asked`."""
        programs.run(self._command, "setup", name, validation)

    def tear_down(self, name: str, _token: str, validation: str) -> None:
        """See `Asked`."""
        programs.run(self._command, "teardown", name, *([validation] if self._version == 2 else []))


def setters(domain: Domain, store: Store, dns_version: int) -> dict[str, Asked]:
    """What answers challenges for a domain, by their types, the preferred one first."""
    made: dict[str, Asked] = {HTTP_01: _ByFile(store), TLS_ALPN_01: _ByHandshake(store)}
    if domain.dns_program:
        made[DNS_01] = _ByProgram(domain.dns_program, dns_version)
    return {name: made[name] for name in domain.challenges if name in made}


def choose(authorization: messages.AuthorizationResource, known: dict[str, Asked]) -> messages.ChallengeBody:
    """The challenge to answer. :raises Failed: the authority offers none that we can answer."""
    offered = {_type(body.chall): body for body in authorization.body.challenges}
    for name in known:
        if name in offered:
            return offered[name]
    name = authorization.body.identifier.value
    raise Failed(
        f"the authority wants {name} to be shown by {' or '.join(offered)}, and this server can answer "
        f"{' and '.join(known) or 'none'}: listen at port 80 (MDPortMap tells of another one), write Protocols "
        "http/1.1 acme-tls/1 for a host with TLS, or give a program by MDChallengeDns01"
    )


def _type(challenge: challenges.Challenge) -> str:
    """A challenge's type, be it one that nobody here knows."""
    if isinstance(challenge, challenges.UnrecognizedChallenge):
        return str(challenge.jobj.get("type"))
    return str(challenge.typ)


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except FileNotFoundError:
        pass


def _leave(path: str) -> None:
    """Take away the folder of a file that is gone, where nothing else is in it."""
    try:
        os.rmdir(os.path.dirname(path))
    except OSError:
        pass


def forget(store: Store) -> None:
    """Take away what is left of challenges that were never ended: this process is the only one that sets them."""
    try:
        folders = list(os.scandir(store.answers))
    except FileNotFoundError:
        return
    for folder in folders:
        for file in os.scandir(folder.path):
            _remove(file.path)
        os.rmdir(folder.path)
