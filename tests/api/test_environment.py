"""Facts worked out from a request: headers of one name, the target's parts."""

from __future__ import annotations

import pytest

from mpserver.api.uri import parsed_uri
from mpserver.http1.head import Head, Limits, parse_head


def head(fields: str, target: str = "/") -> Head:
    found = parse_head(f"GET {target} HTTP/1.1\r\n{fields}\r\n\r\n".encode(), Limits())
    assert found is not None
    return found


def test_headers_of_one_name() -> None:
    alone = head("A: 1\r\nHost: h")
    assert alone.merged()[0] is alone.fields
    assert head("X-A: 1\r\nHost: h\r\nx-a: 3\r\nX-A:").merged()[0] == (("X-A", "1, 3, "), ("Host", "h"))


def test_cookies_have_a_separator_of_their_own() -> None:
    fields, values = head("Cookie: a=1; b=2\r\nHost: h\r\ncookie: c=3").merged()
    assert fields == (("Cookie", "a=1; b=2; c=3"), ("Host", "h"))
    assert values == {"cookie": "a=1; b=2; c=3", "host": "h"}


def test_the_target_names_the_host() -> None:
    assert head("host: h\r\nA: 1", "http://Other:81/x").merged()[0] == (("host", "Other:81"), ("A", "1"))
    assert head("A: 1\r\nHost: h", "/x?http://other").merged()[0] == (("A", "1"), ("Host", "h"))


@pytest.mark.parametrize(
    ("target", "decoded", "parts"),
    [
        ("/a%20b?x=1&y#z", None, (None, None, None, None, None, None, "/a%20b", "x=1&y", "z")),
        ("/a%20b?", "/a b", (None, None, None, None, None, None, "/a b", "", None)),
        (
            "http://user:pw@host:81/p?q", "/p",
            ("http", "user:pw@host:81", "user", "pw", "host", 81, "/p", "q", None),
        ),
        ("http://host", "/", ("http", "host", None, None, "host", None, "", None, None)),
        ("http://[::1]:8/x", None, ("http", "[::1]:8", None, None, "[::1]", 8, "/x", None, None)),
    ],
)  # fmt: skip
def test_parts_of_a_target(target: str, decoded: str | None, parts: tuple[object, ...]) -> None:
    assert parsed_uri(target, decoded) == parts
