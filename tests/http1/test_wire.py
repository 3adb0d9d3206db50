"""Text of requests: UTF-8 or latin-1, and the bytes again."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.http1.fields import Limits
from mpserver.http1.head import parse_head
from mpserver.http1.wire import decoded, encoded, is_latin, shown


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"plain", "plain"), ("é€".encode(), "é€"), (b"\xe9", "é"), (b"\xe9\xc3\xa9", "é\xc3\xa9"), (b"", "")],
)
def test_bytes_are_utf8_or_else_latin1(data: bytes, text: str) -> None:
    raw = data.decode("latin-1")
    assert decoded(raw) == text
    assert is_latin(raw) is (text == raw and not data.isascii())
    assert shown(os.fsdecode(data)) == text


@given(st.binary())
def test_decoding_never_fails_and_its_result_can_be_written(data: bytes) -> None:
    raw = data.decode("latin-1")
    text = decoded(raw)
    text.encode()
    assert shown(data.decode("utf-8", "surrogateescape")) == text
    assert (raw if is_latin(raw) else encoded(text)).encode("latin-1") == data


def test_the_bytes_of_a_text() -> None:
    assert encoded("/Zoë\udcff").encode("latin-1") == b"/Zo\xc3\xab\xff"
    assert encoded("\xfc\u20ac").encode("latin-1") == "\xfc\u20ac".encode()


def test_header_fields_that_are_asked_for_as_text() -> None:
    data = b"GET / HTTP/1.1\r\nHost: h\r\nA: \xc3\xa9\r\na: \xe2\x82\xac\r\nB: \xe9\r\n\r\n"
    head = parse_head(data, Limits())
    assert head is not None
    assert head.get("a") == "\xc3\xa9, \xe2\x82\xac"
    assert head.fields[1] == ("A", "\xc3\xa9")
    fields, values = head.merged()
    assert fields == (("Host", "h"), ("A", "é, €"), ("B", "é"))
    assert values == {"host": "h", "a": "é, €", "b": "é"}
    assert head.field_block.odd == {"é"}
