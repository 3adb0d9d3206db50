"""Makes the contexts of the standard library's ssl out of profiles."""

from __future__ import annotations

import os

from mpserver.tls import tickets
from mpserver.tls.profile import PROTOCOLS, Profile, Revocation, Verify, to_plain
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import ssl


class Read(Protocol):
    """Reads files."""

    def __call__(self, number: int, is_key: bool = False, /) -> tuple[bytes, str]:
        """What was read of a file, by its number; and the pass phrase where it is a key."""


#: What takes protocols away that are neither the oldest nor the newest.
_OPTIONS = {0x0302: "OP_NO_TLSv1_1", 0x0303: "OP_NO_TLSv1_2"}


class ContextError(Exception):
    """A context can't be made: in words, and the certificate (its place among the profile's; -1: it is none's)."""

    def __init__(self, message: str, certificate: int = -1) -> None:
        super().__init__(message)
        self.certificate = certificate


def make(profile: Profile, read: Read) -> ssl.SSLContext:
    """A context for the server's side.

    :raises ContextError: OpenSSL does not take what the profile says.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _versions(context, profile)
    if not profile.own_order:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.options |= ssl.OP_NO_COMPRESSION | getattr(ssl, "OP_NO_RENEGOTIATION", 0)
    if not profile.tickets:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    _ciphers(context, profile)
    for place, (chain, key) in enumerate(profile.certificates):
        _load(context, place, read(chain)[0], *read(key, True))
    context.set_alpn_protocols(["http/1.1"])
    if profile.verify != Verify.NONE:
        _verification(context, profile, read)
    if profile.curve:
        try:
            context.set_ecdh_curve(profile.curve)
        except ValueError as error:
            raise ContextError(f"there is no elliptic curve '{profile.curve}'") from error
    if profile.dh >= 0:
        with _AsFile(read(profile.dh)[0]) as name:
            try:
                context.load_dh_params(name)
            except (ssl.SSLError, OSError) as error:
                raise ContextError(f"these are no parameters of Diffie-Hellman: {error}") from error
    tickets.alone(context)
    if profile.tickets and profile.secret >= 0:
        # (equal numbers of files are equal files: what hosts have in common is all of what they say of TLS)
        tickets.share(context, read(profile.secret)[0], repr(to_plain(profile)).encode())
    return context


def _versions(context: ssl.SSLContext, profile: Profile) -> None:
    """The protocols: from the oldest to the newest, without those between that are not wanted."""
    import ssl

    versions = sorted(PROTOCOLS[name] for name in profile.protocols)
    gaps = [
        option
        for version, option in _OPTIONS.items()
        if versions[0] < version < versions[-1] and version not in versions
    ]
    if versions[0] >= PROTOCOLS["TLSv1.2"]:
        context.minimum_version, context.maximum_version = ssl.TLSVersion(versions[0]), ssl.TLSVersion(versions[-1])
        return
    import warnings

    with warnings.catch_warnings():  # (old protocols are the administrator's wish)
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion(versions[0]), ssl.TLSVersion(versions[-1])
        for name in gaps:
            context.options |= getattr(ssl, name)


def _ciphers(context: ssl.SSLContext, profile: Profile) -> None:
    import ssl

    try:
        context.set_ciphers(profile.ciphers)
    except ssl.SSLError as error:
        raise ContextError(f"OpenSSL knows no cipher of '{profile.ciphers}'") from error
    choose = getattr(context, "set_ciphersuites", None)  # (from Python 3.15 on)
    if profile.suites and choose is not None:
        try:
            choose(profile.suites)
        except ssl.SSLError as error:
            raise ContextError(f"OpenSSL does not know all of '{profile.suites}'") from error


def _load(context: ssl.SSLContext, place: int, chain: bytes, key: bytes, phrase: str) -> None:
    """A certificate with its key; both may be in the same file."""
    import ssl

    with _AsFile(chain) as chain_name, _AsFile(key) as key_name:
        try:
            # (without a phrase OpenSSL would ask on the terminal)
            context.load_cert_chain(chain_name, key_name, password=lambda: phrase)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise ContextError(_in_words(error, b"ENCRYPTED" in key), place) from error


def _in_words(error: Exception, is_encrypted: bool) -> str:
    reason = getattr(error, "reason", None)
    if is_encrypted and (reason or "").upper().replace(" ", "_") in ("", "PEM_LIB", "BAD_DECRYPT"):
        return "the private key can't be decrypted: its pass phrase is missing or wrong (SSLPassPhraseDialog)"
    return {
        "KEY_VALUES_MISMATCH": "the private key is another certificate's",
        "KEY_TYPE_MISMATCH": "the private key is of another kind than the certificate",
        "EE_KEY_TOO_SMALL": "the key is too small for today's security (OpenSSL's level): make an RSA one of 2048 bits",
        "CA_MD_TOO_WEAK": "a certificate of the chain is signed with a digest that is broken",
        "BAD_BASE64_DECODE": "the text between BEGIN and END is damaged",
    }.get(reason or "", f"OpenSSL can't use it: {reason or error}")


def _verification(context: ssl.SSLContext, profile: Profile, read: Read) -> None:
    """What clients' certificates are checked by."""
    import ssl

    context.verify_mode = ssl.CERT_REQUIRED if profile.verify == Verify.REQUIRE else ssl.CERT_OPTIONAL
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    try:
        if profile.authorities >= 0:
            with _AsFile(read(profile.authorities)[0]) as name:
                context.load_verify_locations(cafile=name)
        if profile.revoked >= 0:
            with _AsFile(read(profile.revoked)[0]) as name:
                context.load_verify_locations(cafile=name)
        for path in {profile.authority_path, profile.revoked_path} - {""}:
            context.load_verify_locations(capath=path)
    except (ssl.SSLError, OSError) as error:
        raise ContextError(f"the authorities' certificates or revocation lists can't be used: {error}") from error
    if profile.revocation == Revocation.LEAF:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    elif profile.revocation == Revocation.CHAIN:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


class _AsFile:
    """A file's name for bytes while a block lasts: the library takes nothing else. It never lies on a disk."""

    __slots__ = ("_data", "_fd")

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __enter__(self) -> str:
        self._fd = os.memfd_create("mpserver-pem", os.MFD_CLOEXEC)
        view = memoryview(self._data)
        while view:
            view = view[os.write(self._fd, view) :]
        return f"/proc/self/fd/{self._fd}"

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
