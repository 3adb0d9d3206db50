"""NGINX Unit's routes as sections: the conditions of ``match`` as expressions, and what an ``action`` does."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from mpserver.config.lexer import quote
from mpserver.typing import Any

#: By what a step matches: what it is in an expression, and whether case counts.
_SUBJECTS: Mapping[str, tuple[str, bool]] = {
    "uri": ("%{REQUEST_URI}", True),
    "host": ("%{HTTP_HOST}", False),
    "method": ("%{REQUEST_METHOD}", False),
    "query": ("%{QUERY_STRING}", True),
}
#: What must not stand in an expression's delimiters.
_MARK = "#"


class Untaken(Exception):
    """Something that has no counterpart; the text says what to do."""


def condition(match: Mapping[str, Any]) -> str:
    """The expression for a step's match; "": it holds for all. :raises Untaken: a part of it can't be said."""
    parts: list[str] = []
    for name, wanted in match.items():
        if name in _SUBJECTS:
            subject, exact = _SUBJECTS[name]
            end = "(:[0-9]+)?" if name == "host" else ""
            parts.append(_any(wanted, partial(_like, subject, exact, end)))
        elif name == "scheme":
            parts.append(_any(wanted, _scheme))
        elif name in ("source", "destination"):
            subject = "%{REMOTE_ADDR}" if name == "source" else "%{SERVER_ADDR}"
            parts.append(_any(wanted, partial(_address, subject)))
        elif name in ("headers", "cookies", "arguments"):
            groups = wanted if isinstance(wanted, list) else [wanted]
            parts.append(_or([_and([_field(name, key, value) for key, value in group.items()]) for group in groups]))
        else:
            raise Untaken(f"match/{name} has no counterpart: write an expression for it in place of this step")
    return _and(parts)


def _or(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else "(" + " || ".join(parts) + ")"


def _and(parts: Sequence[str]) -> str:
    return " && ".join(parts)


def _any(wanted: Any, one: Callable[[str], str]) -> str:
    """Patterns: one of those without ! has to match, and none of those with."""
    texts = [str(text) for text in (wanted if isinstance(wanted, list) else [wanted])]
    takes = [one(text) for text in texts if not text.startswith("!")]
    bars = [f"!({one(text[1:])})" for text in texts if text.startswith("!")]
    return _and([*([_or(takes)] if takes else []), *bars])


def pattern(text: str) -> str:
    """A pattern of Unit as a regular expression for the whole subject."""
    if text.startswith("~"):
        return text[1:]
    return (
        "^" + "(.*)".join(re.escape(piece).replace("\\-", "-").replace("\\#", "#") for piece in text.split("*")) + "$"
    )


def _like(subject: str, exact: bool, end: str, text: str) -> str:
    made = pattern(text)
    if end and not text.startswith("~"):
        made = made[:-1] + end + "$"
    return f"{subject} =~ m{_MARK}{made.replace(_MARK, '[#]')}{_MARK}{'' if exact else 'i'}"


def _scheme(text: str) -> str:
    """http or https, which may be what a proxy says of its client (see `forwarded_scheme`)."""
    secure = "(%{HTTPS} == 'on' || %{reqenv:HTTPS} == 'on')"
    return secure if text.lower() == "https" else f"!{secure}"


def _field(kind: str, name: str, wanted: Any) -> str:
    if kind == "headers":
        return _any(wanted, partial(_like, f"%{{HTTP:{name}}}", False, ""))
    subject, between, after = ("%{QUERY_STRING}", "(^|&)", "(&|$)") if kind == "arguments" else (
        "%{HTTP:Cookie}", "(^|;[ ]*)", "(;|$)")  # fmt: skip

    def one(text: str) -> str:
        if text.startswith("~"):
            raise Untaken(
                f"match/{kind}/{name}: a regular expression for a part can't be said; write one for the whole"
            )
        inner = pattern(text)[1:-1].replace("(.*)", "[^&;]*")
        return f"{subject} =~ m{_MARK}{between}{re.escape(name)}={inner}{after}{_MARK}"

    return _any(wanted, one)


def _address(subject: str, text: str) -> str:
    """An address, a network or a range, maybe with ports."""
    found = networks(text)
    return _or([f"{subject} -ipmatch '{network}'" for network in found]) if found else "true"


def networks(text: str) -> list[str]:
    """The networks of an address, a network or a range; none stands for all.

    :raises Untaken: it can't be said by networks.
    """
    host, colon, port = text.rpartition(":") if text.count(":") == 1 or text.startswith("[") else (text, "", "")
    if colon and port not in ("*", ""):
        raise Untaken(f"match: the port of {text} can't be asked for: give it a listener of its own")
    name = host.strip("[]")
    if name in ("*", ""):
        return []
    first, dash, last = name.partition("-")
    try:
        if dash:
            found = ipaddress.summarize_address_range(ipaddress.ip_address(first), ipaddress.ip_address(last))
            return [str(network) for network in found]
        ipaddress.ip_network(name, strict=False)
    except (ValueError, TypeError) as error:
        kind = "range of addresses" if dash else "address or network"
        raise Untaken(f"match: {text} is no {kind}: {error}") from error
    return [name]


def peers(sources: Sequence[str]) -> list[str]:
    """The networks of those whose word about others counts. :raises Untaken: networks can't say whose."""
    found: list[str] = []
    for source in sources:
        if source.startswith("!") or source == "unix":
            raise Untaken(f"{source} can't be said of a proxy: list the addresses of those that are trusted")
        found += networks(source) or ["0.0.0.0/0", "::/0"]
    return found


def forwarded_scheme(name: str, trusted: Sequence[str]) -> str:
    """The expression for: one of these networks, and nobody else, says by a header that its client speaks HTTPS."""
    known = _or([f"%{{CONN_REMOTE_ADDR}} -ipmatch '{network}'" for network in trusted])
    return f"{known} && %{{HTTP:{name}}} =~ m{_MARK}^(https|on)${_MARK}i"


def share(template: str) -> str:
    """The path of a share in an expression. :raises Untaken: it has variables other than $uri."""
    made = template.replace("${uri}", "$uri")
    if "$" in made.replace("$uri", ""):
        raise Untaken(f"share {template}: of its variables only $uri has a counterpart")
    return made.replace("$uri", "%{REQUEST_URI}")


def served(step: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """What a step does, with those that follow where its files are not there: actions, each with its own condition."""
    action: Mapping[str, Any] | None = step.get("action", {})
    while action is not None:
        templates = action.get("share")
        if templates is None:
            yield action, ""
            return
        fallback = action.get("fallback")
        for template in templates if isinstance(templates, list) else [templates]:
            path = share(template)
            index = action.get("index", "index.html")
            there = "" if fallback is None and not isinstance(templates, list) else (
                f"(-f '{path}' || -f '{path}/{index}')")  # fmt: skip
            yield {**action, "share": template, "index": index}, there
        action = fallback


def text(value: object) -> str:
    """A value as a word of a directive. :raises Untaken: it holds what no word can."""
    made = str(value)
    if "\n" in made or "${" in made:
        raise Untaken(f"{made!r} can't stand in a configuration")
    return quote(made)
