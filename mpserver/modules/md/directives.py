"""The directives of mod_md."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable

from mpserver import lazyre
from mpserver.config.registry import SERVER_ONLY, SERVER_VHOST, Args, Call, Directive, Where
from mpserver.config.settings import Conf, Setting
from mpserver.errors import ConfigError
from mpserver.modules import md, values
from mpserver.modules.md import Account, KeyKind, Told, durations
from mpserver.modules.md.ignored_directives import IGNORED_DIRECTIVES
from mpserver.typing import TypeVar

T = TypeVar("T")

#: For what may stand in the section of a domain, too, which is no directory for all that follows from that.
SINGLE = SERVER_VHOST | Where.DIRECTORY

_NAME = lazyre.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*\.?", re.A)
_KEY = lazyre.compile(r"rsa([0-9]{1,5})?", re.A)
_URL = lazyre.compile(r"https?://[^\s/]+", re.A | re.I)
_MAIL = lazyre.compile(r"[^\s@:]+@[^\s@]+")

#: Curves by the names that they go by.
CURVES = {
    "secp256r1": "secp256r1", "p-256": "secp256r1", "prime256v1": "secp256r1",
    "secp384r1": "secp384r1", "p-384": "secp384r1",
    "secp521r1": "secp521r1", "p-521": "secp521r1",
}  # fmt: skip
#: Bits of RSA: fewer are broken, more only slow.
LEAST_BITS, MOST_BITS = 2048, 8192


def _scope(call: Call) -> Conf:
    """Whose a setting is: the domain's around it, else the server's. :raises ConfigError: it stands in a directory."""
    if md.IN_SET in call.conf:
        return call.conf
    if call.section is not None or call.where is Where.DIRECTORY:
        raise ConfigError(f"{call.name} not allowed in <{call.section.kind if call.section else 'Limit'}> context")
    return call.server


def _single(setting: Setting[T], read: Callable[[Call, str], T]) -> Callable[[Call], None]:
    """The code of a directive with one word, for all domains or one."""

    def apply(call: Call) -> None:
        _scope(call)[setting] = read(call, call.args[0])

    return apply


# ---- domains


def name_of(call: Call, word: str) -> str:
    """A domain's name, in lower case. :raises ConfigError: it is none."""
    name = word.lower()
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{call.name}: '{word}' is no domain name: write letters (others as xn--...), digits, - and ."
        )
    return name.removesuffix(".")


def _names(call: Call, conf: Conf) -> tuple[str, ...]:
    names = []
    for word in call.args:
        if word.lower() in ("auto", "manual"):
            conf[md.AUTOMATIC] = word.lower() == "auto"
        else:
            names.append(name_of(call, word))
    if not names:
        raise ConfigError(f"{call.name.strip('<')} needs at least one domain name")
    return tuple(dict.fromkeys(names))


def _domain(call: Call) -> None:
    conf = Conf()
    _add(call, Told(_names(call, conf), conf, call.file, call.line))


def _domain_set(call: Call) -> None:
    conf = Conf()
    conf[md.IN_SET] = True
    names = _names(call, conf)
    call.inside(conf, None)
    files, keys = conf[md.CERTIFICATE_FILES], conf[md.KEY_FILES]
    if len(files) != len(keys):
        raise ConfigError("each MDCertificateFile needs its MDCertificateKeyFile, and each key its certificate")
    _add(call, Told(names, conf, call.file, call.line))


def _add(call: Call, told: Told) -> None:
    call.server[md.DOMAINS] = (*call.server.values.get(md.DOMAINS, ()), told)


def _member(call: Call) -> None:
    scope = _scope(call)
    for word in call.args:
        if word.lower() in ("auto", "manual"):
            scope[md.AUTOMATIC] = word.lower() == "auto"
        elif md.IN_SET not in scope:
            raise ConfigError(f'{call.name}: unknown value, use "auto|manual" (names stand in <MDomainSet>)')
        else:
            scope[md.MEMBERS] = (*scope.values.get(md.MEMBERS, ()), name_of(call, word))


# ---- authorities


def _authority(call: Call) -> None:
    found = []
    for word in call.args:
        known = md.AUTHORITIES.get(word.lower())
        if known is None and not _URL.match(word):
            raise ConfigError(
                f"The CA name '{word}' is not known and it is not a URL either. Known CA names are: "
                "LetsEncrypt LetsEncrypt-Test Buypass Buypass-Test"
            )
        found.append(known or word)
    _scope(call)[md.AUTHORITY] = tuple(found)


def _agreement(call: Call, word: str) -> bool:
    if word.lower() != "accepted":
        raise ConfigError(f"{call.name}: write 'accepted' once you have read and accepted the authority's terms")
    return True


