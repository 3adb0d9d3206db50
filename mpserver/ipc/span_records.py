"""Records of requests and of what ran for them, on their way to the process that exports traces.

A message has the records of many requests, and is written and read as a whole (a socket of messages)::

    8 bytes   who writes, a number by chance for each interpreter
    8 bytes   how many records it has written before
    4 bytes   how many records these are
    4 bytes   the length of what follows
    JSON      {"facts": [...], "peers": [...], "names": [...], "places": [...]}
    doubles   the records, one after another

Facts are what many requests have in common, peers what those of one connection have, names those of spans, places what
the records name that have one in a trace already: a traceparent, and the id of the span above it or "". A record is of
`FIXED` numbers, and of `SPAN` for each span: the span's name, begin, end and result.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from mpserver.typing import Any, NamedTuple

HEAD = struct.Struct("=QQII")
#: The longest message; the kernel keeps about two of these for a reader that is behind.
LONGEST = 100_000
#: Facts, peer, place (-1: none yet), begin in seconds since the epoch, duration, status, bytes sent, number of spans.
FIXED, SPAN = 8, 4
#: So many spans are told of a request.
MOST_SPANS = 250
#: The size of a number.
NUMBER = 8
#: Makes a record of the usual request, which has one span.
USUAL = struct.Struct(f"={FIXED + SPAN}d")


class Header(NamedTuple):
    """What is told before the records."""

    writer: int
    before: int
    records: int


class Record(NamedTuple):
    """A request: what it has in common with others, whose it is, its place in a trace, and what ran for it."""

    facts: Any
    peer: Any
    place: tuple[str, str] | None
    begin: float
    end: float
    status: int
    sent: int
    #: Name, begin, end and result of each.
    spans: list[tuple[str, float, float, int]]


def header(data: bytes) -> Header:
    """The beginning of a message. :raises ValueError: it is none."""
    if len(data) < HEAD.size:
        raise ValueError("a message is too short")
    writer, before, count, _length = HEAD.unpack_from(data)
    return Header(writer, before, count)


def record(numbers: Iterable[float]) -> bytes:
    """A record of any request. :raises struct.error: a number is none, or too large."""
    its = tuple(numbers)
    return struct.pack(f"={len(its)}d", *its)


def pack(writer: int, before: int, told: dict[str, Any], records: list[bytes]) -> bytes:
    """A message.

    :param told: ``facts``, ``peers``, ``names`` and ``places``, by these names.
    """
    import json  # (interpreters that export nothing need none)

    text = json.dumps(told, separators=(",", ":")).encode()
    return b"".join((HEAD.pack(writer, before, len(records), len(text)), text, *records))


def unpack(data: bytes) -> list[Record]:
    """The records of a message.

    :raises ValueError: it is none (whoever writes runs applications: what it says need not be true).
    """
    import json

    _writer, _before, count, length = HEAD.unpack_from(data)
    try:
        told = json.loads(data[HEAD.size : HEAD.size + length])
        facts, peers, names, places = told["facts"], told["peers"], told["names"], told["places"]
        rest = data[HEAD.size + length :]
        numbers = struct.unpack(f"={len(rest) // NUMBER}d", rest)
        records, at = [], 0
        for _ in range(count):
            fact, peer, place, begin, duration, status, sent, spans = numbers[at : at + FIXED]
            at += FIXED
            its = []
            if spans > MOST_SPANS:
                raise ValueError(f"a record has more than {MOST_SPANS} spans")
            for _ in range(int(spans)):
                name, started, ended, result = numbers[at : at + SPAN]
                at += SPAN
                its.append((str(names[int(name)]), started, ended, int(result)))
            known = None if place < 0 else tuple(map(str, places[int(place)]))
            if known is not None and len(known) != 2:
                raise ValueError("a place has two parts")
            fixed = facts[int(fact)], peers[int(peer)], known
            records.append(Record(*fixed, begin, begin + duration, int(status), int(sent), its))
    except (KeyError, IndexError, TypeError, OverflowError, RecursionError, struct.error) as error:
        raise ValueError(f"a message is malformed: {error}") from error
    return records
