"""Byte ranges (RFC 9110 14): what a Range header selects, and the multipart body that carries several.

As httpd does: ranges are answered in the order asked for, each is joined with the one before it
where they touch, and a header that asks for too much is ignored. White space and empty elements
in the list are taken as the RFC has them (httpd ignores the header then).
"""

from __future__ import annotations

from mpserver import lazyre
from mpserver.typing import NamedTuple

#: A range: its first and last byte, both counted from 0.
Range = tuple[int, int]


class Limits(NamedTuple):
    """What a Range header may ask for; past one of these the whole is sent. -1: any number.

    httpd's MaxRanges, MaxRangeOverlaps (those that touch the one before) and MaxRangeReversals (those that begin
    before the one before).
    """

    ranges: int = 200
    overlaps: int = 20
    reversals: int = 20


LIMITS = Limits()
#: More digits than any file's size has.
_DIGITS = 18

#: int-range or suffix-range, with white space around it
_SPEC = lazyre.compile(r"[ \t]*([0-9]*)-([0-9]*)[ \t]*")


class Unsatisfiable:
    """The type of `UNSATISFIABLE`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSATISFIABLE"


#: The verdict on a valid header that selects nothing: 416.
UNSATISFIABLE = Unsatisfiable()


def parse(header: str, size: int, limits: Limits = LIMITS) -> list[Range] | Unsatisfiable | None:
    """What a Range header selects of ``size`` bytes.

    :returns: ranges within the size; None where the header is to be ignored (another unit, malformed,
        nothing to select from, too many ranges, more bytes in sum than the whole has); UNSATISFIABLE.
    """
    unit, equals, rest = header.partition("=")
    if not equals or unit.lower() != "bytes" or size <= 0:
        return None
    ranges: list[Range] = []
    specs = overlaps = reversals = before = 0
    for element in rest.split(","):
        if not element.strip(" \t"):
            continue
        specs += 1
        found = _SPEC.fullmatch(element)
        if found is None or specs > limits.ranges >= 0:
            return None
        first, last = found.groups()
        if first:
            start = _number(first)
            end = _number(last) if last else size - 1
            if last and end < start:
                return None
            if start >= size:
                continue
            end = min(end, size - 1)
        else:
            length = _number(last) if last else 0
            if not length:
                return None
            start, end = max(0, size - length), size - 1
        if start < before:
            reversals += 1
            if reversals > limits.reversals >= 0:
                return None
        before = start
        if ranges and start <= ranges[-1][1] + 1 and end + 1 >= ranges[-1][0]:
            overlaps += 1
            if overlaps > limits.overlaps >= 0:
                return None
            ranges[-1] = (min(start, ranges[-1][0]), max(end, ranges[-1][1]))
        else:
            ranges.append((start, end))
    if not ranges:
        return UNSATISFIABLE if specs else None
    if sum(end - start + 1 for start, end in ranges) > size:
        return None
    return ranges


def _number(digits: str) -> int:
    """A count of bytes; one with more digits than a file can have is cut to a number past any size."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _DIGITS else 10**_DIGITS


def content_range(found: Range, size: int) -> str:
    """The value of Content-Range for one range (14.4)."""
    return f"bytes {found[0]}-{found[1]}/{size}"


def unsatisfied_range(size: int) -> str:
    """The value of Content-Range for a 416 (14.4)."""
    return f"bytes */{size}"


class Multipart(NamedTuple):
    """A multipart/byteranges body (14.6): each range after its head, then the end."""

    content_type: str
    #: Bytes of the whole body, ranges included.
    length: int
    heads: tuple[bytes, ...]
    end: bytes


def multipart(ranges: list[Range], size: int, content_type: str | None, boundary: str) -> Multipart:
    """The frame around several ranges.

    :param content_type: the media type of the parts, None for none.
    :param boundary: a token that does not occur in the data (random).
    """
    kind = f"Content-Type: {content_type}\r\n" if content_type else ""
    heads = tuple(
        f"\r\n--{boundary}\r\n{kind}Content-Range: {content_range(one, size)}\r\n\r\n".encode("latin-1", "replace")
        for one in ranges
    )
    end = f"\r\n--{boundary}--\r\n".encode("ascii")
    selected = sum(last - first + 1 for first, last in ranges)
    return Multipart(
        f"multipart/byteranges; boundary={boundary}", sum(map(len, heads)) + selected + len(end), heads, end
    )