def _protocol(call: Call) -> None:
    _scope(call)
    if call.args[0].upper() != "ACME":
        raise ConfigError(f"MDCertificateProtocol {call.args[0]}: there is ACME only")


def _contact(call: Call, word: str) -> str:
    address = word.removeprefix("mailto:")
    if not _MAIL.fullmatch(address):
        raise ConfigError(f"{call.name} '{word}' is no mail address")
    return address


def _account(call: Call) -> None:
    scope = _scope(call)
    if len(call.args) == 2:
        scope[md.ACCOUNT] = Account(*call.args)
    elif call.args[0].lower() == "none":
        scope[md.ACCOUNT] = None
    else:
        path = values.path(call, call.args[0])
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            scope[md.ACCOUNT] = Account(str(found["kid"]), str(found["hmac"]))
        except OSError as error:
            raise ConfigError(f"{call.name}: {path} can't be read: {error.strerror}") from error
        except (ValueError, LookupError, TypeError) as error:
            raise ConfigError(f'{call.name}: {path} is not as {{"kid": "...", "hmac": "..."}}') from error


def _proxy(call: Call, word: str) -> str:
    if not _URL.match(word):
        raise ConfigError(f"{call.name} '{word}' is no URL: write http://HOST:PORT")
    return word


# ---- keys, challenges, programs


def _keys(call: Call) -> None:
    words = [word.lower() for word in call.args]
    if words[0] == "rsa" and len(words) > 1 and words[1].isdecimal():
        words[:2] = [f"rsa{words[1]}"]
    kinds = []
    for word in words:
        found = _KEY.fullmatch(word)
        if found:
            kinds.append(KeyKind(values.number(LEAST_BITS, MOST_BITS)(call, found[1] or str(LEAST_BITS))))
        elif word == "default":
            kinds.append(KeyKind(LEAST_BITS))
        elif word in CURVES:
            kinds.append(KeyKind(0, CURVES[word]))
        else:
            raise ConfigError(
                f"{call.name}: there is no key of kind '{word}': write RSA 3072, or secp256r1 or secp384r1"
            )
    labels = [kind.label for kind in kinds]
    if len(set(labels)) < len(labels):
        raise ConfigError(f"{call.name}: two keys of one type are not possible")
    _scope(call)[md.KEYS] = tuple(kinds)


def _challenges(call: Call) -> None:
    known = (md.TLS_ALPN_01, md.HTTP_01, md.DNS_01)
    wanted = [word.lower() for word in call.args]
    for word in wanted:
        if word not in known:
            raise ConfigError(f"{call.name}: there is no challenge '{word}': write {', '.join(known)}")
    _scope(call)[md.CHALLENGES] = tuple(dict.fromkeys(wanted))


