"""``SSLCertificateFile auto``: a certificate for development, signed by nobody else, made by the program openssl.

It is kept beside the pid file, so that a browser's exception for it outlives restarts, and made anew before it ends or
where the host has other names. It is for this machine's own names, too, as those who develop ask for them.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Sequence

from mpserver.errors import ConfigError
from mpserver.modules.ssl import Place
from mpserver.tls import certificate

#: How long it is good, in days: browsers take no longer ones; and how many seconds before its end a new one is made.
DAYS = 397
RENEWED_BEFORE = 14 * 86400
#: How long openssl may take, in seconds.
PATIENCE = 60.0
#: What one calls the machine that one sits at.
HERE = ("localhost", "127.0.0.1", "::1")


def provide(folder: str, names: Sequence[str], place: Place) -> Place:
    """The file of a certificate, with its key.

    :param names: of the host; the first is the certificate's own.
    :param place: where it was asked for.
    :raises ConfigError: it can't be made or kept.
    """
    wanted = tuple(dict.fromkeys(name.lower() for name in (*names, *HERE)))
    path = os.path.join(folder, f"auto-{wanted[0].replace('/', '_')}.pem")
    if not _is_good(path, wanted):
        try:
            _make(path, wanted)
        except OSError as error:
            raise ConfigError(
                f"SSLCertificateFile auto: {path} can't be made: {error.strerror or error} (openssl has to)",
                place.file,
                place.line,
            ) from error
    return place._replace(path=path)


def told(path: str) -> str:
    """What is told of such a certificate at the start. :raises OSError: it can't be read."""
    with open(path, "rb") as file:
        found = certificate.ders(file.read())
    digits = hashlib.sha256(found[0]).hexdigest().upper()
    fingerprint = ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    return (
        f"SSLCertificateFile auto: nobody else vouches for the certificate {path}, so clients warn of it, or have to "
        f"be given it; its SHA-256 fingerprint is {fingerprint}"
    )


def _packed(name: str) -> str:
    """An address as a certificate has it, see `certificate.Certificate`; "": the name is none."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, name).hex()
        except OSError:
            continue
    return ""


def _is_good(path: str, names: tuple[str, ...]) -> bool:
    try:
        with open(path, "rb") as file:
            found = certificate.ders(file.read())
        read = certificate.read(found[0])
    except (OSError, IndexError, ValueError):
        return False
    addresses = {_packed(name) for name in names} - {""}
    hosts = {name for name in names if not _packed(name)}
    return (set(read.hosts), set(read.addresses)) == (hosts, addresses) and read.ends - time.time() > RENEWED_BEFORE


def _make(path: str, names: tuple[str, ...]) -> None:
    """Make it. :raises OSError: openssl is not there or fails, or the folder can't be written to."""
    import subprocess

    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    alternative = ",".join(f"{'IP' if _packed(name) else 'DNS'}:{name}" for name in names)
    with tempfile.TemporaryDirectory(dir=folder) as work:  # (nobody else may look into it)
        key, own, whole = (os.path.join(work, name) for name in ("key", "certificate", "whole"))
        try:
            subprocess.run(
                [  # noqa: S607 - openssl as the administrator's PATH has it
                    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", str(DAYS), "-keyout", key, "-out", own, "-subj", f"/CN={names[0][:64]}", "-addext",
                    f"subjectAltName={alternative}", "-addext",
                    "keyUsage=digitalSignature", "-addext", "extendedKeyUsage=serverAuth",
                ],
                check=True, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.CalledProcessError as error:
            raise OSError(0, error.stderr.strip().rpartition("\n")[2]) from error
        except subprocess.SubprocessError as error:
            raise OSError(0, str(error)) from error
        with open(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for name in (own, key):
                with open(name, "rb") as part:
                    file.write(part.read())
        os.replace(whole, path)
