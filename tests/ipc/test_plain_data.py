"""Plain data of processes that may not be trusted: what is written comes back, and nothing else comes out."""

from __future__ import annotations

import random
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from mpserver.http1.body import ChunkedBody, LengthBody, unpack
from mpserver.ipc import plain_data
from mpserver.ipc.messages import Kind, Message, decode

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -5, 1 << 70, 1.5, float("inf"), "", "ä\udc80", b"", b"\0\xff", (), (1, ("a", b"b")),
    [], [None, [1]], {}, {"a": 1, ("in", "x"): ("y", None)},
)  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_packed_comes_back(value: Any) -> None:
    found = plain_data.unpack(plain_data.pack(value))
    assert (found, type(found)) == (value, type(value))


def test_what_inherits_from_a_plain_type_is_one_of_it() -> None:
    class Text(str):
        __slots__ = ()

    found = plain_data.unpack(plain_data.pack((HTTPStatus.OK, Text("x"), Message(Kind.READY))))
    assert [type(its) for its in found] == [int, str, tuple]


@pytest.mark.parametrize("value", [object(), {1, 2}, len, HTTPStatus], ids=lambda value: type(value).__name__)
def test_what_is_not_plain_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="is no plain data"):
        plain_data.pack([value])


BAD = {
    "nothing": b"",
    "more": b"NN",
    "unknown": b"x",
    "cut": b"s\0\0\0\5abc",
    "no number": b"i\0\0\0\1x",
    "many digits": b"i\0\0\1\0" + b"9" * 256,
    "a list as a key": plain_data.pack({"k": 1}).replace(b"s\0\0\0\1k", b"l\0\0\0\0"),
    "no text": b"s\0\0\0\1\xff",
    "deep": b"l\0\0\0\1" * 100_000,
    "many": b"l\xff\xff\xff\xff",
    "many pairs": b"d\xff\xff\xff\xff",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_made_up_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError):
        plain_data.unpack(BAD[name])


def _no_more_than(read: Callable[[bytes], object], sound: bytes) -> None:
    """Bytes that were changed at random are read, or are a ValueError."""
    chance = random.Random(18)
    for _ in range(3000):
        data = bytearray(sound)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            read(bytes(data[: chance.choice((len(data), chance.randrange(len(data) + 1)))]))
        except ValueError:
            pass


def test_changed_bytes() -> None:
    _no_more_than(plain_data.unpack, plain_data.pack(VALUES))


def test_changed_messages() -> None:
    sound = b"\x01\0" + bytes(39) + b"some more"
    _no_more_than(lambda data: decode(data, []), sound)


def test_a_body_goes_on_where_it_was() -> None:
    data = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX: y\r\n\r\nGET"
    for cut in range(len(data)):
        first = ChunkedBody(100)
        content = first.feed(data[:cut])
        second = unpack(plain_data.unpack(plain_data.pack(first.pack())))
        content += second.feed(data[cut:])
        assert (content, second.done, second.rest, second.trailers) == (b"hello world", True, b"GET", (("X", "y"),))
    body = LengthBody(5)
    body.feed(b"he")
    again = unpack(plain_data.unpack(plain_data.pack(body.pack())))
    assert (again.missing, again.feed(b"lloX"), again.done, again.rest) == (3, b"llo", True, b"X")
