"""Conditional requests: httpd's answers, and the RFC's where they differ."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.http1.conditions import evaluate, range_applies
from mpserver.http1.dates import http_date

TAG = '"6-6475ef64ed580"'
MODIFIED = 1767323045.123456
NOW = 1795206926.0
SAME = "Fri, 02 Jan 2026 03:04:05 GMT"
BEFORE = "Fri, 02 Jan 2026 03:04:04 GMT"
AFTER = "Fri, 02 Jan 2026 03:04:06 GMT"
FUTURE = "Fri, 02 Jan 2037 03:04:06 GMT"

#: Request headers by lower-case name.
Headers = dict[str, str]


def verdict(method: str, headers: Headers, etag: str | None = TAG, modified: float | None = MODIFIED) -> int:
    return evaluate(method, headers.get, etag, modified, NOW)


#: Request headers and the status for GET and for POST (0: go on).
CASES: list[tuple[Headers, int, int]] = [
    ({}, 0, 0),
    ({"if-modified-since": SAME}, 304, 0),
    ({"if-modified-since": BEFORE}, 0, 0),
    ({"if-modified-since": AFTER}, 304, 0),
    ({"if-modified-since": FUTURE}, 0, 0),
    ({"if-modified-since": "junk"}, 0, 0),
    ({"if-modified-since": "Friday, 02-Jan-26 03:04:05 GMT"}, 304, 0),
    ({"if-modified-since": "Fri Jan  2 03:04:05 2026"}, 304, 0),
    ({"if-none-match": TAG}, 304, 412),
    ({"if-none-match": "W/" + TAG}, 304, 412),
    ({"if-none-match": "*"}, 304, 412),
    ({"if-none-match": " * "}, 304, 412),
    ({"if-none-match": '"x"'}, 0, 0),
    ({"if-none-match": f'"x", {TAG}'}, 304, 412),
    ({"if-none-match": f'"x",W/{TAG}'}, 304, 412),
    ({"if-none-match": f' ,, "x" ,\t{TAG} ,'}, 304, 412),
    ({"if-none-match": TAG.strip('"')}, 0, 0),
    ({"if-none-match": f"x {TAG}"}, 0, 0),
    ({"if-none-match": f'"x" {TAG}'}, 0, 0),
    ({"if-none-match": f'"a,{TAG[1:]}'}, 0, 0),
    ({"if-none-match": ""}, 0, 0),
    ({"if-none-match": '"x"', "if-modified-since": SAME}, 0, 0),
    ({"if-none-match": TAG, "if-modified-since": BEFORE}, 304, 412),
    ({"if-match": TAG}, 0, 0),
    ({"if-match": "W/" + TAG}, 412, 412),
    ({"if-match": "*"}, 0, 0),
    ({"if-match": '"x"'}, 412, 412),
    ({"if-match": f'"x", {TAG}'}, 0, 0),
    ({"if-match": "junk"}, 412, 412),
    ({"if-unmodified-since": SAME}, 0, 0),
    ({"if-unmodified-since": BEFORE}, 412, 412),
    ({"if-unmodified-since": AFTER}, 0, 0),
    ({"if-unmodified-since": "junk"}, 0, 0),
    ({"if-match": TAG, "if-unmodified-since": BEFORE}, 0, 0),
    ({"if-match": '"x"', "if-none-match": TAG}, 412, 412),
    ({"if-match": TAG, "if-none-match": TAG}, 304, 412),
    ({"if-unmodified-since": SAME, "if-modified-since": SAME}, 304, 0),
]


@pytest.mark.parametrize(("headers", "get", "post"), CASES)
def test_the_verdict(headers: Headers, get: int, post: int) -> None:
    assert verdict("GET", headers) == get
    assert verdict("HEAD", headers) == get
    assert verdict("POST", headers) == post
    assert verdict("PUT", headers) == post


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-match": "*"}, 0),
        ({"if-match": TAG}, 412),
        ({"if-none-match": TAG}, 0),
        ({"if-none-match": "*"}, 304),
        ({"if-modified-since": SAME}, 0),
        ({"if-unmodified-since": BEFORE}, 0),
    ],
)
def test_without_validators(headers: Headers, status: int) -> None:
    assert verdict("GET", headers, None, None) == status


@pytest.mark.parametrize(("headers", "status"), [({"if-none-match": TAG}, 304), ({"if-match": TAG}, 412)])
def test_a_weak_tag_of_the_representation(headers: Headers, status: int) -> None:
    assert verdict("GET", headers, "W/" + TAG) == status


def test_the_clock_is_used_without_a_time() -> None:
    now = time.time()
    assert evaluate("GET", {"if-modified-since": http_date(now - 5)}.get, None, now - 10) == 304
    assert evaluate("GET", {"if-modified-since": http_date(now + 3600)}.get, None, now - 10) == 0


@pytest.mark.parametrize(
    ("condition", "applies"),
    [
        (None, True),
        (TAG, True),
        ("W/" + TAG, False),
        ('"x"', False),
        (SAME, True),
        (BEFORE, False),
        (AFTER, False),
        ("junk", False),
        ("", False),
    ],
)
def test_if_range(condition: str | None, applies: bool) -> None:
    headers = {} if condition is None else {"if-range": condition}
    assert range_applies(headers.get, TAG, MODIFIED, NOW) is applies


def test_if_range_needs_a_strong_validator() -> None:
    assert not range_applies({"if-range": "W/" + TAG}.get, "W/" + TAG, MODIFIED, NOW)
    assert not range_applies({"if-range": TAG}.get, None, None, NOW)
    # The file was changed less than a minute ago: it may change again within the same second.
    assert not range_applies({"if-range": SAME}.get, TAG, MODIFIED, MODIFIED + 59)
    assert range_applies({"if-range": SAME}.get, TAG, MODIFIED, MODIFIED + 61)


OPAQUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f'), max_size=8)
TAGS = st.builds(lambda weak, text: ("W/" if weak else "") + f'"{text}"', st.booleans(), OPAQUE)


@given(st.lists(TAGS, max_size=5), TAGS)
def test_a_list_matches_by_its_members(known: list[str], tag: str) -> None:
    header = " , ".join(known)
    weakly = tag.removeprefix("W/") in [one.removeprefix("W/") for one in known]
    strongly = not tag.startswith("W/") and tag in known
    assert (evaluate("GET", {"if-none-match": header}.get, tag, None) == 304) is weakly
    assert (evaluate("GET", {"if-match": header}.get, tag, None) == 0) is strongly


@given(st.text(), st.text(), st.sampled_from(["if-match", "if-none-match", "if-range", "if-modified-since"]))
def test_any_header_gets_a_verdict(header: str, tag: str, name: str) -> None:
    assert evaluate("GET", {name: header}.get, tag, MODIFIED) in (0, 304, 412)
    assert range_applies({name: header}.get, tag, MODIFIED) in (True, False)


def test_a_long_list_takes_linear_time() -> None:
    start = time.process_time()
    for header in (", " * 200_000 + "x", '"a" ' * 100_000, '"' * 400_000):
        assert evaluate("GET", {"if-none-match": header}.get, TAG, None) == 0
    assert time.process_time() - start < 2
