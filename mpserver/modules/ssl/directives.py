"""The directives of mod_ssl."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, IN_DIRECTORY, SERVER_ONLY, SERVER_VHOST, Args, Call, Directive
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError
from mpserver.modules import ssl, values
from mpserver.modules.ssl import Option, Options, Place
from mpserver.modules.ssl.ignored_directives import IGNORED_DIRECTIVES
from mpserver.modules.ssl.proxy_directives import DIRECTIVES as PROXY_DIRECTIVES
from mpserver.tls.profile import POLICIES, PROTOCOLS, Revocation, Verify


def _place(call: Call, word: str) -> Place:
    return Place(values.path(call, word), call.file, call.line)


def _listed(setting: Setting[tuple[Place, ...]]) -> Callable[[Call], None]:
    """The code of a directive that names one of several files."""

    def apply(call: Call) -> None:
        word = call.args[0]
        place = Place(ssl.AUTO, call.file, call.line) if word.lower() == ssl.AUTO else _place(call, word)
        call.server[setting] = (*call.server.values.get(setting, ()), place)

    return apply


def _engine(call: Call, word: str) -> bool:
    word = word.lower()
    if word == "optional":
        call.warn(
            "SSLEngine optional is taken for Off: clients that begin without TLS stay without (no browser ever "
            "asked for the upgrade of RFC 2817)"
        )
        return False
    if word not in ("on", "off"):
        raise ConfigError("Argument must be On, Off, or Optional: which addresses speak TLS is told by <VirtualHost>")
    return word == "on"


#: What SSLProtocol calls all: older ones are gone from OpenSSL.
_ALL = tuple(PROTOCOLS)
_GONE = ("sslv2", "sslv3")


def _protocol(call: Call) -> None:
    names: dict[str, tuple[str, ...]] = {name.lower(): (name,) for name in PROTOCOLS}
    names |= {"all": _ALL, "sslv2": (), "sslv3": ()}
    chosen: set[str] = set()
    for place, word in enumerate(call.args):
        sign, name = values.signed(word.lower())
        if name not in names:
            raise ConfigError(f"SSLProtocol: Illegal protocol '{word}' (there are: all, {', '.join(PROTOCOLS)})")
        if name in _GONE and sign != "-":
            raise ConfigError(f"SSLProtocol: {word} is broken and no longer there: leave it out, or write -{name}")
        if sign == "-":
            chosen -= set(names[name])
        elif sign == "+":
            chosen |= set(names[name])
        else:
            if place and chosen:
                call.warn(f"SSLProtocol: {word} overrides what stands before it: is a + or - missing?")
            chosen = set(names[name])
    if not chosen:
        raise ConfigError("SSLProtocol leaves no protocol: write 'SSLProtocol TLSv1.2 +TLSv1.3'")
    call.server[ssl.PROTOCOLS] = tuple(name for name in PROTOCOLS if name in chosen)


#: What Red Hat's OpenSSL takes for the system's own choice.
SYSTEM_CIPHERS = "PROFILE=SYSTEM"


def _ciphers(call: Call) -> None:
    words = call.args
    _for_hosts(call, "demand there what was chosen, as in SSLRequire %{SSL_CIPHER_USEKEYSIZE} >= 256")
    if len(words) == 1:
        protocol, ciphers = "ssl", words[0]
    else:
        protocol, ciphers = words[0].lower(), words[1]
    if protocol == "ssl":
        if ciphers == SYSTEM_CIPHERS:
            call.warn("SSLCipherSuite PROFILE=SYSTEM: what Mozilla calls intermediate is taken")
            call.server[ssl.CIPHERS] = None
        else:
            # (as httpd: what gives no certificate or no encryption is never meant)
            call.server[ssl.CIPHERS] = f"{values.filled(call, ciphers)}:!aNULL:!eNULL:!EXP"
    elif protocol == "tlsv1.3":
        call.server[ssl.SUITES] = _suites(call, ciphers)
    else:
        raise ConfigError(f"SSLCipherSuite: protocol '{words[0]}' is none that has ciphers: write SSL or TLSv1.3")


def _suites(call: Call, text: str) -> str:
    import ssl as library

    if hasattr(library.SSLContext, "set_ciphersuites"):
        return text
    missing = {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"} - set(
        text.split(":")
    )
    if missing:
        call.warn(
            f"SSLCipherSuite TLSv1.3: Python chooses no suites of TLS 1.3 before 3.15, so {', '.join(sorted(missing))} "
            "stay as well; all of them are good"
        )
    return ""


def _verify(call: Call, word: str) -> int:
    if word.lower() == "optional_no_ca":
        raise ConfigError(
            "SSLVerifyClient optional_no_ca can't be had: certificates that nobody vouches for are refused. "
            "Write optional, and name the authority with SSLCACertificateFile"
        )
    levels = {"none": Verify.NONE, "optional": Verify.OPTIONAL, "require": Verify.REQUIRE}
    return int(values.choice(levels)(call, word))


def _revocation(call: Call) -> None:
    checks = {"none": Revocation.NONE, "leaf": Revocation.LEAF, "chain": Revocation.CHAIN}
    call.server[ssl.REVOCATION_CHECK] = int(values.choice(checks)(call, call.args[0]))
    if len(call.args) > 1:
        if call.args[1].lower() != "no_crl_for_cert_ok":
            raise ConfigError(f"SSLCARevocationCheck: unrecognized flag '{call.args[1]}'")
        raise ConfigError(
            "SSLCARevocationCheck no_crl_for_cert_ok can't be had: without a list nobody is let in. Name the lists of "
            "all authorities with SSLCARevocationFile"
        )


_WORDS = {
    "stdenvvars": Option.STD_ENV_VARS,
    "exportcertdata": Option.EXPORT_CERT_DATA,
    "fakebasicauth": Option.FAKE_BASIC_AUTH,
    "strictrequire": Option.STRICT_REQUIRE,
    "optrenegotiate": Option.OPT_RENEGOTIATE,
    "legacydnstringformat": Option.LEGACY_DN,
}


def _options(call: Call) -> None:
    found = call.conf.values.get(ssl.OPTIONS, Options(None))
    fixed, added, removed = found
    first = True
    for word in call.args:
        sign, name = values.signed(word.lower())
        if name not in _WORDS:
            raise ConfigError(f"SSLOptions: Illegal option '{word}'")
        bit = int(_WORDS[name])
        if sign == "-":
            added, removed = added & ~bit, removed | bit
        elif sign == "+":
            added, removed = added | bit, removed & ~bit
        else:
            if first:
                fixed = 0
            fixed = (fixed or 0) | bit
            added, removed, first = 0, 0, False
    call.conf[ssl.OPTIONS] = Options(fixed, added, removed)


def _require_ssl(call: Call) -> None:
    call.conf[ssl.REQUIRE_SSL] = True


def _require(call: Call) -> None:
    from mpserver.modules.ssl import require

    text = call.raw.strip()
    require.compile_expression(text)  # (is it one?)
    call.conf[ssl.REQUIRE] = (*call.conf.values.get(ssl.REQUIRE, ()), text)


def _dialog(call: Call, word: str) -> str:
    if word == "builtin" or (word[:1] == "|" and word[1:]) or (word[:5] == "exec:" and word[5:]):
        return word
    raise ConfigError("SSLPassPhraseDialog must be 'builtin', 'exec:/path/to/program' or '|/path/to/program'")


def _command(call: Call) -> None:
    """SSLOpenSSLConfCmd: what the library can do of it."""
    name, value = call.args
    found = _COMMANDS.get(name.lower())
    if found is None:
        raise ConfigError(
            f"SSLOpenSSLConfCmd {name} can't be had: Python's ssl does not pass it on. Leave it out, or set it for all "
            "in openssl.cnf (and name that in the variable OPENSSL_CONF)"
        )
    found(call, value)


def _curve(call: Call, value: str) -> None:
    names = value.split(":")
    if len(names) == 1:
        call.server[ssl.CURVE] = names[0]
    else:
        call.warn(f"SSLOpenSSLConfCmd {call.args[0]}: Python takes one curve or OpenSSL's own order, which is kept")


def _dh(call: Call, value: str) -> None:
    call.server[ssl.DH_FILE] = _place(call, value)


def _ticket_keys(call: Call) -> None:
    call.server[ssl.TICKET_KEYS] = _place(call, call.args[0])


def _limit(lowest: bool) -> Callable[[Call, str], None]:
    def apply(call: Call, value: str) -> None:
        names = {name.lower(): place for place, name in enumerate(PROTOCOLS)}
        if value.lower() not in names:
            raise ConfigError(f"SSLOpenSSLConfCmd {call.args[0]} must be one of: {', '.join(PROTOCOLS)}")
        place = names[value.lower()]
        call.server[ssl.PROTOCOLS] = _ALL[place:] if lowest else _ALL[: place + 1]

    return apply


def _cipher_string(call: Call, value: str) -> None:
    call.server[ssl.CIPHERS] = value


_COMMANDS: dict[str, Callable[[Call, str], None]] = {
    "curves": _curve,
    "groups": _curve,
    "ecdhparameters": _curve,
    "dhparameters": _dh,
    "minprotocol": _limit(True),
    "maxprotocol": _limit(False),
    "cipherstring": _cipher_string,
}


def _for_hosts(call: Call, remedy: str = "write it for the host") -> None:
    """Refuse what httpd takes for directories, too, and then negotiates TLS anew for. :raises ConfigError: it is."""
    if call.section is not None:
        raise ConfigError(
            f"{call.name} can't be had for a directory: TLS is begun before anything is asked for; {remedy}"
        )


def _file(name: str, setting: Setting[Place | None], help_text: str) -> Directive:
    def apply(call: Call) -> None:
        _for_hosts(call)
        call.server[setting] = _place(call, call.args[0])

    return Directive(name, Args.TAKE1, SERVER_VHOST, apply, help=help_text)


def _authorities(name: str, setting: Setting[Place | None], help_text: str) -> Directive:
    return _file(name, setting, help_text)._replace(where=EVERYWHERE, override=Override.AUTHCONFIG)


DIRECTIVES: tuple[Directive, ...] = (
    Directive("SSLEngine", Args.TAKE1, SERVER_VHOST, values.server(ssl.ENGINE, _engine), help="On, Off or Optional"),
    Directive(
        "SSLCertificateFile",
        Args.TAKE1,
        SERVER_VHOST,
        _listed(ssl.CERTIFICATE_FILES),
        help="a file with a certificate and those between it and its authority; or auto",
    ),
    Directive(
        "SSLCertificateKeyFile", Args.TAKE1, SERVER_VHOST, _listed(ssl.KEY_FILES), help="a file with a private key"
    ),
    _file("SSLCertificateChainFile", ssl.CHAIN_FILE, "a file with the certificates of authorities"),
    _authorities("SSLCACertificateFile", ssl.AUTHORITY_FILE, "a file with the certificates of clients' authorities"),
    _authorities("SSLCACertificatePath", ssl.AUTHORITY_PATH, "a folder of certificates, with names by their hashes"),
    _file("SSLCARevocationFile", ssl.REVOCATION_FILE, "a file with lists of revoked certificates"),
    _file("SSLCARevocationPath", ssl.REVOCATION_PATH, "a folder of such lists, with names by their hashes"),
    Directive("SSLCARevocationCheck", Args.TAKE12, SERVER_VHOST, _revocation, help="none, leaf or chain"),
    Directive("SSLProtocol", Args.ITERATE, SERVER_VHOST, _protocol, help="protocols with + or -, or all"),
    Directive("SSLCipherSuite", Args.TAKE12, EVERYWHERE, _ciphers, Override.AUTHCONFIG, "[SSL|TLSv1.3] and ciphers"),
    Directive("SSLHonorCipherOrder", Args.FLAG, SERVER_VHOST, values.server(ssl.OWN_ORDER, values.flag)),
    Directive("SSLSessionTickets", Args.FLAG, SERVER_VHOST, values.server(ssl.TICKETS, values.flag)),
    Directive(
        "SSLSessionTicketKeyFile", Args.TAKE1, SERVER_VHOST, _ticket_keys, help="a file with 48 random bytes or more"
    ),
    Directive("SSLStrictSNIVHostCheck", Args.FLAG, SERVER_VHOST, values.server(ssl.STRICT_SNI, values.flag)),
    Directive(
        "SSLVHostSNIPolicy",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(ssl.SNI_POLICY, values.one_of(*POLICIES)),
        help="strict, secure, authonly or insecure: which hosts may share a connection",
    ),
    Directive("SSLOpenSSLConfCmd", Args.TAKE2, SERVER_VHOST, _command, help="a command of OpenSSL and its value"),
    Directive(
        "SSLPassPhraseDialog",
        Args.TAKE1,
        SERVER_ONLY,
        values.server(ssl.DIALOG, _dialog),
        help="builtin, exec:program or |program",
    ),
    Directive(
        "SSLVerifyClient",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(ssl.VERIFY_CLIENT, _verify),
        Override.AUTHCONFIG,
        "none, optional or require",
    ),
    Directive(
        "SSLVerifyDepth",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(ssl.VERIFY_DEPTH, values.number(0, 100)),
        Override.AUTHCONFIG,
        "how many authorities may stand between a client's certificate and one that is known",
    ),
    Directive("SSLOptions", Args.ITERATE, EVERYWHERE, _options, Override.OPTIONS, "words, with or without + and -"),
    Directive("SSLRequireSSL", Args.NONE, IN_DIRECTORY, _require_ssl, Override.AUTHCONFIG),
    Directive("SSLRequire", Args.RAW, IN_DIRECTORY, _require, Override.AUTHCONFIG, "an expression"),
    Directive(
        "SSLUserName",
        Args.TAKE1,
        EVERYWHERE,
        values.directory(ssl.USER_NAME, values.filled),
        Override.AUTHCONFIG,
        "the name of an SSL variable",
    ),
    *IGNORED_DIRECTIVES,
    *PROXY_DIRECTIVES,
)
