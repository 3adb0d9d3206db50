"""The flags of RewriteRule and RewriteCond."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpserver.errors import ConfigError
from mpserver.modules.core import errorpage
from mpserver.modules.rewrite import Flags, cookies, templates
from mpserver.typing import Any

#: What a flag does to those before it; it gets its name and value.
Effect = Callable[[Flags, str, str], Flags]

#: How many rounds N allows where it has no number.
ROUNDS = 10000

#: A status that is registered, and none of httpd's.
TEAPOT = 418

_REDIRECTS = {"permanent": 301, "temp": 302, "seeother": 303}


def _set(**values: Any) -> Effect:
    return lambda flags, _name, _value: flags._replace(**values)


def _number(name: str, value: str) -> int:
    if not value.isdecimal() or not value.isascii() or len(value) > 9:
        raise ConfigError(f"RewriteRule: the flag {name} needs a number, not '{value}'")
    return int(value)


def _redirect(flags: Flags, name: str, value: str) -> Flags:
    status = _REDIRECTS.get(value.lower(), 0) if value else 302
    if not status:
        status = int(value) if value.isdecimal() and value.isascii() and len(value) == 3 else 0
        if status < 100 or status == TEAPOT or errorpage.sendable(status) != status:
            raise ConfigError(f"RewriteRule: invalid HTTP response code '{value}' for flag '{name}'")
    if 300 <= status < 400:
        return flags._replace(redirect=status)
    return flags._replace(status=status)


def _rounds(flags: Flags, name: str, value: str) -> Flags:
    return flags._replace(rounds=_number(name, value) if value else ROUNDS)


def _skip(flags: Flags, name: str, value: str) -> Flags:
    return flags._replace(skip=_number(name, value))


def _type(flags: Flags, _name: str, value: str) -> Flags:
    return flags._replace(type=templates.read(value))


def _handler(flags: Flags, _name: str, value: str) -> Flags:
    return flags._replace(handler=templates.read(value))


def _variable(flags: Flags, name: str, value: str) -> Flags:
    if not value.lstrip("!"):
        raise ConfigError(f"RewriteRule: the flag {name} needs a variable: write {name}=VAR:value or {name}=!VAR")
    return flags._replace(variables=(*flags.variables, templates.read(value)))


def _cookie(flags: Flags, name: str, value: str) -> Flags:
    if len(cookies.parts(value)) < 3:
        raise ConfigError(f"RewriteRule: the flag {name} needs a domain: write {name}=NAME:VALUE:DOMAIN")
    return flags._replace(cookies=(*flags.cookies, templates.read(value)))


def _escape(flags: Flags, _name: str, value: str) -> Flags:
    return flags._replace(escape=value)


def _controls(flags: Flags, _name: str, _value: str) -> Flags:
    return flags._replace(escape_controls=True, escape=flags.escape or "")


def _escape_not(flags: Flags, name: str, value: str) -> Flags:
    if not value:
        raise ConfigError(f"RewriteRule: the flag {name} needs the characters that stay as they are")
    return flags._replace(escape_not=value, escape="" if flags.escape is None else flags.escape)


#: By their names in lower case.
_RULE: Mapping[str, Effect] = {
    **dict.fromkeys(("b",), _escape),
    **dict.fromkeys(("bctls",), _controls),
    **dict.fromkeys(("bne",), _escape_not),
    **dict.fromkeys(("bnp", "backrefnoplus"), _set(no_plus=True)),
    **dict.fromkeys(("c", "chain"), _set(chain=True)),
    **dict.fromkeys(("co", "cookie"), _cookie),
    **dict.fromkeys(("dpi", "discardpath"), _set(discard_path_info=True)),
    **dict.fromkeys(("e", "env"), _variable),
    **dict.fromkeys(("end",), _set(end=True, last=True)),
    **dict.fromkeys(("f", "forbidden"), _set(status=403)),
    **dict.fromkeys(("g", "gone"), _set(status=410)),
    **dict.fromkeys(("h", "handler"), _handler),
    **dict.fromkeys(("l", "last"), _set(last=True)),
    **dict.fromkeys(("n", "next"), _rounds),
    **dict.fromkeys(("nc", "nocase"), _set(no_case=True)),
    **dict.fromkeys(("ne", "noescape"), _set(no_escape=True)),
    **dict.fromkeys(("ns", "nosubreq"), _set(no_subrequests=True)),
    **dict.fromkeys(("p", "proxy"), _set(proxy=True)),
    **dict.fromkeys(("pt", "passthrough"), _set(pass_through=True)),
    **dict.fromkeys(("qsa", "qsappend"), _set(query_append=True)),
    **dict.fromkeys(("qsd", "qsdiscard"), _set(query_discard=True)),
    **dict.fromkeys(("qsl", "qslast"), _set(query_last=True)),
    **dict.fromkeys(("r", "redirect"), _redirect),
    **dict.fromkeys(("s", "skip"), _skip),
    **dict.fromkeys(("t", "type"), _type),
    **dict.fromkeys(("unsafeallow3f",), _set(allow_question=True)),
    **dict.fromkeys(("unsafeprefixstat", "unsafe_prefix_stat"), _set(stat_prefix=True)),
}

#: Those of conditions: which member of `mpserver.modules.rewrite.Condition` they set.
_CONDITION = {
    "nc": "no_case", "nocase": "no_case", "or": "or_next", "ornext": "or_next", "nv": "no_vary", "novary": "no_vary",
}  # fmt: skip


def of_rule(text: str) -> Flags:
    """The flags of a rule. :raises ConfigError: one is unknown or has a bad value."""
    flags = Flags()
    for name, value in _pairs("RewriteRule", text):
        effect = _RULE.get(name.lower())
        if effect is None:
            raise ConfigError(f"RewriteRule: unknown flag '{name}'")
        flags = effect(flags, name, value)
    return flags


def of_condition(text: str) -> set[str]:
    """The flags of a condition, as members of it. :raises ConfigError: one is unknown."""
    found: set[str] = set()
    for name, _value in _pairs("RewriteCond", text):
        member = _CONDITION.get(name.lower())
        if member is None:
            raise ConfigError(f"RewriteCond: unknown flag '{name}'")
        found.add(member)
    return found


def _pairs(directive: str, text: str) -> list[tuple[str, str]]:
    """``[a,b=c]``: names and values; a backslash takes a comma as it is."""
    if not text:
        return []
    if text[0] != "[" or text[-1] != "]":
        raise ConfigError(f"{directive}: bad flag delimiters: write [{text.strip('[]')}]")
    found: list[tuple[str, str]] = []
    for part in _split(text[1:-1]):
        name, _, value = part.strip(" \t").partition("=")
        if name.strip():
            found.append((name.strip(), value))
    return found


def _split(text: str) -> list[str]:
    parts = [""]
    at = 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 2] == ",":
            parts[-1] += ","
            at += 2
        elif text[at] == ",":
            parts.append("")
            at += 1
        else:
            parts[-1] += text[at]
            at += 1
    return parts
