"""Facts worked out from a request: headers of one name, the target's parts."""

from __future__ import annotations

import pytest

from mpserver.api.environment import merged, parsed_uri


def test_headers_of_one_name() -> None:
    alone = (("A", "1"), ("B", "2"))
    assert merged(alone) is alone
    assert merged((("X-A", "1"), ("B", "2"), ("x-a", "3"), ("X-A", ""))) == (("X-A", "1, 3, "), ("B", "2"))


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
