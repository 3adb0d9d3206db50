"""Parameters of servers and balancers: what follows a URL in ProxyPass, ProxySet and BalancerMember, as key=value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from mpserver.config.registry import Call
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.proxy import Parameter, check_parameters

Read = Callable[[Call, str], Parameter]


def _flag(call: Call, word: str) -> bool:
    if word.lower() not in ("on", "off"):
        raise ConfigError(f"{call.name}: must be On or Off")
    return word.lower() == "on"


def _milliseconds(call: Call, word: str) -> float:
    """A time whose number alone counts milliseconds (acquire)."""
    return int(word) / 1000 if word.isdecimal() and word.isascii() and len(word) < 10 else values.seconds(call, word)


def _factor(call: Call, word: str) -> float:
    """From 1 to 100, with up to two digits behind the point."""
    whole, _, rest = word.partition(".")
    if whole.isdecimal() and whole.isascii() and len(whole) < 4 and (not rest or (rest.isdecimal() and len(rest) < 3)):
        value = float(word)
        if 1 <= value <= 100:
            return value
    raise ConfigError(f"{call.name}: loadfactor must be a number between 1 and 100")


def _route(call: Call, word: str) -> str:
    if not 0 < len(word) < 96:
        raise ConfigError(f"{call.name}: a route has 1 to 95 characters")
    return word


#: Letters of httpd's: disabled, stopped, ignores errors, hot standby, hot spare, in error, draining, failed a check.
STATES = "DSIHRENC"


def _status(call: Call, word: str) -> str:
    """``+H`` or ``D-I``: letters that are switched on, or off behind a minus."""
    on, sign = "", "+"
    for letter in word.upper():
        if letter in "+-":
            sign = letter
        elif letter not in STATES:
            raise ConfigError(f"{call.name}: unknown status {letter!r}: use letters of {STATES}")
        elif letter == "E":
            call.warn(f"{call.name}: status {letter} makes no difference: a member in error is tried again at once")
        elif sign == "+":
            on += letter
        else:
            on = on.replace(letter, "")
    return on


def _upgrade(_call: Call, word: str) -> str:
    return word.lower()


def _statuses(call: Call, word: str) -> str:
    for code in word.split(","):
        if not (code.isdecimal() and code.isascii() and 100 <= int(code[:4]) <= 599):
            raise ConfigError(f"{call.name}: failonstatus must be one or more HTTP response codes, as in 500,503")
    return word


def _method(call: Call, word: str) -> str:
    if word not in ("byrequests", "bybusyness"):
        raise ConfigError(f"{call.name}: unknown lbmethod {word}: there are byrequests and bybusyness")
    return word


#: What is said of one server.
OF_SERVER: Mapping[str, Read] = {
    "timeout": values.seconds,
    "connectiontimeout": values.seconds,
    "retry": values.number(0, 1 << 31),
    "ttl": values.number(0, 1 << 31),
    "keepalive": _flag,
    "disablereuse": _flag,
    "enablereuse": _flag,
    "max": values.number(1, 1 << 16),
    "acquire": _milliseconds,
    "upgrade": _upgrade,
    "responsefieldsize": values.number(512, 1 << 20),
    "loadfactor": _factor,
    "lbset": values.number(0, 99),
    "route": _route,
    "redirect": _route,
    "status": _status,
    "flushpackets": lambda call, word: _choice(call, word, ("on", "off", "auto")),
}

#: What is said of a balancer.
OF_BALANCER: Mapping[str, Read] = {
    "lbmethod": _method,
    "maxattempts": values.number(0, 1 << 16),
    "nofailover": _flag,
    "stickysession": values.filled,
    "stickysessionsep": values.filled,
    "scolonpathdelim": _flag,
    "failonstatus": _statuses,
    "failontimeout": _flag,
    "forcerecovery": _flag,
    "timeout": values.seconds,
}

#: What makes no difference here: memory and connections are bounded by other means.
_IDLE = ("min", "smax", "iobuffersize", "receivebuffersize", "flushwait", "growth", "nonce", "addressttl")

#: What can't be had, and what to do about it.
_REFUSED = {
    "ping": "leave it out: a connection that was closed meanwhile is found before it is used again",
    "secret": "it is for ajp://, which is not there",
    **dict.fromkeys(check_parameters.NAMES, "health checks are for members of balancers: write it in BalancerMember"),
}


def _choice(call: Call, word: str, words: tuple[str, ...]) -> str:
    if word.lower() not in words:
        raise ConfigError(f"{call.name}: {word!r} must be one of: {', '.join(words)}")
    return word.lower()


def read(call: Call, words: Iterable[str], of_balancer: bool) -> dict[str, Parameter]:
    """Parameters as they are written.

    :raises ConfigError: of one that is not known, or whose value is none for it.
    """
    known = OF_BALANCER if of_balancer else OF_SERVER
    found: dict[str, Parameter] = {}
    for word in words:
        key, equals, value = word.partition("=")
        name = key.lower()
        if not equals or not value:
            raise ConfigError(f"Invalid {call.name} parameter {word!r}. Parameter must be in the form 'key=value'.")
        if name in _REFUSED:
            raise ConfigError(f"{call.name} {word!r} can't be had: {_REFUSED[name]}")
        if name in _IDLE:
            call.warn(f"{call.name}: {name} makes no difference here")
            continue
        reader = known.get(name)
        if reader is None:
            kind = "balancers" if of_balancer else "servers"
            raise ConfigError(f"{call.name}: unknown parameter {key}: {kind} have {', '.join(sorted(known))}")
        try:
            found[name] = reader(call, value)
        except ConfigError as error:
            raise ConfigError(f"{call.name}: {name}={value}: {error.message}") from None
    return found
