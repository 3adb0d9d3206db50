"""Certificates read for variables, beside what openssl says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.tls import certificate
from support.certificates import Authority, run


@pytest.mark.parametrize("rsa", [False, True])
def test_as_openssl_reads_it(tmp_path: Path, rsa: bool) -> None:
    issued = Authority(tmp_path / "ca").issue(
        "client",
        [
            "email:a@example.org",
            "DNS:a.example",
            "DNS:*.b.example",
            "IP:192.0.2.7",
            "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:u@example",
        ],
        subject=r"/C=DE/O=Tests \, more/CN=Zoë/emailAddress=a@example.org",
        rsa=rsa,
    )
    text = issued.certificate.read_bytes()
    (der,) = certificate.ders(b"rubbish before\n" + text)
    read = certificate.read(der)
    assert certificate.pem(der).encode() == text[text.index(b"-----BEGIN") :]

    def told(*words: str) -> str:
        return run("x509", "-in", issued.certificate, "-noout", *words).strip().partition("=")[2]

    assert read.serial == told("-serial")
    assert certificate.in_words(read.begins) == told("-startdate")
    assert certificate.in_words(read.ends) == told("-enddate")
    assert certificate.in_order(read.subject) == told("-subject", "-nameopt", "RFC2253,-esc_msb,utf8")
    assert certificate.in_order(read.issuer) == told("-issuer", "-nameopt", "RFC2253")
    assert (read.version, read.emails, read.principals) == (3, ("a@example.org",), ("u@example",))
    assert read.hosts == ("a.example", "*.b.example")
    assert read.addresses == ("c0000207",)
    assert read.key == ("rsaEncryption" if rsa else "id-ecPublicKey")
    assert read.signature == "ecdsa-with-SHA256"


@given(st.binary(max_size=200))
def test_rubbish(data: bytes) -> None:
    with pytest.raises(ValueError):
        certificate.read(data)
    assert certificate.ders(data) == []
