"""What a certificate says, for variables of requests: read out of its bytes (RFC 5280; DER of X.690).

The libraries for this don't load in interpreters with a GIL of their own, and Python's own tells less than mod_ssl's
variables want. Nothing here decides whom to trust: OpenSSL has done that.
"""

from __future__ import annotations

import base64
import calendar
import time
from collections.abc import Iterator

from mpserver.typing import NamedTuple

UTC_TIME, BMP_STRING, UNIVERSAL_STRING, UTF8_STRING = 0x17, 0x1E, 0x1C, 0x0C
VERSION_TAG, EXTENSIONS_TAG, EMAIL_TAG, DNS_TAG, ADDRESS_TAG, OTHER_TAG = 0xA0, 0xA3, 0x81, 0x82, 0x87, 0xA0

#: Parts of names as OpenSSL abbreviates them.
PARTS = {
    "2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
    "2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description",
    "2.5.4.41": "name", "2.5.4.42": "GN", "2.5.4.43": "initials", "2.5.4.45": "x500UniqueIdentifier",
    "2.5.4.46": "dnQualifier", "1.2.840.113549.1.9.1": "emailAddress", "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC", "2.5.4.97": "organizationIdentifier",
}  # fmt: skip
#: Algorithms as OpenSSL calls them.
ALGORITHMS = {
    "1.2.840.113549.1.1.1": "rsaEncryption", "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.2.840.113549.1.1.10": "rsassaPss", "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption", "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.2.840.10045.2.1": "id-ecPublicKey", "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256", "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512", "1.3.101.112": "ED25519", "1.3.101.113": "ED448",
}  # fmt: skip
ALTERNATIVE_NAMES = "2.5.29.17"
#: The features of TLS that a certificate demands of its server, and the one of answers of OCSP that it staples
#: (RFC 7633).
FEATURES, STAPLES = "1.3.6.1.5.5.7.1.24", 5
USER_PRINCIPAL_NAME = "1.3.6.1.4.1.311.20.2.3"
#: What must be escaped in a name (RFC 4514 2.4).
_ESCAPED = frozenset(',+"\\<>;')

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"

#: A name: its parts as (abbreviation or number, text), in the order of the certificate.
Name = tuple[tuple[str, str], ...]


class Certificate(NamedTuple):
    """A certificate, read; times in seconds since the epoch."""

    version: int
    serial: str
    subject: Name
    issuer: Name
    begins: int
    ends: int
    signature: str
    key: str
    emails: tuple[str, ...]
    hosts: tuple[str, ...]
    principals: tuple[str, ...]
    #: As bytes, in hexadecimal digits.
    addresses: tuple[str, ...]


def ders(pem: bytes) -> list[bytes]:
    """The certificates of a text, as bytes. What is damaged is left out."""
    found = []
    for part in pem.split(_BEGIN)[1:]:
        body, end, _ = part.partition(_END)
        if end:
            try:
                found.append(base64.b64decode(body))
            except ValueError:
                continue
    return found


def pem(der: bytes) -> str:
    """A certificate as text, as OpenSSL writes it."""
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join((_BEGIN.decode(), *lines, _END.decode(), ""))


