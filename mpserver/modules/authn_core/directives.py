"""The directives of mod_authn_core."""

from __future__ import annotations

import hashlib
import os

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive, Where
from mpserver.modules import values
from mpserver.modules.authn_core import AUTH_NAME, AUTH_TYPE, NONCE_KEY
from mpserver.modules.authn_core.provider_names import define


def _auth_type(call: Call) -> None:
    kind = call.args[0]
    call.conf[AUTH_TYPE] = None if kind.lower() == "none" else kind
    if kind.lower() == "digest":
        call.conf[NONCE_KEY] = _key_of_file(call.file) if call.where is Where.HTACCESS else os.urandom(32)


def _key_of_file(path: str) -> bytes:
    """A key for what a .htaccess file protects: each process reads that by itself, and has to find the same one."""
    found = os.stat(path)
    text = f"{path} {found.st_dev} {found.st_ino} {found.st_mtime_ns} {found.st_ctime_ns}"
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            text += file.read()
    except OSError:
        pass
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "AuthType",
        Args.TAKE1,
        IN_DIRECTORY,
        _auth_type,
        Override.AUTHCONFIG,
        "the kind of authentication, such as Basic, or None",
    ),
    Directive(
        "AuthName",
        Args.TAKE1,
        IN_DIRECTORY,
        values.directory(AUTH_NAME, values.text),
        Override.AUTHCONFIG,
        "the name of the realm",
    ),
    Directive(
        "<AuthnProviderAlias",
        Args.TAKE2,
        Where.SERVER,
        define,
        help="a provider, and another name for it with the settings that stand in the section",
    ),
)
