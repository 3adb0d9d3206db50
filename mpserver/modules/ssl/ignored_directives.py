"""Directives of mod_ssl that Python's ssl has nothing for: taken with a warning where that does no harm."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, SERVER_ONLY, SERVER_VHOST, Args, Call, Directive, Where
from mpserver.errors import ConfigError


def _ignored(why: str) -> Callable[[Call], None]:
    """The code of a directive that may be left out."""

    def apply(call: Call) -> None:
        call.warn(f"{call.name} is ignored: {why}")

    return apply


def _only(word: str, remedy: str) -> Callable[[Call], None]:
    """The code of a directive of which one word can be had, and others would be missed."""

    def apply(call: Call) -> None:
        if call.args[0].lower() != word:
            raise ConfigError(f"{call.name} {call.args[0]} can't be had: {remedy}")

    return apply


def _stapling(call: Call) -> None:
    if call.args[0].lower() != "off":
        call.warn("SSLUseStapling is ignored: Python's ssl staples nothing, clients ask the authority if they care")


_SESSIONS = "sessions are resumed by tickets, which clients keep"
#: How answers of OCSP would be asked for.
_OF_OCSP = {
    Args.FLAG: "NoVerify OverrideResponder UseRequestNonce",
    Args.TAKE1: ("DefaultResponder ProxyURL ResponderCertificateFile ResponderTimeout ResponseMaxAge ResponseTimeSkew"),
}
_NO_STAPLES = "Python's ssl staples no answers of OCSP"


def _taken(name: str, args: Args, where: Where, apply: Callable[[Call], None], help_text: str = "") -> Directive:
    return Directive(name, args, where, apply, help=help_text)


IGNORED_DIRECTIVES: tuple[Directive, ...] = (
    _taken("SSLRandomSeed", Args.TAKE23, SERVER_ONLY, lambda _call: None, "when, a source, and how many bytes"),
    _taken("SSLSessionCache", Args.TAKE1, SERVER_ONLY, _ignored(_SESSIONS), "a kind of cache"),
    _taken("SSLSessionCacheTimeout", Args.TAKE1, SERVER_VHOST, _ignored(_SESSIONS), "seconds"),
    _taken("SSLUseStapling", Args.FLAG, SERVER_VHOST, _stapling),
    _taken("SSLStaplingCache", Args.TAKE1, SERVER_ONLY, _ignored(_NO_STAPLES), "a kind of cache"),
    *(
        _taken(f"SSLStapling{name}", Args.TAKE1, SERVER_VHOST, _ignored(_NO_STAPLES), "a value")
        for name in (
            "ErrorCacheTimeout",
            "FakeTryLater",
            "ForceURL",
            "ResponderTimeout",
            "ResponseMaxAge",
            "ResponseTimeSkew",
            "ReturnResponderErrors",
            "StandardCacheTimeout",
        )
    ),
    _taken(
        "SSLCryptoDevice",
        Args.TAKE1,
        SERVER_ONLY,
        _only("builtin", "OpenSSL's providers took the place of engines; set them in openssl.cnf"),
        "builtin",
    ),
    _taken("SSLCompression", Args.FLAG, SERVER_VHOST, _only("off", "it gives secrets away (CRIME); write Off")),
    _taken(
        "SSLInsecureRenegotiation",
        Args.FLAG,
        SERVER_VHOST,
        _only("off", "it lets others speak first in a client's name (CVE-2009-3555); write Off"),
    ),
    _taken("SSLFIPS", Args.FLAG, SERVER_ONLY, _only("off", "set OpenSSL's FIPS provider in openssl.cnf; write Off")),
    _taken(
        "SSLOCSPEnable",
        Args.TAKE12,
        SERVER_VHOST,
        _only("off", "revoked clients would come in; name lists of them with SSLCARevocationFile instead"),
        "off",
    ),
    *(
        _taken(f"SSLOCSP{name}", args, SERVER_VHOST, _ignored("nobody is asked by OCSP"), "a value")
        for args, names in _OF_OCSP.items()
        for name in names.split()
    ),
    *(
        _taken(
            f"SSLCADNRequest{name}",
            Args.TAKE1,
            SERVER_VHOST,
            _ignored("clients are not told which authorities count"),
            "a file or folder",
        )
        for name in ("File", "Path")
    ),
    Directive(
        "SSLRenegBufferSize",
        Args.TAKE1,
        IN_DIRECTORY,
        _ignored("nothing is negotiated anew within a connection"),
        Override.AUTHCONFIG,
        "bytes",
    ),
)