def read(der: bytes) -> Certificate:
    """Read a certificate. :raises ValueError: it is none."""
    try:
        return _read(der)
    except (IndexError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError("this is no certificate") from error


def demands_staples(der: bytes) -> bool:
    """Whether a certificate is good with a stapled answer of OCSP alone (must-staple).

    :raises ValueError: it is none.
    """
    try:
        ((_tag, whole),) = _items(der)
        extensions = [content for tag, content in _items(next(_items(whole))[1]) if tag == EXTENSIONS_TAG]
        for _tag, extension in _items(next(_items(extensions[0]))[1]) if extensions else ():
            parts = list(_items(extension))
            if _identifier(parts[0][1]) == FEATURES:
                numbers = _items(next(_items(parts[-1][1]))[1])
                return any(int.from_bytes(number, "big") == STAPLES for _tag, number in numbers)
    except (IndexError, StopIteration) as error:
        raise ValueError("this is no certificate") from error
    return False


def _read(der: bytes) -> Certificate:
    ((_tag, whole),) = _items(der)
    body = next(_items(whole))[1]
    items = list(_items(body))
    version = 1
    if items[0][0] == VERSION_TAG:
        version = int.from_bytes(next(_items(items[0][1]))[1], "big") + 1
        del items[0]
    serial, signature, issuer, validity, subject, key = (content for _, content in items[:6])
    begins, ends = (_time(*item) for item in _items(validity))
    names: dict[str, list[str]] = {"email": [], "dns": [], "upn": [], "ip": []}
    for tag, content in items[6:]:
        if tag == EXTENSIONS_TAG:
            for kind, text in _alternative_names(next(_items(content))[1]):
                names[kind].append(text)
    return Certificate(
        version, serial.hex().upper().removeprefix("00") or "00", _name(subject), _name(issuer), begins, ends,
        _algorithm(signature), _algorithm(next(_items(key))[1]), tuple(names["email"]),
        tuple(names["dns"]), tuple(names["upn"]), tuple(names["ip"]),
    )  # fmt: skip


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The values that bytes hold: tag and content. :raises IndexError: they end too early."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise IndexError(at)
        yield tag, data[at : at + length]
        at += length


def _identifier(content: bytes) -> str:
    numbers = [min(content[0] // 40, 2)]
    numbers.append(content[0] - 40 * numbers[0])
    value = 0
    for byte in content[1:]:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    return ".".join(map(str, numbers))


def _algorithm(content: bytes) -> str:
    found = _identifier(next(_items(content))[1])
    return ALGORITHMS.get(found, found)


def _time(tag: int, content: bytes) -> int:
    text = content.decode("ascii")
    if tag == UTC_TIME:  # (RFC 5280 4.1.2.5.1)
        text = ("19" if text[:2] >= "50" else "20") + text
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


def _text(tag: int, content: bytes) -> str:
    encoding = {BMP_STRING: "utf-16-be", UNIVERSAL_STRING: "utf-32-be", UTF8_STRING: "utf-8"}.get(tag, "latin-1")
    return content.decode(encoding, "replace")


def _name(content: bytes) -> Name:
    parts = []
    for _tag, group in _items(content):
        for _tag, pair in _items(group):
            (_, kind), (tag, value) = _items(pair)
            number = _identifier(kind)
            parts.append((PARTS.get(number, number), _text(tag, value)))
    return tuple(parts)


def _alternative_names(content: bytes) -> Iterator[tuple[str, str]]:
    """The names beside the subject's: (email, dns, ip or upn, text)."""
    for _tag, extension in _items(content):
        parts = list(_items(extension))
        if _identifier(parts[0][1]) != ALTERNATIVE_NAMES:
            continue
        for tag, name in _items(next(_items(parts[-1][1]))[1]):
            if tag in (EMAIL_TAG, DNS_TAG):
                yield ("email" if tag == EMAIL_TAG else "dns"), name.decode("latin-1")
            elif tag == ADDRESS_TAG:
                yield "ip", name.hex()
            elif tag == OTHER_TAG:
                (_, kind), (_, value) = _items(name)
                if _identifier(kind) == USER_PRINCIPAL_NAME:
                    yield "upn", _text(*next(_items(value)))


def in_order(name: Name) -> str:
    """A name in one line (RFC 4514): the last part first."""
    return ",".join(f"{kind}={_escaped(text)}" for kind, text in reversed(name))


def with_slashes(name: Name) -> str:
    """A name as old versions of OpenSSL write it (LegacyDNStringFormat, FakeBasicAuth)."""
    return "".join(f"/{kind}={text}" for kind, text in name)


def _escaped(text: str) -> str:
    escaped = "".join("\\" + sign if sign in _ESCAPED else sign for sign in text)
    if escaped[:1] in ("#", " "):
        escaped = "\\" + escaped
    return escaped[:-1] + "\\ " if len(text) > 1 and text.endswith(" ") else escaped


def in_words(moment: int) -> str:
    """A time as OpenSSL prints it."""
    return time.strftime("%b %e %H:%M:%S %Y GMT", time.gmtime(moment))
