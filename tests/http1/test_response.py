"""Responses: what can be sent, and how their end is told."""

from __future__ import annotations

import http

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from http1.strategies import TOKENS
from mpserver.http1.response import (
    CONTINUE,
    LAST_CHUNK,
    REASONS,
    Framing,
    check_field,
    chunk,
    field_lines,
    how_to_frame,
    last_chunk,
    status_line,
)


def test_status_lines() -> None:
    assert status_line(1, 200) == b"HTTP/1.1 200 OK\r\n"
    assert status_line(0, 200) == b"HTTP/1.0 200 OK\r\n"
    assert status_line(1, 404, "Gone fishing \xe9") == b"HTTP/1.1 404 Gone fishing \xe9\r\n"
    assert status_line(1, 299) == b"HTTP/1.1 299 \r\n"
    assert status_line(1, 100) + b"\r\n" == CONTINUE


def test_every_status_of_the_standard_library_has_a_reason() -> None:
    assert {status.value for status in http.HTTPStatus} <= set(REASONS)


@pytest.mark.parametrize("text", ["a\r\nX: b", "a\n", "a\r", "a\0", "\u20ac"])
def test_a_status_text_can_not_split_the_response(text: str) -> None:
    with pytest.raises(ValueError, match="text of a status"):
        status_line(1, 200, text)


@pytest.mark.parametrize("status", [0, 99, 1000, -200])
def test_a_status_has_three_digits(status: int) -> None:
    with pytest.raises(ValueError, match="no HTTP status"):
        status_line(1, status)


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "\n", "\r", "a\0b", "\u20ac", "\ud800"])
def test_a_value_can_not_split_the_response(value: str) -> None:
    with pytest.raises(ValueError, match="in the value of header field X"):
        check_field("X", value)
    with pytest.raises(ValueError, match="in the value of header field X"):
        field_lines([("A", "b"), ("X", value)])


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", " a", "a\0", "\xe9", "a\n"])
def test_a_name_is_a_token(name: str) -> None:
    with pytest.raises(ValueError, match="can't have this name"):
        check_field(name, "")


@given(st.lists(st.tuples(TOKENS, st.text(st.characters(max_codepoint=255)))))
def test_what_passes_the_check_is_sent_as_it_is(pairs: list[tuple[str, str]]) -> None:
    try:
        for name, value in pairs:
            check_field(name, value)
    except ValueError:
        with pytest.raises(ValueError, match="header field"):
            field_lines(pairs)
    else:
        lines = field_lines(pairs).split(b"\r\n")
        assert lines == [*(f"{name}: {value}".encode("latin-1") for name, value in pairs), b""]


def test_line_ends_of_several_fields_can_not_cancel_out() -> None:
    with pytest.raises(ValueError, match="header field"):
        field_lines([("A", "b\r\nC: d"), ("E", "f")])


def test_chunks() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert chunk(b"") == b""  # an empty one would end the body
    assert last_chunk() == LAST_CHUNK == b"0\r\n\r\n"
    assert last_chunk([("X", "a"), ("Y", "b")]) == b"0\r\nX: a\r\nY: b\r\n\r\n"
    with pytest.raises(ValueError, match="header field"):
        last_chunk([("X", "a\r\n\r\nHTTP/1.1 200 OK")])


NONE, LENGTH, CHUNKED = (False, False), (True, False), (True, True)


@pytest.mark.parametrize(
    ("minor", "method", "status", "length", "keep", "how", "sent_length", "kept", "connection"),
    [
        (1, "GET", 200, 5, True, LENGTH, 5, True, None),
        (1, "GET", 200, 0, True, LENGTH, 0, True, None),
        (1, "GET", 200, 5, False, LENGTH, 5, False, "close"),
        (1, "GET", 200, None, True, CHUNKED, None, True, None),
        (1, "GET", 404, None, False, CHUNKED, None, False, "close"),
        (0, "GET", 200, 5, True, LENGTH, 5, True, "Keep-Alive"),
        (0, "GET", 200, 5, False, LENGTH, 5, False, "close"),
        (0, "GET", 200, None, True, (True, False), None, False, "close"),  # its end is the connection's
        (1, "HEAD", 200, 5, True, NONE, 5, True, None),
        (1, "HEAD", 200, None, True, NONE, None, True, None),
        (0, "HEAD", 200, None, True, NONE, None, True, "Keep-Alive"),
        (1, "GET", 204, 5, True, NONE, None, True, None),
        (1, "GET", 204, None, True, NONE, None, True, None),
        (1, "GET", 304, 5, True, NONE, None, True, None),
        (1, "HEAD", 304, 5, False, NONE, None, False, "close"),
        (1, "POST", 205, 5, True, NONE, 0, True, None),
        (1, "HEAD", 205, None, True, NONE, 0, True, None),
        (1, "GET", 101, None, True, NONE, None, True, None),
        (1, "CONNECT", 200, 5, True, NONE, None, True, None),
        (1, "CONNECT", 405, 5, True, LENGTH, 5, True, None),
    ],
)
def test_framing(
    minor: int,
    method: str,
    status: int,
    length: int | None,
    keep: bool,
    how: tuple[bool, bool],
    sent_length: int | None,
    kept: bool,
    connection: str | None,
) -> None:
    assert how_to_frame(minor, method, status, length, keep) == Framing(*how, sent_length, kept, connection)


@given(
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.sampled_from([status for status in REASONS if status >= 200]),
    st.sampled_from([0, 1]),
    st.binary(min_size=1, max_size=30),
    st.booleans(),
    st.booleans(),
)
def test_clients_see_where_a_response_ends(
    method: str, status: int, minor: int, content: bytes, known: bool, keep: bool
) -> None:
    framing = how_to_frame(minor, method, status, len(content) if known else None, keep)
    sent = status_line(1, status)
    if framing.length is not None:
        sent += field_lines([("Content-Length", str(framing.length))])
    if framing.chunked:
        sent += field_lines([("Transfer-Encoding", "chunked")])
    if framing.connection is not None:
        sent += field_lines([("Connection", framing.connection)])
    sent += b"\r\n"
    if framing.body:
        sent += chunk(content) + LAST_CHUNK if framing.chunked else content

    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(sent)
    if not framing.keep_alive:
        client.receive_data(b"")
    assert isinstance(client.next_event(), h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert body == (content if framing.body else b"")
    assert client.trailing_data == (b"", not framing.keep_alive)
    assert (client.their_state is h11.DONE) is framing.keep_alive or minor == 0
