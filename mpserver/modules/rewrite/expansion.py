"""Texts with references, filled in for a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mpserver.config.references import group
from mpserver.modules.rewrite import Flags, Template
from mpserver.modules.rewrite.templates import CONDITION, GROUP, LOOKUP, TEXT, VARIABLE
from mpserver.typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import re

    from mpserver.modules.rewrite.maps import Opened


class Subject(Protocol):
    """What texts are filled with: a request under the rules."""

    @property
    def match(self) -> re.Match[str] | None:
        """What the rule's pattern matched."""

    @property
    def captured(self) -> re.Match[str] | None:
        """What the last condition's pattern matched."""

    def variable(self, name: str) -> str:
        """One of httpd's variables."""

    def environment(self, name: str) -> str:
        """A variable of the request's environment."""

    def header(self, name: str) -> str:
        """A header of the request."""

    def ssl(self, name: str) -> str:
        """A variable of the encrypted connection."""

    def ahead(self, name: str) -> str:
        """A variable of what the URI leads to."""

    def map(self, name: str, opened: Opened, key: str) -> str | None:
        """What a map has for a key."""


#: Makes the text for a request.
Filled = Callable[[Any], str]

#: Gets what a reference stands for; gives what is written in its place.
Escape = Callable[[str], str]

#: The maps of a server by their names.
Maps = Mapping[str, "Opened"]


def filler(template: Template, maps: Maps, flags: Flags | None = None) -> Filled:
    """What fills a text in; the flags say how references are escaped."""
    escape = None if flags is None or flags.escape is None else _escape(flags)
    words = [_piece(piece, maps, escape) for piece in template]
    if len(words) == 1:
        return words[0]
    return lambda subject: "".join([word(subject) for word in words])


def target(template: Template, maps: Maps, flags: Flags) -> Callable[[Any], tuple[str, bool]]:
    """What fills in the target of a rule.

    It tells, too, whether the question mark that begins the query comes from a reference, and not from the text.
    """
    escape = None if flags.escape is None else _escape(flags)
    words = [(_piece(piece, maps, escape), piece[0] == TEXT) for piece in template]

    def fill(subject: Subject) -> tuple[str, bool]:
        parts = [(word(subject), plain) for word, plain in words]
        foreign = next((not plain for part, plain in parts if "?" in part), False)
        return "".join([part for part, _ in parts]), foreign

    return fill


def _piece(piece: tuple[Any, ...], maps: Maps, escape: Escape | None) -> Filled:
    kind = piece[0]
    if kind == TEXT:
        text: str = piece[1]
        return lambda _subject: text
    if kind == VARIABLE:
        source, name = piece[1:]
        return lambda subject: getattr(subject, source)(name)
    if kind == LOOKUP:
        return _lookup(piece[1], filler(piece[2], maps), filler(piece[3], maps), maps)
    return _group(kind, piece[1], escape)


def _group(kind: str, number: int, escape: Escape | None) -> Filled:
    source = {GROUP: "match", CONDITION: "captured"}[kind]

    def fill(subject: Subject) -> str:
        found = group(getattr(subject, source), number)
        return found if escape is None else escape(found)

    return fill


def _lookup(name: str, key: Filled, default: Filled, maps: Maps) -> Filled:
    opened = maps.get(name)
    if opened is None:
        return default  # (as in httpd: nobody knows the map)

    def look_up(subject: Subject) -> str:
        found = subject.map(name, opened, key(subject))
        return found or default(subject)

    return look_up


def _escape(flags: Flags) -> Escape:
    only, but, no_plus, controls = flags.escape or "", flags.escape_not, flags.no_plus, flags.escape_controls

    def sign(byte: int) -> str:
        char = chr(byte)
        word = byte < 128 and (char.isalnum() or char == "_")
        if controls:
            kept = char not in only and (byte > 32 and byte != 127)
        else:
            kept = word if not only else char not in only
        if kept or word or char in but:
            return char if byte < 128 else chr(0xDC00 + byte)  # (a surrogate escape, until all bytes are together)
        return "+" if char == " " and not no_plus else f"%{byte:02x}"

    table = [sign(byte) for byte in range(256)]

    def escape(text: str) -> str:
        raw = "".join([table[byte] for byte in text.encode("utf-8", "surrogateescape")])
        return raw.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")

    return escape
