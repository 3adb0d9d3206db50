"""The store of managed domains: which files are where. Those of domains are named as mod_md names them.

    accounts/AUTHORITY/     the key of the account at an authority, and the account's address there
    domains/DOMAIN/         a certificate with those above it, its key, and how its renewal stands
    challenges/DOMAIN/      what authorities ask for just now, by the names that they ask about

It belongs to the account that the server runs as. Keys are that one's to read; others see what all may: certificates,
and answers to challenges.
"""

from __future__ import annotations

import os

#: Nobody but the owner sees what is called how there, but everybody reads what is for all.
FOLDER_MODE, SECRET_FOLDER_MODE = 0o711, 0o700
FILE_MODE, SECRET_MODE = 0o644, 0o600


class Store:
    """The store in a folder."""

    __slots__ = ("folder",)

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @property
    def answers(self) -> str:
        """The folder of what authorities ask for."""
        return os.path.join(self.folder, "challenges")

    def account(self, name: str, file: str) -> str:
        """A file of the account at an authority."""
        return os.path.join(self.folder, "accounts", name, file)

    def domain(self, name: str, file: str) -> str:
        """A file of a domain, by the domain's first name."""
        return os.path.join(self.folder, "domains", _safe(name), file)

    def chain(self, name: str, label: str) -> str:
        """The file of a certificate, by the kind of its key (`KeyKind.label`)."""
        return self.domain(name, f"pubcert.{label}.pem" if label else "pubcert.pem")

    def key(self, name: str, label: str) -> str:
        """The file of its key."""
        return self.domain(name, f"privkey.{label}.pem" if label else "privkey.pem")

    def write(self, path: str, content: bytes, *, secret: bool = False) -> None:
        """Write a file, whole or not at all. :raises OSError: it can't be written."""
        folder = os.path.dirname(path)
        self._make(folder, SECRET_FOLDER_MODE if f"{os.sep}accounts{os.sep}" in path else FOLDER_MODE)
        new = f"{path}.new"
        mode = SECRET_MODE if secret else FILE_MODE
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)

    def _make(self, folder: str, mode: int) -> None:
        if not os.path.isdir(folder):
            above = os.path.dirname(folder)
            if folder != self.folder and above != folder:
                self._make(above, mode)
            try:
                os.mkdir(folder, mode)
            except FileExistsError:
                return
            os.chmod(folder, FOLDER_MODE if folder == self.folder else mode)  # (whatever the umask is)


def answer_to(folder: str, host: str, token: str) -> str:
    """The file of the answer that is asked for by a token, for a host's name."""
    return os.path.join(folder, _safe(host.lower()), f"http-01.{_safe(token)}")


def handshake_files(folder: str, host: str) -> tuple[str, str]:
    """The files of the certificate that answers in a handshake for a host's name, and of its key."""
    base = os.path.join(folder, _safe(host.lower()), "acme-tls-alpn-01")
    return f"{base}.cert.pem", f"{base}.key.pem"


def _safe(name: str) -> str:
    """A name that leads to no other folder, whatever it is made of."""
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_.*") else "_" for sign in name[:255])
    return "_" + safe[1:] if safe.startswith(".") or not safe else safe
