"""Log lines that are objects of JSON (RFC 8259), made by an encoder: nothing that a client sends can break one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

_ESCAPED = re.compile(r'\\(x[0-9a-f]{2}|[bnrtv\\"])')
_NAMED = {"b": b"\b", "n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v", "\\": b"\\", '"': b'"'}


def encoder(names: Sequence[str]) -> Callable[[Sequence[str | int | float | None]], str]:
    """What makes a line of the values of these fields: numbers are numbers, what is not there is null."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

    def line(values: Sequence[str | int | float | None]) -> str:
        return encode({name: plain(value) for name, value in zip(names, values, strict=True)})

    return line


def plain(value: str | int | float | None) -> str | int | float | None:
    r"""What an item stands for, without the escapes of a log line. Bytes that are no UTF-8 stay ``\xe9``."""
    if not isinstance(value, str) or "\\" not in value:
        return None if value == "-" else value
    raw = bytearray()
    at = 0
    for match in _ESCAPED.finditer(value):
        raw += value[at : match.start()].encode()
        word = match[1]
        raw += bytes.fromhex(word[1:]) if word[0] == "x" else _NAMED[word]
        at = match.end()
    raw += value[at:].encode()
    return raw.decode("utf-8", "backslashreplace")
