"""LogFormat's language: a format becomes a function from a request to its line (httpd's mod_log_config, mod_logio).

    %...{argument}X   with, before the letter, in any order: ``!200,304`` or ``200,304`` (only for these
    statuses, or not for these; else "-"), ``<`` and ``>`` (the first or the last of internally
    redirected requests; %r, %s, %D, %T and %U mean the first without it, the others the last)

What comes from clients is escaped so that no line can be forged: controls, quotes, backslashes and all
beyond ASCII as in a C string. A format ``json: name=item ...`` makes objects of JSON instead
(`mpserver.modules.log_config.json_lines`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mpserver.errors import ConfigError
from mpserver.modules.log_config import JSON_PREFIX
from mpserver.modules.log_config.items import LETTERS, Letter
from mpserver.modules.log_config.usual import Item, usual_line
from mpserver.typing import Any

#: Everything between % and the letter, in any order, as often as one likes.
_ITEM = re.compile(r"%(?P<modifiers>(?:[!<>,0-9]|\{[^}]*\})*)(?P<letter>\^[a-zA-Z]{2}|[^!<>,0-9{]|\Z)", re.ASCII)
_MODIFIER = re.compile(r"\{([^}]*)\}|(\d+)|([!<>])", re.ASCII)
_LITERAL_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\\\": "\\"}
_LITERAL_ESCAPE = re.compile(r"\\[ntr\\]")


def compile_format(text: str) -> Callable[[Any], str]:
    """The function that makes a request's line (without its line end) in this format.

    :raises ConfigError: with httpd's words, for an unknown letter or an unfinished item.
    """
    if text.startswith(JSON_PREFIX):
        from mpserver.modules.log_config import json_lines  # (few logs are)

        names, items = fields(text)
        encode = json_lines.encoder(names)
        return lambda req: encode(_values(req, items))
    texts, items = parse_format(text)
    if not items:
        return lambda _req: texts[0]
    template = "%s".join([one.replace("%", "%%") for one in texts])

    def line(req: Any) -> str:
        return template % tuple(["-" if value is None else value for value in _values(req, items)])

    return usual_line(texts, items, line)


def _values(req: Any, items: list[Item]) -> list[str | int | float | None]:
    """The items of a request, each of the first or the last of those that it was redirected from or to."""
    first = last = req
    while first.prev is not None:
        first = first.prev
    while last.next is not None:
        last = last.next
    return [item.get(first if item.first else last) for item in items]


def check_format(text: str) -> None:
    """Look whether a format can be compiled. :raises ConfigError: it can't, see `compile_format`."""
    if text.startswith(JSON_PREFIX):
        fields(text)
    else:
        parse_format(text)


def fields(text: str) -> tuple[list[str], list[Item]]:
    """The names and items of a format for JSON: ``json: name=item ...``, separated by blanks.

    :raises ConfigError: there is none, a name is there twice, or what follows a name is not one item.
    """
    names: list[str] = []
    items: list[Item] = []
    rest = text.removeprefix(JSON_PREFIX).strip()
    while rest:
        name, equals, after = rest.partition("=")
        match = _ITEM.match(after)
        if not equals or not name or any(c.isspace() for c in name) or match is None or not match["letter"]:
            raise ConfigError(f"LogFormat {JSON_PREFIX} {rest!r} must begin with a name and an item, as in status=%>s")
        if name in names:
            raise ConfigError(f"LogFormat {JSON_PREFIX} there are two fields {name!r}: give each a name of its own")
        if after[match.end() : match.end() + 1].strip():
            raise ConfigError(f"LogFormat {JSON_PREFIX} there must be a blank after {name}={match[0]}")
        names.append(name)
        items += parse_format(match[0])[1]
        rest = after[match.end() :].strip()
    if not names:
        raise ConfigError(f"LogFormat {JSON_PREFIX} names no fields: write them as in {JSON_PREFIX} status=%>s path=%U")
    if len(names) != len(items):
        raise ConfigError(f"LogFormat {JSON_PREFIX} %% is no item of a request")
    return names, items


def parse_format(text: str) -> tuple[list[str], list[Item]]:
    """A format's text before, between and after its items, and these."""
    texts = [""]
    items: list[Item] = []
    at = 0
    while True:
        percent = text.find("%", at)
        literal = text[at:] if percent < 0 else text[at:percent]
        texts[-1] += _LITERAL_ESCAPE.sub(lambda match: _LITERAL_ESCAPES[match[0]], literal)
        if percent < 0:
            return texts, items
        match = _ITEM.match(text, percent)
        if match is None or not match["letter"]:
            raise ConfigError(
                "Ran off end of LogFormat parsing args to some directive: there is no letter after "
                f"{text[percent:]!r}; write %% for a percent sign"
            )
        at = match.end()
        if match["letter"] == "%" and not match["modifiers"]:
            texts[-1] += "%"
            continue
        letter = match["letter"]
        items.append(_item(letter, match["modifiers"]))
        texts.append("")


def _item(name: str, modifiers: str) -> Item:
    letter = _letter(name)
    argument, first, unless = "", letter.first, False
    statuses: set[int] = set()
    for braces, digits, sign in _MODIFIER.findall(modifiers):
        if digits:
            statuses.add(int(digits))
        elif sign == "!":
            unless = not unless
        elif sign:
            first = sign == "<"
        else:
            argument = braces
    get = letter.make(argument)
    if not statuses:
        return Item(get, first, name, argument)
    return Item(lambda req: None if (req.status in statuses) is unless else get(req), first)


def _letter(name: str) -> Letter:
    """How the item of this name is made. :raises ConfigError: there is none of this name."""
    found = LETTERS.get(name)
    if found is None:
        from mpserver.modules.log_config import own_items  # (few logs have any of these)

        found = own_items.LETTERS.get(name)
        if found is None:
            known = " ".join((*LETTERS, *own_items.LETTERS))
            raise ConfigError(f"Unrecognized LogFormat directive %{name}: known are {known}")
    return found
