"""Byte ranges: httpd's answers for a file of 100 bytes, and the RFC's where they differ."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.http1.ranges import UNSATISFIABLE, Multipart, Range, Unsatisfiable, multipart, parse

IGNORED = None
Verdict = list[Range] | Unsatisfiable | None

CASES: list[tuple[str, Verdict]] = [
    ("bytes=0-1", [(0, 1)]),
    ("bytes=0-", [(0, 99)]),
    ("bytes=-1", [(99, 99)]),
    ("bytes=-0", IGNORED),
    ("bytes=-100", [(0, 99)]),
    ("bytes=-101", [(0, 99)]),
    ("bytes=99-", [(99, 99)]),
    ("bytes=100-", UNSATISFIABLE),
    ("bytes=99-200", [(99, 99)]),
    ("bytes=100-200", UNSATISFIABLE),
    ("bytes=100-,200-", UNSATISFIABLE),
    ("bytes=5-4", IGNORED),
    ("bytes=a-b", IGNORED),
    ("bytes=", IGNORED),
    ("bytes=,", IGNORED),
    ("bytes=-", IGNORED),
    ("bytes", IGNORED),
    ("0-1", IGNORED),
    ("", IGNORED),
    ("items=0-1", IGNORED),
    ("BYTES=0-1", [(0, 1)]),
    ("bytes=0-0,99-99", [(0, 0), (99, 99)]),
    ("bytes=0-200", [(0, 99)]),
    ("bytes=0-0,0-0", [(0, 0)]),
    ("bytes=0-5,3-8", [(0, 8)]),
    ("bytes=0-5,6-8", [(0, 8)]),
    ("bytes=10-20,0-5", [(10, 20), (0, 5)]),
    ("bytes=200-300,0-1", [(0, 1)]),
    ("bytes=0-1,a", IGNORED),
    ("bytes=0-1,", [(0, 1)]),
    ("bytes=0-1,,3-4", [(0, 1), (3, 4)]),
    ("bytes=1-2,5-4", IGNORED),
    ("bytes=-1,-2", [(98, 99)]),
    ("bytes=200-,-0", IGNORED),
    ("bytes=-5,0-3", [(95, 99), (0, 3)]),
    ("bytes=1-,1-", [(1, 99)]),
    ("bytes=0-,-1", [(0, 99)]),
    ("bytes=+1-2", IGNORED),
    ("bytes=1-+2", IGNORED),
    ("bytes=0x1-2", IGNORED),
    ("bytes=1_0-20", IGNORED),
    ("bytes=\u0661-2", IGNORED),
    ("bytes=-1-2", IGNORED),
    ("bytes=1-2-3", IGNORED),
    ("bytes=0-9,30-39,20-29", [(0, 9), (20, 39)]),
    ("bytes=0-60,99-99,30-80", IGNORED),  # 113 bytes of 100
    ("bytes=0-60,70-75,30-80", IGNORED),
    ("bytes=0-60,70-80,10-20", [(0, 60), (70, 80), (10, 20)]),
    ("bytes=0-10,20-30,5-25", [(0, 10), (5, 30)]),
    ("bytes=0-90,95-99,0-3", [(0, 90), (95, 99), (0, 3)]),  # exactly 100
    ("bytes=0-98,0-0,99-99", [(0, 99)]),
    ("bytes =0-1", IGNORED),
    ("bytes=0 -1", IGNORED),
    ("bytes=0- 1", IGNORED),
    # RFC 9110 5.6.1: white space and empty elements in lists are legal
    ("bytes= 0-1", [(0, 1)]),
    ("bytes=0-1, 3-4", [(0, 1), (3, 4)]),
    ("bytes=0-1 ,\t3-4", [(0, 1), (3, 4)]),
    ("bytes=,0-1", [(0, 1)]),
    # numbers past any file's size
    ("bytes=99999999999999999999-", UNSATISFIABLE),
    ("bytes=0-99999999999999999999", [(0, 99)]),
    ("bytes=-" + "9" * 5000, [(0, 99)]),
    ("bytes=" + "0" * 5000 + "-1", [(0, 1)]),
]


@pytest.mark.parametrize(("header", "ranges"), CASES)
def test_what_a_header_selects(header: str, ranges: Verdict) -> None:
    assert parse(header, 100) == ranges


@pytest.mark.parametrize("header", ["bytes=0-0", "bytes=-1", "bytes=5-"])
def test_nothing_is_selected_of_an_empty_file(header: str) -> None:
    assert parse(header, 0) is None


def test_too_many_ranges_are_ignored() -> None:
    def header(count: int) -> str:
        return "bytes=" + ",".join(f"{i * 1000}-{i * 1000}" for i in range(count))

    found = parse(header(200), 300_000)
    assert isinstance(found, list)
    assert len(found) == 200
    assert parse(header(201), 300_000) is None


@pytest.mark.parametrize("step", [0, 1])
def test_too_many_overlaps_are_ignored(step: int) -> None:
    def header(count: int) -> str:
        return "bytes=" + ",".join(f"{i * step}-{i * step}" for i in range(count))

    assert parse(header(21), 300_000) == [(0, 20 * step)]
    assert parse(header(22), 300_000) is None


SPEC = st.one_of(
    st.tuples(st.integers(0, 120), st.one_of(st.none(), st.integers(0, 120))).map(
        lambda pair: f"{pair[0]}-{'' if pair[1] is None else pair[1]}"
    ),
    st.integers(0, 120).map(lambda n: f"-{n}"),
)


@given(st.lists(SPEC, min_size=1, max_size=30), st.integers(0, 110))
def test_ranges_stay_within_the_size_and_the_request(specs: list[str], size: int) -> None:
    found = parse("bytes=" + ",".join(specs), size)
    if isinstance(found, list):
        assert found
        assert all(0 <= start <= end < size for start, end in found)
        assert sum(end - start + 1 for start, end in found) <= size
        asked = set()
        for spec in specs:
            first, _, last = spec.partition("-")
            if first:
                asked |= set(range(int(first), (int(last) if last else size - 1) + 1))
            else:
                asked |= set(range(max(0, size - int(last)), size))
        assert {i for start, end in found for i in range(start, end + 1)} == asked & set(range(size))


@given(st.text(), st.integers(0, 200))
def test_any_header_gets_a_verdict(text: str, size: int) -> None:
    for header in (text, "bytes=" + text):
        found = parse(header, size)
        assert found is None or found is UNSATISFIABLE or isinstance(found, list)


def body(frame: Multipart, ranges: list[Range], data: bytes) -> bytes:
    parts = [head + data[start : end + 1] for head, (start, end) in zip(frame.heads, ranges, strict=True)]
    return b"".join(parts) + frame.end


def test_a_multipart_body() -> None:
    data = bytes(range(48, 58)) * 10
    ranges = [(0, 0), (99, 99)]
    frame = multipart(ranges, 100, "text/plain", "624eb9319356ddeb")
    assert frame.content_type == "multipart/byteranges; boundary=624eb9319356ddeb"
    assert body(frame, ranges, data) == (
        b"\r\n--624eb9319356ddeb\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/100\r\n\r\n0"
        b"\r\n--624eb9319356ddeb\r\nContent-Type: text/plain\r\nContent-Range: bytes 99-99/100\r\n\r\n9"
        b"\r\n--624eb9319356ddeb--\r\n"
    )
    assert frame.length == 188  # as httpd counts it


def test_parts_without_a_type() -> None:
    frame = multipart([(0, 0), (2, 2)], 3, None, "b")
    assert not re.search(b"(?i)content-type", b"".join(frame.heads))


@given(st.lists(SPEC, min_size=2, max_size=8), st.binary(min_size=1, max_size=110))
def test_the_length_of_a_multipart_body(specs: list[str], data: bytes) -> None:
    found = parse("bytes=" + ",".join(specs), len(data))
    if isinstance(found, list):
        frame = multipart(found, len(data), "text/plain", "boundary")
        assert len(body(frame, found, data)) == frame.length
