"""HTTPS (mod_ssl): the settings of hosts that speak TLS, and what directories ask of their clients."""

from __future__ import annotations

import enum

from mpserver.config.settings import Setting, append
from mpserver.typing import Any, NamedTuple

#: The name of the module for LoadModule.
MODULE = "ssl_module"

#: What stands for the file of a certificate that is made for development.
AUTO = "auto"


class Place(NamedTuple):
    """A file that a directive names, and where that stands."""

    path: str
    file: str
    line: int


class Kept(NamedTuple):
    """A certificate and its key in files that something else keeps up to date (mod_md).

    ``owner``: the number of the user whose they have to be, -1: anybody's. Unless they are ``required`` they may be
    missing yet: until they are there, the host has a certificate that is made for development.
    """

    chain: Place
    key: Place
    owner: int
    required: bool


class Option(enum.IntFlag):
    """The words of SSLOptions."""

    STD_ENV_VARS = 1
    EXPORT_CERT_DATA = 2
    FAKE_BASIC_AUTH = 4
    STRICT_REQUIRE = 8
    #: Known, and of no consequence: directories never renegotiate, and names are written in one form.
    OPT_RENEGOTIATE = 16
    LEGACY_DN = 32


class Options(NamedTuple):
    """SSLOptions of one scope: what it sets (None: nothing, so that words with signs change the outer ones)."""

    fixed: int | None
    added: int = 0
    removed: int = 0


def merge_options(outer: Options, inner: Options) -> Options:
    """What an inner scope makes of an outer one's."""
    if inner.fixed is not None:
        return inner
    added = outer.added & ~inner.removed | inner.added
    return Options(outer.fixed, added, outer.removed & ~inner.added | inner.removed)


def effective(options: Options) -> int:
    """The words in effect, as `Option`."""
    return (options.fixed or 0) & ~options.removed | options.added


#: True, False, or None: as the protocol of the host's Listen says.
ENGINE: Setting[bool | None] = Setting("SSLEngine", None)

#: What only the start needs: what is worked out of it is a `mpserver.tls.profile.Profile`.
CERTIFICATE_FILES: Setting[tuple[Place, ...]] = Setting("SSLCertificateFile", (), travels=False)
KEY_FILES: Setting[tuple[Place, ...]] = Setting("SSLCertificateKeyFile", (), travels=False)
CHAIN_FILE: Setting[Place | None] = Setting("SSLCertificateChainFile", None, travels=False)
PROTOCOLS: Setting[tuple[str, ...]] = Setting("SSLProtocol", (), travels=False)
CIPHERS: Setting[str | None] = Setting("SSLCipherSuite", None, travels=False)
SUITES: Setting[str] = Setting("SSLCipherSuite TLSv1.3", "", travels=False)
OWN_ORDER: Setting[bool] = Setting("SSLHonorCipherOrder", False, travels=False)
TICKETS: Setting[bool] = Setting("SSLSessionTickets", True, travels=False)
TICKET_KEYS: Setting[Place | None] = Setting("SSLSessionTicketKeyFile", None, travels=False)
AUTHORITY_FILE: Setting[Place | None] = Setting("SSLCACertificateFile", None, travels=False)
AUTHORITY_PATH: Setting[Place | None] = Setting("SSLCACertificatePath", None, travels=False)
REVOCATION_FILE: Setting[Place | None] = Setting("SSLCARevocationFile", None, travels=False)
REVOCATION_PATH: Setting[Place | None] = Setting("SSLCARevocationPath", None, travels=False)
REVOCATION_CHECK: Setting[int] = Setting("SSLCARevocationCheck", 0, travels=False)
STRICT_SNI: Setting[bool] = Setting("SSLStrictSNIVHostCheck", False, travels=False)
#: One of `mpserver.tls.profile.POLICIES`.
SNI_POLICY: Setting[str] = Setting("SSLVHostSNIPolicy", "secure", travels=False)
CURVE: Setting[str] = Setting("SSLOpenSSLConfCmd Curves", "", travels=False)
DH_FILE: Setting[Place | None] = Setting("SSLOpenSSLConfCmd DHParameters", None, travels=False)
#: "builtin", "|program" or "exec:program".
DIALOG: Setting[str] = Setting("SSLPassPhraseDialog", "builtin", travels=False)

#: Directory level. A `mpserver.tls.profile.Verify`, and how many authorities may stand between.
VERIFY_CLIENT: Setting[int] = Setting("SSLVerifyClient", 0)
VERIFY_DEPTH: Setting[int] = Setting("SSLVerifyDepth", 1)
OPTIONS: Setting[Options] = Setting("SSLOptions", Options(None), merge_options)
REQUIRE_SSL: Setting[bool] = Setting("SSLRequireSSL", False)
#: Expressions in the syntax of SSLRequire, all of which have to hold.
REQUIRE: Setting[tuple[str, ...]] = Setting("SSLRequire", (), append)
USER_NAME: Setting[str | None] = Setting("SSLUserName", None)


class ProxyCheck(NamedTuple):
    """What is looked at in the certificates of servers behind: SSLProxyCheckPeerName and SSLProxyCheckPeerExpire."""

    name: bool = True
    expires: bool = True


#: TLS with the servers behind (mod_proxy). Directory level: Proxy sections may say it, too.
PROXY_ENGINE: Setting[bool] = Setting("SSLProxyEngine", False)
PROXY_VERIFY: Setting[bool] = Setting("SSLProxyVerify", False)
PROXY_CHECK: Setting[ProxyCheck] = Setting("SSLProxyCheckPeerName", ProxyCheck())
#: Names of protocols, the lowest and the highest; none: what OpenSSL has.
PROXY_PROTOCOLS: Setting[tuple[str, ...]] = Setting("SSLProxyProtocol", ())
PROXY_CIPHERS: Setting[str] = Setting("SSLProxyCipherSuite", "")
#: Files, and a folder; "": none.
PROXY_AUTHORITY_FILE: Setting[str] = Setting("SSLProxyCACertificateFile", "")
PROXY_AUTHORITY_PATH: Setting[str] = Setting("SSLProxyCACertificatePath", "")
PROXY_CERTIFICATE: Setting[str] = Setting("SSLProxyMachineCertificateFile", "")
PROXY_SETTINGS: tuple[Setting[Any], ...] = (
    PROXY_ENGINE, PROXY_VERIFY, PROXY_CHECK, PROXY_PROTOCOLS, PROXY_CIPHERS, PROXY_AUTHORITY_FILE, PROXY_AUTHORITY_PATH,
    PROXY_CERTIFICATE,
)  # fmt: skip
