r"""ErrorLogFormat: what lines of the error log look like (httpd's core, "ErrorLogFormat").

    %...{argument}X  with, before the letter, ``-`` (an empty item is a hyphen), ``+`` (without it there is no line)
    or a level's number (only for messages of that level and the less severe ones). A field, from one blank to the
    next, is left out where an item in it is empty; ``\ `` is a blank within a field, ``% `` begins one without
    showing it.

``json: name=item ...`` makes objects of JSON, of a whole message each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from mpserver.api.error_items import ITEMS, MESSAGE, Event, Item
from mpserver.api.error_log import escape
from mpserver.errors import ConfigError
from mpserver.typing import NamedTuple

#: What a format for JSON begins with, and the one that ``json`` alone stands for.
JSON_PREFIX = "json:"
JSON = (
    "json: time=%{%Y-%m-%dT%H:%M:%S%z}t level=%l module=%m pid=%P tid=%T server=%v interpreter=%I "
    "client=%a id=%L connection=%{c}L error=%E message=%M"
)

#: What lines look like where nobody says otherwise; the system's log has the time already.
SYSLOG = r"[%-m:%l] [pid\ %P:tid\ %T] %E: [client\ %a] %M"
DEFAULT = r"[%{u}t] " + SYSLOG

#: The kinds of formats: of messages, of what is told once about a connection, and once about a request.
MAIN, CONNECTION, REQUEST = "", "connection", "request"

_PIECE = re.compile(
    r"%(?P<space> )|%(?P<modifiers>(?:[-+]|\d+)*)(?:\{(?P<argument>[^}]*)\})?(?P<letter>\^[a-zA-Z]{2}|[a-zA-Z%])"
    r"|(?P<blank> )|\\(?P<escaped>.)|(?P<text>[^%\\ ]+)",
    re.DOTALL,
)
_MODIFIER = re.compile(r"[-+]|\d+")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class Piece(NamedTuple):
    """A piece of a format: a text, or an item; ``begins`` a field."""

    text: str = ""
    item: Item | None = None
    begins: bool = False
    hyphen: bool = False
    required: bool = False
    severity: int | None = None


#: Makes a line of a message; None: there is to be none.
Form = Callable[[Event], "str | None"]


def parse(text: str) -> list[Piece]:
    """The pieces of a format. :raises ConfigError: with httpd's words, for an unknown letter or an unfinished item."""
    pieces: list[Piece] = []
    at = 0
    while at < len(text):
        match = _PIECE.match(text, at)
        if match is None:
            raise ConfigError(
                f"Ran off end of error log format parsing args to some directive: no item begins with {text[at:]!r}; "
                "write %% for a percent sign"
            )
        at = match.end()
        if match["letter"] == "%":
            pieces.append(Piece("%"))
        elif match["letter"]:
            pieces.append(_item(match["letter"], match["argument"] or "", match["modifiers"]))
        elif match["space"] or match["blank"]:
            pieces.append(Piece("" if match["space"] else " ", begins=True))
        else:
            escaped = match["escaped"]
            pieces.append(Piece(match["text"] if escaped is None else _ESCAPES.get(escaped, escaped)))
    return pieces


def _item(letter: str, argument: str, modifiers: str) -> Piece:
    if letter not in ITEMS:
        raise ConfigError(f"Unrecognized error log format directive %{letter}: known are {' '.join(ITEMS)}")
    found = _MODIFIER.findall(modifiers)
    severity = next((int(word) for word in found if word.isdigit()), None)
    return Piece(item=ITEMS[letter](argument), hyphen="-" in found, required="+" in found, severity=severity)


def compile_form(text: str) -> Form:
    """What makes lines in a format. :raises ConfigError: see `parse`."""
    pieces = parse(text)

    def form(event: Event) -> str | None:
        line: list[str] = []
        start, skipping = 0, False
        for text, item, begins, hyphen, required, severity in pieces:
            if begins:
                start, skipping = len(line), False
            if skipping:
                continue
            if item is None:
                line.append(text)
                continue
            if severity is not None and severity > event.level:
                del line[start:]
                skipping = True
                continue
            found = item(event)
            if found:
                line.append(escape(found))
            elif required:
                return None
            elif hyphen:
                line.append("-")
            elif item is not MESSAGE:
                del line[start:]
                skipping = True
        return "".join(line)

    return form


def compile_json(text: str) -> Form:
    """The same for objects of JSON.

    :raises ConfigError: there are no fields, a name is there twice, or what follows one is not one item.
    """
    names: list[str] = []
    items: list[Item] = []
    for word in text.removeprefix(JSON_PREFIX).split():
        name, equals, written = word.partition("=")
        pieces = parse(written)
        if not name or not equals or len(pieces) != 1 or pieces[0].item is None or name in names:
            raise ConfigError(
                f"ErrorLogFormat {JSON_PREFIX} {word!r} must be a name and an item, as in level=%l; each name once"
            )
        names.append(name)
        items.append(pieces[0].item)
    if not names:
        raise ConfigError(f"ErrorLogFormat {JSON_PREFIX} names no fields: write them as in {JSON_PREFIX} message=%M")
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    fields: Sequence[tuple[str, Item]] = tuple(zip(names, items, strict=True))

    def form(event: Event) -> str:
        return encode({name: item(event) or None for name, item in fields})

    return form


def compile_any(text: str) -> tuple[Form, bool]:
    """Either. :returns: what makes lines, and whether one is made of a whole message, whose lines are no lines of it.

    :raises ConfigError: as above.
    """
    text = JSON if text == "json" else text
    return (compile_json(text), True) if text.startswith(JSON_PREFIX) else (compile_form(text), False)
