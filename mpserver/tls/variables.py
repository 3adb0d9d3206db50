"""mod_ssl's variables of a connection ("Environment Variables" of its manual), worked out when they are asked for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from mpserver import lazyre
from mpserver.tls import certificate
from mpserver.tls.certificate import Certificate, Name
from mpserver.typing import Any, Protocol

#: Variables of clients' and the server's certificates, behind SSL_CLIENT_ and SSL_SERVER_.
_PART = lazyre.compile(r"([SI])_DN_([A-Za-z]+)(?:_([0-9]+))?\Z", re.ASCII)
_ALTERNATIVE = lazyre.compile(r"SAN_(Email|DNS|OTHER_msUPN)_([0-9]+)\Z", re.ASCII)
_CHAIN = lazyre.compile(r"CERT_CHAIN_([0-9]+)\Z", re.ASCII)
#: Parts of names as the variables call them.
KINDS = {
    "C": "C", "ST": "ST", "L": "L", "O": "O", "OU": "OU", "CN": "CN", "T": "title", "I": "initials", "G": "GN",
    "S": "SN", "D": "description", "UID": "UID", "Email": "emailAddress", "SP": "ST", "DC": "DC",
}  # fmt: skip

SECONDS_OF_A_DAY = 86400


class Speaker(Protocol):
    """A connection's TLS: see `ssl.SSLObject`."""

    session_reused: Any

    def version(self) -> str | None:
        """The protocol."""

    def cipher(self) -> tuple[str, str, int] | None:
        """The cipher: name, protocol, bits."""

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The client's certificate."""


class Connected(Protocol):
    """What variables are worked out of."""

    @property
    def object(self) -> Speaker:
        """Its TLS."""

    #: The name that the client wanted, in lower case.
    server_name: str | None

    def server_chain(self) -> list[bytes]:
        """The certificate that we have shown, and those after it."""

    def client_chain(self) -> list[bytes]:
        """The client's, checked."""

    def read(self, der: bytes) -> Certificate | None:
        """A certificate of these, read; None: that can't be done."""


def value(name: str, of: Connected) -> str | None:
    """The value of a variable; None: there is none of that name, or it has no value here."""
    plain = _PLAIN.get(name)
    if plain is not None:
        return plain(of)
    if name.startswith("SSL_CLIENT_"):
        return _of_certificate(name.removeprefix("SSL_CLIENT_"), of, of.client_chain())
    if name.startswith("SSL_SERVER_"):
        return _of_certificate(name.removeprefix("SSL_SERVER_"), of, of.server_chain())
    return None


def _verified(of: Connected) -> str:
    return "SUCCESS" if of.client_chain() else "NONE"


def _bits(of: Connected) -> str:
    cipher = of.object.cipher()
    return str(cipher[2]) if cipher else "0"


def _interface(_of: Connected) -> str:
    from mpserver.version import VERSION

    return f"mpserver/{VERSION}"


def _library(_of: Connected) -> str:
    import ssl

    return "/".join(ssl.OPENSSL_VERSION.split()[:2])


_PLAIN: Mapping[str, Callable[[Connected], str | None]] = {
    "HTTPS": lambda of: "on",
    "SSL_PROTOCOL": lambda of: of.object.version(),
    "SSL_CIPHER": lambda of: (of.object.cipher() or ("",))[0],
    "SSL_CIPHER_EXPORT": lambda of: "false",
    "SSL_CIPHER_USEKEYSIZE": _bits,
    "SSL_CIPHER_ALGKEYSIZE": _bits,
    "SSL_COMPRESS_METHOD": lambda of: "NULL",
    "SSL_SECURE_RENEG": lambda of: "true",
    "SSL_SESSION_RESUMED": lambda of: "Resumed" if of.object.session_reused else "Initial",
    "SSL_TLS_SNI": lambda of: of.server_name,
    "SSL_CLIENT_VERIFY": _verified,
    "SSL_VERSION_INTERFACE": _interface,
    "SSL_VERSION_LIBRARY": _library,
}


def _of_certificate(name: str, of: Connected, chain: list[bytes]) -> str | None:
    if not chain:
        return None
    if name == "CERT":
        return certificate.pem(chain[0])
    match = _CHAIN.match(name)
    if match is not None:
        number = int(match[1])  # (the first is the one that the client's was signed with)
        return certificate.pem(chain[number + 1]) if number + 1 < len(chain) else None
    read = of.read(chain[0])
    if read is None:
        return None
    simple = _CERTIFICATE.get(name)
    if simple is not None:
        return simple(read)
    match = _PART.match(name)
    if match is not None:
        return _part(read.subject if match[1] == "S" else read.issuer, match[2], int(match[3] or 0))
    match = _ALTERNATIVE.match(name)
    if match is not None:
        names = {"Email": read.emails, "DNS": read.hosts, "OTHER_msUPN": read.principals}[match[1]]
        number = int(match[2])
        return names[number] if number < len(names) else None
    return None


