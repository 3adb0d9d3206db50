"""Responses: what can be sent, and how their end is told."""

from __future__ import annotations

import http

import pytest
from hypothesis import given
from hypothesis import strategies as st

from http1.strategies import TOKENS
from mpserver.http1.response import (
    CONTINUE,
    REASONS,
    check_field,
    field_lines,
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
