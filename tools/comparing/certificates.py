"""Certificates for comparisons over TLS, made by the program openssl: an authority's, a server's and a client's."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

#: What each is called, and what it is for.
NAMES = {
    "ca": "/C=DE/O=Comparing/CN=authority",
    "server": "/C=DE/O=Comparing/OU=Servers/CN=server.test",
    "client": "/C=DE/O=Comparing/CN=client/emailAddress=client@host.test",
    "stranger": "/CN=stranger",
    "revoked": "/C=DE/O=Comparing/CN=revoked",
}
#: What of the authority's certificates it has taken back: in the form of openssl's ca.
REVOKED = "R\t491231000000Z\t200101000000Z\t05\tunknown\t/C=DE/O=Comparing/CN=revoked\n"
AUTHORITY = """
[ca]
default_ca = own
[own]
database = index.txt
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_crl_days = 3650
"""
#: What is spoken, whatever the clients and servers could speak: so the same is told of it everywhere.
CIPHER = "ECDHE-RSA-AES128-GCM-SHA256"


class Certificates(NamedTuple):
    """The files by their names, and how clients speak TLS: without a certificate (""), or with one of these.

    ``behind``: how the servers behind speak it, by their names.
    """

    files: dict[str, bytes]
    clients: dict[str, ssl.SSLContext]
    behind: dict[str, ssl.SSLContext]


def _openssl(folder: Path, *words: str) -> bytes:
    command = ["openssl", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout


def make() -> Certificates | None:
    """Make them. :returns: None where there is no openssl."""
    if shutil.which("openssl") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        folder = Path(name)
        for number, (who, subject) in enumerate(NAMES.items(), 1):
            by = ["-CA", "ca.pem", "-CAkey", "ca.key"] if who not in ("ca", "stranger") else []
            more = "basicConstraints=critical,CA:TRUE" if who == "ca" else "subjectAltName=DNS:*.test"
            _openssl(
                folder, "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-keyout", f"{who}.key", "-out", f"{who}.pem",
                "-subj", subject, "-days", "3650", "-set_serial", str(number), "-addext", more, *by,
            )  # fmt: skip
        (folder / "index.txt").write_text(REVOKED)
        (folder / "ca.conf").write_text(AUTHORITY)
        _openssl(folder, "ca", "-config", "ca.conf", "-gencrl", "-out", "crl.pem")
        files = {path.name: path.read_bytes() for path in folder.glob("*.[pk]e[my]")}
        files["machine.pem"] = files["client.pem"] + files["client.key"]
        named = _openssl(folder, "x509", "-in", "ca.pem", "-noout", "-hash").decode().strip()
        files |= {f"authorities/{named}.0": files["ca.pem"], f"authorities/{named}.r0": files["crl.pem"]}
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(folder / "server.pem", folder / "server.key")
        asking = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
        asking.load_cert_chain(folder / "server.pem", folder / "server.key")
        asking.verify_mode, asking.verify_flags = ssl.CERT_REQUIRED, ssl.VerifyFlags.VERIFY_DEFAULT
        clients = {who: _client(folder, who) for who in ("", "client", "stranger", "revoked")}
    return Certificates(files, clients, {"SAFE": server, "ASKING": asking})


def _client(folder: Path, who: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHER)
    if who:
        context.load_cert_chain(folder / f"{who}.pem", folder / f"{who}.key")
    return context