def command(call: Call, text: str) -> tuple[str, ...]:
    """A program with its arguments. :raises ConfigError: there is none."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{call.name}: {error}: close the quotation marks") from error
    if not words:
        raise ConfigError(f"{call.name} needs a program")
    return (values.path(call, words[0]), *words[1:])


def _programs(setting: Setting[tuple[str, ...]]) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        call.server[setting] = (*command(call, call.args[0]), *call.args[1:]) if call.args else ()
        if not call.args:
            raise ConfigError(f"{call.name} needs a program")

    return apply


def _ports(call: Call) -> None:
    found = {}
    for word in call.args:
        outer, colon, inner = word.lower().partition(":")
        name = {"80": "http", "443": "https"}.get(outer, outer)
        if not colon or name not in ("http", "https"):
            raise ConfigError(f"{call.name} '{word}' must be http:PORT or https:PORT, with - where no port leads here")
        if inner != "-" and not (inner.isascii() and inner.isdecimal() and 0 < int(inner) < 65536):
            raise ConfigError(f"{call.name} invalid number for port map, must be in ]0,65535]")
        found[name] = 0 if inner == "-" else int(inner)
    values.set_in(call.server, md.PORTS, found)


def _at_least_a_second(call: Call, word: str) -> float:
    seconds = durations.seconds(call, word)
    if seconds < 1:
        raise ConfigError(f"{call.name} cannot be less than one second")
    return seconds


def _trust(call: Call, word: str) -> str:
    return "" if word.lower() == "none" else values.path(call, word)


def _file(setting: Setting[tuple[str, ...]]) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        if md.IN_SET not in call.conf:
            raise ConfigError(f"{call.name} stands in <MDomainSet>: for a host write SSL{call.name[2:]}")
        call.conf[setting] = (*call.conf.values.get(setting, ()), values.path(call, call.args[0]))

    return apply


_require = values.one_of("off", "temporary", "permanent")
_modes = values.one_of("auto", "always", "manual")
_members: Callable[[Call, str], bool] = values.choice({"auto": True, "manual": False})


def _one(name: str, setting: Setting[T], read: Callable[[Call, str], T], help_text: str = "") -> Directive:
    """A directive for all domains or one."""
    return Directive(name, Args.TAKE1, SINGLE, _single(setting, read), help=help_text)


def _flag(name: str, setting: Setting[bool]) -> Directive:
    return Directive(name, Args.FLAG, SINGLE, _single(setting, values.flag))


def _whole(name: str, setting: Setting[T], read: Callable[[Call, str], T], help_text: str = "") -> Directive:
    """A directive for the whole server."""
    return Directive(name, Args.TAKE1, SERVER_ONLY, values.server(setting, read), help=help_text)


DIRECTIVES: tuple[Directive, ...] = (
    Directive("MDomain", Args.ANY, SERVER_VHOST, _domain, help="names, and auto or manual"),
    Directive("<MDomainSet", Args.ANY, SERVER_VHOST, _domain_set, help="names, and auto or manual"),
    Directive("<MDomain", Args.ANY, SERVER_VHOST, _domain_set, help="names, and auto or manual"),
    Directive("MDMember", Args.ITERATE, SINGLE, _member, help="a name, or auto or manual"),
    _one("MDMembers", md.AUTOMATIC, _members, "auto or manual"),
    _one("MDCertificateAgreement", md.AGREED, _agreement, "accepted"),
    Directive("MDCertificateAuthority", Args.ITERATE, SINGLE, _authority, help="a name or URL"),
    Directive("MDCertificateProtocol", Args.TAKE1, SINGLE, _protocol, help="ACME"),
    _one("MDContactEmail", md.CONTACT, _contact, "a mail address"),
    _one("MDRenewMode", md.RENEW_MODE, _modes, "always, auto or manual"),
    _one("MDDriveMode", md.RENEW_MODE, _modes, "always, auto or manual"),
    _one("MDRenewWindow", md.RENEW_WINDOW, durations.window, "a time as 21d, or a share as 33%"),
    _one("MDWarnWindow", md.WARN_WINDOW, durations.window, "a time as 9d, or a share as 10%"),
    Directive("MDPrivateKeys", Args.ITERATE, SINGLE, _keys, help="kinds of keys, as RSA 3072 or secp384r1"),
    Directive("MDCAChallenges", Args.ITERATE, SINGLE, _challenges, help="challenges, the preferred one first"),
    _one("MDChallengeDns01", md.DNS_PROGRAM, command, "a program"),
    _one("MDRequireHttps", md.REQUIRE_HTTPS, _require, "off, temporary or permanent"),
    Directive("MDCertificateFile", Args.TAKE1, SINGLE, _file(md.CERTIFICATE_FILES), help="a file"),
    Directive("MDCertificateKeyFile", Args.TAKE1, SINGLE, _file(md.KEY_FILES), help="a file"),
    Directive("MDExternalAccountBinding", Args.TAKE12, SINGLE, _account, help="a key id and hmac, none, or a file"),
    _one("MDProfile", md.PROFILE, values.filled, "a profile of the authority"),
    _flag("MDProfileMandatory", md.PROFILE_MANDATORY),
    _flag("MDRenewViaARI", md.ARI),
    _whole("MDStoreDir", md.STORE, values.path, "a folder"),
    Directive("MDPortMap", Args.TAKE12, SERVER_ONLY, _ports, help="http:PORT and https:PORT"),
    Directive("MDBaseServer", Args.FLAG, SERVER_ONLY, values.server(md.BASE_SERVER, values.flag)),
    _whole("MDMatchNames", md.MATCH_ALIASES, values.choice({"all": True, "servernames": False}), "all or servernames"),
    _whole("MDHttpProxy", md.PROXY, _proxy, "a URL"),
    Directive("MDNotifyCmd", Args.ANY, SERVER_ONLY, _programs(md.NOTIFY), help="a program and its arguments"),
    Directive("MDMessageCmd", Args.ANY, SERVER_ONLY, _programs(md.MESSAGE), help="a program and its arguments"),
    _whole("MDChallengeDns01Version", md.DNS_VERSION, values.number(1, 2), "1 or 2"),
    _whole("MDRetryDelay", md.RETRY_DELAY, _at_least_a_second, "a time"),
    _whole("MDRetryFailover", md.RETRY_FAILOVER, values.number(1), "a number"),
    _whole("MDCheckInterval", md.CHECK_INTERVAL, _at_least_a_second, "a time"),
    _whole("MDInitialDelay", md.INITIAL_DELAY, durations.seconds, "a time"),
    _whole("MDCACertificateFile", md.TRUST, _trust, "a file, or none"),
    Directive("MDCertificateStatus", Args.FLAG, SERVER_ONLY, values.server(md.SHOWS_STATUS, values.flag)),
    *IGNORED_DIRECTIVES,
)
