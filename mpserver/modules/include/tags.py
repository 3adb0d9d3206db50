"""The texts of server side includes: tags, codings of variables, sizes (httpd's mod_include)."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, unquote

from mpserver.http1.percent import encode_path
from mpserver.typing import NamedTuple

_NAME = re.compile(rb"\s*([^\s=]+)")
_EQUALS = re.compile(rb"\s*=\s*")
_VALUE = {quote: re.compile(rb"((?:[^\\%c]|\\.)*)%c" % (quote, quote), re.DOTALL) for quote in b"\"'`"}
_BARE = re.compile(rb"[^\s]*")


class Tag(NamedTuple):
    """An element: its name in lower case, its arguments (value None: without one), and where its bytes end."""

    element: str
    arguments: tuple[tuple[str, str | None], ...]
    end: int


def scan(data: bytes, start: int, end_tag: bytes, *, last: bool = False) -> Tag | None:
    """The tag that begins at ``start``, behind its start tag; None where its end has not come.

    ``last``: nothing more will come.
    """
    at = start
    words: list[tuple[str, str | None]] = []
    while True:
        while data[at : at + 1].isspace():
            at += 1
        if data.startswith(end_tag, at):
            break
        if not last and len(data) - at < len(end_tag):
            return None
        match = _NAME.match(data, at)
        if match is None:
            return None
        # a name ends where the end tag begins, with or without a blank before it
        name = match[1]
        cut = name.find(end_tag)
        if cut >= 0:
            name = name[:cut]
            words.append((to_text(name).lower(), None))
            at = match.start(1) + cut
            break
        if match.end() == len(data):
            return None
        at = match.end()
        equals = _EQUALS.match(data, at)
        if equals is None or not words:
            words.append((to_text(name).lower(), None))
            continue
        at = equals.end()
        if at >= len(data):
            return None
        pattern = _VALUE.get(data[at])
        if pattern is not None:
            value = pattern.match(data, at + 1)
            if value is None:
                return None
            mark = chr(data[at])
            text = to_text(value[1]).replace("\\" + mark, mark)
            at = value.end()
        else:
            bare = _BARE.match(data, at)
            assert bare is not None
            cut = bare[0].find(end_tag)
            if cut < 0 and bare.end() == len(data):
                return None
            text = to_text(bare[0] if cut < 0 else bare[0][:cut])
            at += len(bare[0]) if cut < 0 else cut
        words.append((to_text(name).lower(), text))
    element = words[0][0] if words else ""
    return Tag(element, tuple(words[1:]), at + len(end_tag))


def to_text(data: bytes) -> str:
    """Text of UTF-8, other bytes as surrogate escapes."""
    return data.decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """The inverse of `to_text`."""
    return text.encode("utf-8", "surrogateescape")


def abbreviated(size: int) -> str:
    """A size in four places: `` 25 ``, ``1.2M``."""
    if size < 973:
        return f"{size:3d} "
    unit = 0
    while True:
        rest, size = size & 1023, size >> 10
        if size < 973:
            break
        unit += 1
    letter = "KMGTPE"[unit]
    if size < 9 or (size == 9 and rest < 973):
        tenth = (rest * 5 + 256) // 512
        if tenth >= 10:
            size, tenth = size + 1, 0
        return f"{size}.{tenth}{letter}"
    return f"{size + (rest >= 512):3d}{letter}"


def overlap(data: bytes, at: int, start: bytes) -> int:
    """How many of the last bytes may be the beginning of a start tag."""
    for length in range(min(len(start) - 1, len(data) - at), 0, -1):
        if data.endswith(start[:length]):
            return length
    return 0


def _url(text: str) -> str:
    return _lower(encode_path(text))


def _form(text: str) -> str:
    found = quote(text, ".*-_ ", errors="surrogateescape").replace("~", "%7E").replace(" ", "+")
    return _lower(found)


def _lower(text: str) -> str:
    """Escapes in lower case, as httpd writes them here."""
    return re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), text)


def _base64(text: str) -> str:
    return base64.b64encode(to_bytes(text)).decode()


def _unbase64(text: str) -> str:
    try:
        return to_text(base64.b64decode(text))
    except ValueError:
        return text


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "none": str,
    "url": _url,
    "urlencoded": _form,
    "entity": _entities,
    "base64": _base64,
}
DECODINGS: Mapping[str, Callable[[str], str]] = {
    "none": str,
    "url": lambda text: unquote(text, errors="surrogateescape"),
    "urlencoded": lambda text: unquote(text.replace("+", " "), errors="surrogateescape"),
    "entity": html.unescape,
    "base64": _unbase64,
}


def encode(text: str, codings: str) -> str:
    """A text in some codings, one after the other; their names separated by commas."""
    for coding in codings.split(","):
        text = ENCODINGS[coding.strip()](text)
    return text


def decode(text: str, codings: str) -> str:
    """The inverse of `encode`."""
    for coding in codings.split(","):
        text = DECODINGS[coding.strip()](text)
    return text
