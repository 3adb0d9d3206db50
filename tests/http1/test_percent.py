"""Percent-encoding says what `urllib.parse` says."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from mpserver.http1 import percent

PIECES = st.sampled_from([b"%", b"%4", b"%41", b"%zz", b"%C3%a4", b"a", b"/", b"%%", b"\xff", b"+", b"%00"])


@given(st.lists(PIECES).map(b"".join) | st.binary())
def test_decode_is_as_everywhere(text: bytes) -> None:
    assert percent.decode(text) == unquote_to_bytes(text)


@given(st.text(st.characters(exclude_categories=())) | st.binary().map(lambda b: b.decode("utf-8", "surrogateescape")))
def test_encode_path_is_as_everywhere(path: str) -> None:
    try:
        expected = quote(path, safe="/:@!$&'()*+,;=~-._", encoding="utf-8", errors="surrogateescape")
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte
        return
    assert percent.encode_path(path) == expected


def test_what_a_path_was_comes_back() -> None:
    path = "/ä b/100%/\udcff?"
    assert percent.encode_path(path) == "/%C3%A4%20b/100%25/%FF%3F"
    assert percent.decode(percent.encode_path(path).encode()).decode("utf-8", "surrogateescape") == path
