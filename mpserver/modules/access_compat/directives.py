"""The directives of mod_access_compat."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import IN_DIRECTORY, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import networks
from mpserver.modules.access_compat import ACCESS, ALLOW_DENY, DENY_ALLOW, MUTUAL_FAILURE, Access, Who


def _order(call: Call) -> None:
    word = call.args[0].lower()
    if word not in (ALLOW_DENY, DENY_ALLOW, MUTUAL_FAILURE):
        raise ConfigError(
            f"unknown order {call.args[0]!r}: write Allow,Deny or Deny,Allow (without a blank), or Mutual-failure"
        )
    access = _own(call)
    call.conf[ACCESS] = access._replace(orders=(*access.orders, (word, call.methods)))


def _allow(call: Call) -> None:
    access = _own(call)
    call.conf[ACCESS] = access._replace(allowed=(*access.allowed, *_whom(call)))


def _deny(call: Call) -> None:
    access = _own(call)
    call.conf[ACCESS] = access._replace(denied=(*access.denied, *_whom(call)))


def _satisfy(call: Call) -> None:
    word = call.args[0].lower()
    if word not in ("all", "any"):
        raise ConfigError("Satisfy either 'any' or 'all'.")
    access = _own(call)
    call.conf[ACCESS] = access._replace(any=(*access.any, (word == "any", call.methods)))


def _own(call: Call) -> Access:
    return call.conf[ACCESS]


def _whom(call: Call) -> list[Who]:
    if call.args[0].lower() != "from":
        raise ConfigError("allow and deny must be followed by 'from'")
    return [_who(call, word) for word in call.args[1:]]


def _who(call: Call, word: str) -> Who:
    small = word.lower()
    if small == "all":
        return Who("all", methods=call.methods)
    for start, kind in (("env=!", "no-env"), ("env=", "env")):
        if small.startswith(start):
            return Who(kind, word[len(start) :], methods=call.methods)
    if not networks.looks_like(word):
        return Who("host", small.removesuffix("."), methods=call.methods)
    try:
        return Who("network", "", networks.parse(word), call.methods)
    except ValueError as error:
        raise ConfigError(
            f"An IP address was expected: {call.name} from {word}: {error}: write an address, the beginning of one "
            "(10.1), a network (10.0.0.0/8), a host's name, all, or env=NAME"
        ) from error


_WHOM = "from, and addresses, networks, names of hosts, all or env=NAME"

DIRECTIVES: tuple[Directive, ...] = (
    Directive("Order", Args.TAKE1, IN_DIRECTORY, _order, Override.LIMIT, "allow,deny or deny,allow or mutual-failure"),
    Directive("Allow", Args.ITERATE2, IN_DIRECTORY, _allow, Override.LIMIT, _WHOM),
    Directive("Deny", Args.ITERATE2, IN_DIRECTORY, _deny, Override.LIMIT, _WHOM),
    Directive(
        "Satisfy",
        Args.TAKE1,
        IN_DIRECTORY,
        _satisfy,
        Override.AUTHCONFIG,
        "All or Any: whether Allow and Require both have to let a client in",
    ),
)
