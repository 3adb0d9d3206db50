"""Sets the variables: those of a server by the request's head, those of sections when these are known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from mpserver.api import constants
from mpserver.api.response_head import RULING
from mpserver.config.references import in_value
from mpserver.modules.expression_facts import RequestFacts
from mpserver.modules.hooks import Planning, Step
from mpserver.modules.known import Order
from mpserver.modules.setenvif import RULES, SERVER_RULES, Rule
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re

    from mpserver.api.request import Request
    from mpserver.config.server import Server

#: (an early RequestHeader comes before)
ORDER = {"begin": Order.LAST, "header_parser": Order.FIRST}

#: What attributes come to is remembered for so many values, and not for longer ones.
REMEMBERED, LONGEST = 256, 1024

#: Variables to set, or to remove (None).
Found = tuple[tuple[str, "str | None"], ...]


PLAIN = frozenset({"header_parser"})


def begin(server: Server) -> Step | None:
    """The server's."""
    return _step(server.conf[SERVER_RULES])


def header_parser(planning: Planning) -> Step | None:
    """Those of sections."""
    return _step(planning.conf[RULES])


def may_block(planning: Planning) -> bool:
    """Names of clients are looked up."""
    rules = (*planning.server.conf[SERVER_RULES], *planning.conf[RULES])
    return any(rule.attribute == "remote_host" or rule.expression is not None for rule in rules)


def _step(rules: tuple[Rule, ...]) -> Step | None:
    if not rules:
        return None
    setters: list[Setter] = []
    for key, group in groupby(rules, lambda rule: (rule.attribute, rule.names, rule.expression)):
        its = tuple(group)
        setters.append(_by_pattern(key[0], key[1], its) if key[2] is None else _by_expression(its))
    ruling = any(name.lower() in RULING for rule in rules for name, _ in rule.variables)

    def step(req: Request) -> int:
        for setter in setters:
            found = setter(req)
            if found:
                table = req.subprocess_env
                for name, value in found:
                    if value is None:
                        del table[name]
                    else:
                        table[name] = value
                if ruling and any(name.lower() in RULING for name, _ in found):
                    req.mp_head_depends = True
        return constants.OK

    return step


Setter = Callable[["Request"], Found]


def _by_pattern(attribute: str, names: re.Pattern[str] | None, rules: tuple[Rule, ...]) -> Setter:
    """Rules about the same attribute, one after the other."""
    look = _by_names(names) if names is not None else _LOOKS.get(attribute) or _header(attribute)
    patterns = [(rule.pattern, rule.variables) for rule in rules if rule.pattern is not None]
    known: dict[str, Found] = {}

    def find(req: Request) -> Found:
        text = look(req)
        found = known.get(text)
        if found is None:
            matches = [(regex.search(text), variables) for regex, variables in patterns]
            found = tuple(
                (name, _filled(value, match)) for match, variables in matches if match is not None
                for name, value in variables
            )  # fmt: skip
            if len(text) <= LONGEST:
                if len(known) >= REMEMBERED:
                    known.clear()
                known[text] = found
        return found

    return find


def _by_expression(rules: tuple[Rule, ...]) -> Setter:
    """Rules of one expression."""
    from mpserver.modules import expressions  # (few have one)

    def find(req: Request) -> Found:
        facts = RequestFacts(req)
        found: list[tuple[str, str | None]] = []
        for rule in rules:
            assert rule.expression is not None
            if expressions.holds(rule.expression, facts):
                found += [(name, _filled(value, facts.match)) for name, value in rule.variables]
        facts.tell_caches()
        return tuple(found)

    return find


def _filled(value: str | None, match: re.Match[str] | None) -> str | None:
    """A value with ``$1`` and its like put in; a backslash protects what follows, where there is any of them."""
    return value if value is None or "$" not in value else in_value(value, match)


# ---- what is looked at


def _header(name: str) -> Callable[[Request], str]:
    """A header, else a variable; "" where there is neither."""
    key = name.lower()

    def look(req: Request) -> str:
        table = req.mp_table_in
        value = req.mp_head.text(key) if table is None else table.get(key)
        if value is None and req.mp_env is not None:
            value = req.mp_env.get(name)
        return value or ""

    return look


def _by_names(names: re.Pattern[str]) -> Callable[[Request], str]:
    def look(req: Request) -> str:
        return next((value for name, value in req.headers_in.pairs() if names.search(name)), "")

    return look


def _variable(name: str) -> Callable[[Request], str]:
    return lambda req: RequestFacts(req).variable(name)


_LOOKS = {
    "remote_host": _variable("REMOTE_HOST"),
    "remote_addr": _variable("REMOTE_ADDR"),
    "server_addr": _variable("SERVER_ADDR"),
    "request_method": lambda req: req.mp_method,
    "request_protocol": lambda req: req.mp_protocol,
    "request_uri": lambda req: req.mp_uri,
}
