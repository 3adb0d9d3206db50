"""Certificates for tests, made by the program openssl: an authority, what it vouches for, and what it takes back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

#: What a CA of `openssl ca` needs to know.
CONFIGURATION = """
[ca]
default_ca = own
[own]
database = {folder}/index.txt
serial = {folder}/serial
crlnumber = {folder}/crlnumber
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
copy_extensions = copy
unique_subject = no
x509_extensions = issued
[any]
commonName = supplied
organizationName = optional
countryName = optional
emailAddress = optional
[issued]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
basicConstraints = CA:FALSE
"""


class Issued(NamedTuple):
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


def run(*words: str | Path) -> str:
    """Run openssl. :returns: what it says."""
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{words}\n{done.stderr}"
    return done.stdout


class Authority:
    """An authority in a folder of its own; the test is skipped where openssl isn't installed."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("the program openssl is not installed")
        folder.mkdir(parents=True)
        self.folder = folder
        self.file = folder / "ca.pem"
        self._conf = folder / "ca.cnf"
        self._conf.write_text(CONFIGURATION.format(folder=folder))
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("1000\n")
        (folder / "crlnumber").write_text("01\n")
        run(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-keyout", folder / "ca.key", "-out", self.file, "-subj", "/CN=Test Authority/O=Tests",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip

    def issue(
        self, name: str, hosts: Sequence[str] = (), *, rsa: bool = False, subject: str = "", phrase: str = "",
        staples: bool = False,
    ) -> Issued:  # fmt: skip
        """A certificate; ``name`` is that of its files, and of its subject where that is not told.

        :param staples: it demands stapled answers of OCSP.
        """
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request = self.folder / f"{name}.csr"
        kind = ("rsa:2048",) if rsa else ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        secret = ("-passout", f"pass:{phrase}") if phrase else ("-nodes",)
        names = ("-addext", "subjectAltName=" + ",".join(hosts)) if hosts else ()
        demands = ("-addext", "tlsfeature=status_request") if staples else ()
        run(
            "req", "-new", "-newkey", *kind, *secret, "-keyout", key, "-out", request, "-subj",
            subject or f"/CN={name}", *names, *demands,
        )  # fmt: skip
        run("ca", "-batch", "-notext", "-preserveDN", "-config", self._conf, "-in", request, "-out", certificate)
        return Issued(certificate, key)

    def revoke(self, issued: Issued) -> None:
        """Take a certificate back."""
        run("ca", "-config", self._conf, "-revoke", issued.certificate)

    def revoked(self) -> Path:
        """The list of those that were taken back."""
        path = self.folder / "crl.pem"
        run("ca", "-config", self._conf, "-gencrl", "-out", path)
        return path
