"""The SSLProxy directives: TLS with the servers behind this one."""

from __future__ import annotations

import os
from collections.abc import Callable

from mpserver.config.registry import NOT_HTACCESS, Args, Call, Directive
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules import ssl, values
from mpserver.tls.profile import PROTOCOLS
from mpserver.typing import TypeVar

T = TypeVar("T")


def _in_place(call: Call) -> None:
    if call.section is not None and call.section.kind not in ("Proxy", "ProxyMatch"):
        raise ConfigError(f"{call.name} cannot occur within <{call.section.kind}> section: use <Proxy>")


def _setting(setting: Setting[T], read: values.Reader[T]) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        _in_place(call)
        call.conf[setting] = read(call, call.args[0])

    return apply


def _check(**which: bool) -> Callable[[Call], None]:
    """SSLProxyCheckPeerName and its kin: the part that its flag sets."""

    def apply(call: Call) -> None:
        _in_place(call)
        call.conf[ssl.PROXY_CHECK] = call.conf[ssl.PROXY_CHECK]._replace(**dict.fromkeys(which, call.flag))

    return apply


def _protocols(call: Call) -> None:
    _in_place(call)
    names = {name.lower(): {name} for name in PROTOCOLS} | {"all": set(PROTOCOLS), "sslv2": set(), "sslv3": set()}
    chosen: set[str] = set()
    for word in call.args:
        sign, name = values.signed(word.lower())
        if name not in names or (name in ("sslv2", "sslv3") and sign != "-"):
            raise ConfigError(f"{call.name}: Illegal protocol '{word}' (there are: all, {', '.join(PROTOCOLS)})")
        chosen = chosen - names[name] if sign == "-" else (chosen if sign else set()) | names[name]
    found = tuple(name for name in PROTOCOLS if name in chosen)
    if not found:
        raise ConfigError(f"{call.name} leaves no protocol: write '{call.name} TLSv1.2 +TLSv1.3'")
    call.conf[ssl.PROXY_PROTOCOLS] = found


def _verify(call: Call, word: str) -> bool:
    if word.lower() in ("optional", "optional_no_ca"):
        raise ConfigError(
            f"{call.name} {word} can't be had: a server always shows a certificate: write require or none"
        )
    return values.choice({"none": False, "require": True})(call, word)


def _readable(call: Call, word: str) -> str:
    path = values.path(call, word)

    def test() -> str | None:
        return None if os.access(path, os.R_OK) else f"{call.name}: {path} can't be read: name what is there"

    values.later(call, test)
    return path


def _refused(remedy: str) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        raise ConfigError(f"{call.name} can't be had: {remedy}")

    return apply


def _depth(call: Call) -> None:
    values.number(0, 100)(call, call.args[0])
    call.warn(f"{call.name} makes no difference here: chains may be as long as OpenSSL lets them be")


_ONE_FILE = "put the certificate, its key and what vouches for it into one file for SSLProxyMachineCertificateFile"
_REVOKED = "servers whose certificates are revoked would be trusted: leave it out only where that is meant"

DIRECTIVES: tuple[Directive, ...] = (
    Directive("SSLProxyEngine", Args.FLAG, NOT_HTACCESS, _setting(ssl.PROXY_ENGINE, values.flag)),
    Directive("SSLProxyVerify", Args.TAKE1, NOT_HTACCESS, _setting(ssl.PROXY_VERIFY, _verify), help="none or require"),
    Directive("SSLProxyVerifyDepth", Args.TAKE1, NOT_HTACCESS, _depth, help="a number"),
    Directive("SSLProxyCheckPeerName", Args.FLAG, NOT_HTACCESS, _check(name=True)),
    Directive("SSLProxyCheckPeerCN", Args.FLAG, NOT_HTACCESS, _check(name=True)),
    Directive("SSLProxyCheckPeerExpire", Args.FLAG, NOT_HTACCESS, _check(expires=True)),
    Directive("SSLProxyProtocol", Args.ITERATE, NOT_HTACCESS, _protocols, help="protocols with + or -, or all"),
    Directive(
        "SSLProxyCipherSuite", Args.TAKE1, NOT_HTACCESS, _setting(ssl.PROXY_CIPHERS, values.filled), help="ciphers"
    ),
    Directive(
        "SSLProxyCACertificateFile",
        Args.TAKE1,
        NOT_HTACCESS,
        _setting(ssl.PROXY_AUTHORITY_FILE, _readable),
        help="a file with the certificates of authorities",
    ),
    Directive(
        "SSLProxyCACertificatePath",
        Args.TAKE1,
        NOT_HTACCESS,
        _setting(ssl.PROXY_AUTHORITY_PATH, _readable),
        help="a folder with the certificates of authorities, named by their hashes",
    ),
    Directive(
        "SSLProxyMachineCertificateFile",
        Args.TAKE1,
        NOT_HTACCESS,
        _setting(ssl.PROXY_CERTIFICATE, _readable),
        help="a file with a certificate and its key",
    ),
    Directive("SSLProxyMachineCertificatePath", Args.TAKE1, NOT_HTACCESS, _refused(_ONE_FILE), help="a folder"),
    Directive("SSLProxyMachineCertificateChainFile", Args.TAKE1, NOT_HTACCESS, _refused(_ONE_FILE), help="a file"),
    Directive("SSLProxyCARevocationFile", Args.TAKE1, NOT_HTACCESS, _refused(_REVOKED), help="a file"),
    Directive("SSLProxyCARevocationPath", Args.TAKE1, NOT_HTACCESS, _refused(_REVOKED), help="a folder"),
    Directive("SSLProxyCARevocationCheck", Args.TAKE1, NOT_HTACCESS, _refused(_REVOKED), help="a word"),
)
