"""Texts with references: ``$1``, ``%1``, ``%{VARIABLE}`` and ``${map:key|default}``, read into pieces."""

from __future__ import annotations

from mpserver.errors import ConfigError
from mpserver.modules.rewrite import Template
from mpserver.typing import Any

#: The kinds of pieces: a text; a group of the rule's pattern; one of the last condition's; a variable by its source
#: and name; what a map has for a key, with its default.
TEXT, GROUP, CONDITION, VARIABLE, LOOKUP = "text", "group", "condition", "variable", "lookup"

#: What the name of a variable may begin with, and where it is looked for then.
SOURCES = {"ENV": "environment", "HTTP": "header", "SSL": "ssl", "LA-U": "ahead"}


#: How many references may stand in each other.
DEEPEST = 50


def read(text: str) -> Template:
    """The pieces of a text. :raises ConfigError: a reference is broken."""
    pieces: list[tuple[Any, ...]] = []
    plain: list[str] = []

    def add(piece: tuple[Any, ...]) -> None:
        if plain:
            pieces.append((TEXT, "".join(plain)))
            plain.clear()
        pieces.append(piece)

    at, braces = 0, _braces(text)
    while at < len(text):
        sign, following = text[at], text[at + 1 : at + 2]
        if sign == "\\" and following:
            plain.append(following)
            at += 2
        elif sign in "$%" and following.isdecimal() and following.isascii():
            add((GROUP if sign == "$" else CONDITION, int(following)))
            at += 2
        elif sign in "$%" and following == "{" and (at + 1) in braces:
            end = braces[at + 1]
            inner = text[at + 2 : end]
            add(_lookup(inner) if sign == "$" else _variable(inner))
            at = end + 1
        else:
            plain.append(sign)
            at += 1
    if plain:
        pieces.append((TEXT, "".join(plain)))
    return tuple(pieces)


def _braces(text: str) -> dict[int, int]:
    """Where each brace closes, by where it opens: those that do."""
    found: dict[int, int] = {}
    opened: list[int] = []
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "{":
            opened.append(at)
        elif text[at] == "}" and opened:
            found[opened.pop()] = at
            if len(opened) > DEEPEST:
                raise ConfigError(f"references stand in more than {DEEPEST} others")
        at += 1
    return found


def _lookup(inner: str) -> tuple[Any, ...]:
    name, colon, rest = inner.partition(":")
    if not colon:
        raise ConfigError(f"${{{inner}}} names no key of a RewriteMap: write ${{map:key}} or ${{map:key|default}}")
    at = _bar(rest)
    key, default = (rest, "") if at < 0 else (rest[:at], rest[at + 1 :])
    return (LOOKUP, name, read(key), read(default))


def _bar(text: str) -> int:
    """Where the default begins: at the bar that is in no other reference."""
    depth = 0
    for at, sign in enumerate(text):
        if sign == "{":
            depth += 1
        elif sign == "}":
            depth -= 1
        elif sign == "|" and not depth:
            return at
    return -1


def _variable(name: str) -> tuple[Any, ...]:
    prefix, colon, rest = name.partition(":")
    if not colon:
        return (VARIABLE, "variable", name.upper())
    source = SOURCES.get(prefix.upper())
    if source is None:
        remedy = "write LA-U: for what the URI leads to" if prefix.upper() == "LA-F" else "know ENV, HTTP, SSL, LA-U"
        raise ConfigError(f"%{{{name}}} can't be looked up: {remedy}")
    return (VARIABLE, source, rest.upper() if source == "ahead" else rest)


def first_segment_is_plain(template: Template) -> bool:
    """Whether the first segment of the path that a text makes is written in the configuration, to its end."""
    if not template or template[0][0] != TEXT:
        return False
    text: str = template[0][1]
    return "/" in text[1:] or len(template) == 1