def _part(name: Name, kind: str, number: int) -> str | None:
    wanted = KINDS.get(kind)
    texts = [text for its, text in name if its == wanted]
    return texts[number] if number < len(texts) else None


def _remaining(read: Certificate) -> str:
    return str(max(int(read.ends - time.time()) // SECONDS_OF_A_DAY, 0))


def _cea(read: Certificate) -> str:
    """Its number and issuer, as directories look for them (RFC 4523)."""
    return f'{{ serialNumber {int(read.serial, 16)}, issuer rdnSequence:"{certificate.in_order(read.issuer)}" }}'


_CERTIFICATE: Mapping[str, Callable[[Certificate], str]] = {
    "M_VERSION": lambda read: str(read.version),
    "M_SERIAL": lambda read: read.serial,
    "S_DN": lambda read: certificate.in_order(read.subject),
    "I_DN": lambda read: certificate.in_order(read.issuer),
    "V_START": lambda read: certificate.in_words(read.begins),
    "V_END": lambda read: certificate.in_words(read.ends),
    "V_REMAIN": _remaining,
    "A_SIG": lambda read: read.signature,
    "A_KEY": lambda read: read.key,
    "CERT_RFC4523_CEA": _cea,
}

#: What SSLOptions StdEnvVars gives to programs, beside the parts of names.
STANDARD = (
    "SSL_VERSION_INTERFACE", "SSL_VERSION_LIBRARY", "SSL_PROTOCOL", "SSL_SECURE_RENEG", "SSL_COMPRESS_METHOD",
    "SSL_CIPHER", "SSL_CIPHER_EXPORT", "SSL_CIPHER_USEKEYSIZE", "SSL_CIPHER_ALGKEYSIZE", "SSL_CLIENT_VERIFY",
    "SSL_CLIENT_M_VERSION", "SSL_CLIENT_M_SERIAL", "SSL_CLIENT_V_START", "SSL_CLIENT_V_END", "SSL_CLIENT_V_REMAIN",
    "SSL_CLIENT_S_DN", "SSL_CLIENT_I_DN", "SSL_CLIENT_A_KEY", "SSL_CLIENT_A_SIG", "SSL_CLIENT_CERT_RFC4523_CEA",
    "SSL_SERVER_M_VERSION", "SSL_SERVER_M_SERIAL", "SSL_SERVER_V_START", "SSL_SERVER_V_END", "SSL_SERVER_S_DN",
    "SSL_SERVER_I_DN", "SSL_SERVER_A_KEY", "SSL_SERVER_A_SIG", "SSL_SESSION_ID", "SSL_SESSION_RESUMED",
)  # fmt: skip


def environment(of: Connected, standard: bool, certificates: bool) -> dict[str, str]:
    """HTTPS and SSL_TLS_SNI, and the variables of SSLOptions StdEnvVars and ExportCertData where they are asked for."""
    found = {"HTTPS": "on"}
    if of.server_name is not None:
        found["SSL_TLS_SNI"] = of.server_name
    if standard:
        found.update(_standard(of))
    if certificates:
        found.update(_exported(of))
    return found


def _standard(of: Connected) -> dict[str, str]:
    """The variables of SSLOptions StdEnvVars that have a value."""
    found = {name: text for name in STANDARD if (text := value(name, of)) is not None}
    for side, chain in (("CLIENT", of.client_chain()), ("SERVER", of.server_chain())):
        read = of.read(chain[0]) if chain else None
        if read is None:
            continue
        for letter, name in (("S", read.subject), ("I", read.issuer)):
            _add_parts(found, f"SSL_{side}_{letter}_DN_", name)
        for word, names in (("Email", read.emails), ("DNS", read.hosts), ("OTHER_msUPN", read.principals)):
            found.update({f"SSL_{side}_SAN_{word}_{number}": text for number, text in enumerate(names)})
    return found


def _add_parts(found: dict[str, str], prefix: str, name: Name) -> None:
    """The parts of a name: the first of a kind alone, where there are more all with numbers."""
    for short, kind in KINDS.items():
        texts = [text for its, text in name if its == kind]
        if texts and short != "SP":
            found[prefix + short] = texts[0]
            if len(texts) > 1:
                found.update({f"{prefix}{short}_{number}": text for number, text in enumerate(texts)})


def _exported(of: Connected) -> dict[str, str]:
    """The variables of SSLOptions ExportCertData."""
    names = (
        "SSL_SERVER_CERT",
        "SSL_CLIENT_CERT",
        *(f"SSL_CLIENT_CERT_CHAIN_{n}" for n in range(len(of.client_chain()))),
    )
    return {name: text for name in names if (text := value(name, of)) is not None}
