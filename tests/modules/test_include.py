"""Server side includes without a server: tags in pieces, conditions, codings, sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.modules.include.tags import abbreviated, decode, encode, overlap, scan

START, END = b"<!--#", b"-->"


def arguments(text: bytes) -> tuple[str, tuple[tuple[str, str | None], ...], bytes]:
    """A tag's element, arguments, and what follows it."""
    tag = scan(text, len(START), END, last=True)
    assert tag is not None
    return tag.element, tag.arguments, text[tag.end :]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'<!--#echo var="a" -->x', ("echo", (("var", "a"),), b"x")),
        (b"<!--#ECHO VAR='a'-->", ("echo", (("var", "a"),), b"")),
        (b"<!--#echo var=a-->", ("echo", (("var", "a"),), b"")),
        (b"<!--#echo var=a -->", ("echo", (("var", "a"),), b"")),
        (b"<!--#echo\n var = `a b`\n-->", ("echo", (("var", "a b"),), b"")),
        (b'<!--#if expr="a --> b" -->', ("if", (("expr", "a --> b"),), b"")),
        (
            b'<!--#set var="a" value="say \\"b\\" \\$c"-->',
            ("set", (("var", "a"), ("value", 'say "b" \\$c')), b""),
        ),
        (b"<!--#endif-->", ("endif", (), b"")),
        (b"<!--#-->", ("", (), b"")),
        (b"<!--#echo var-->", ("echo", (("var", None),), b"")),
        ("<!--#echo var='Zoë'-->".encode(), ("echo", (("var", "Zoë"),), b"")),
    ],
)
def test_tags(text: bytes, expected: object) -> None:
    assert arguments(text) == expected
    for cut in range(len(START), len(text)):  # a beginning is no tag, or the same one
        tag = scan(text[:cut], len(START), END)
        assert tag is None or tag.end <= cut


@given(st.binary(max_size=60))
def test_rubbish_is_no_tag_or_one(data: bytes) -> None:
    for last in (False, True):
        tag = scan(START + data, len(START), END, last=last)
        assert tag is None or data[: tag.end - len(START)].endswith(END)


def test_beginnings_of_a_tag_wait() -> None:
    found = {text: overlap(text, 0, START) for text in (b"a<", b"a<!--", b"a<!-", b"a<!-x", b"<!--#", b"")}
    assert found == {b"a<": 1, b"a<!--": 4, b"a<!-": 3, b"a<!-x": 0, b"<!--#": 0, b"": 0}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "  0 "),
        (25, " 25 "),
        (972, "972 "),
        (973, "1.0K"),
        (1234567, "1.2M"),
        (10 << 20, " 10M"),
        (5 << 30, "5.0G"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert abbreviated(size) == text


def test_codings() -> None:
    text = "<a b='c'>&\"Zoë\""
    assert encode(text, "entity") == "&lt;a b='c'&gt;&amp;&quot;Zoë&quot;"
    assert encode(text, "url") == "%3ca%20b='c'%3e&%22Zo%c3%ab%22"
    assert encode(text, "urlencoded") == "%3ca+b%3d%27c%27%3e%26%22Zo%c3%ab%22"
    assert encode(text, "base64, url").endswith("=")
    for coding in ("none", "entity", "url", "urlencoded", "base64"):
        assert decode(encode(text, coding), coding) == text
