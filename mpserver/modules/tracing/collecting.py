"""Collects the records of an interpreter's requests, until they are sent to the process that exports them.

What a request costs here is a few additions to lists; the rest is done for many requests at once, and by that process.
"""

from __future__ import annotations

import os
import struct
import time
from _thread import allocate_lock

from mpserver.api.constants import DECLINED
from mpserver.errors import Moves
from mpserver.ipc import span_records
from mpserver.ipc.span_records import MOST_SPANS, SPAN, USUAL
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.modules.hooks import Step

#: A message has so many records, and facts, at most; and so many bytes of records, and signs of facts, peers and names,
#: beside those of its last record: so its reader has room for it (twice `span_records.LONGEST`).
MOST, MOST_FACTS, MOST_BYTES, MOST_SIGNS = 256, 32, 32_000, 8000
#: So much is told of a path or a query, and of a header; and a peer has at most about so many signs.
LONGEST_PATH, LONGEST_HEADER, PEER = 1000, 250, 60
#: The usual request has no place yet, and one span.
_NO_PLACE, _ONE = -1.0, 1.0
_usual = USUAL.pack


class Records:
    """The records that wait, as a `mpserver.modules.open_logs.TransactionLog` whose lines they are together.

    A `mpserver.system.log_lines.Batch`.
    """

    __slots__ = (
        "_agent", "_before", "_facts", "_head", "_host", "_keys", "_lock", "_name", "_named", "_names",
        "_number", "_peers", "_places", "_plan", "_records", "_service", "_signs", "_size", "_sure",
        "_told_of", "_writer", "full", "waits",
    )  # fmt: skip

    is_conditional = False

    def __init__(self, service: str, *, sure: bool, believes: bool) -> None:
        """:param service: the name of the service.

        :param sure: all traces that begin here are sampled.
        :param believes: traces that clients tell go on here.
        """
        self._service = service
        #: The header that a trace goes on by, where without it nothing is to be asked for; "" where it always is.
        self._sure = ("traceparent" if believes else "-") if sure else ""
        self._lock = allocate_lock()
        self._writer = self._before = 0
        self.full: list[bytes] = []
        self.waits = False
        self._clear()

    def _clear(self) -> None:
        self._signs = self._size = 0
        #: Numbers of facts and peers by what they are worked out of, which they have to keep alive: so ids stay theirs.
        self._keys: dict[Any, float] = {}
        self._peers: dict[Any, float] = {}
        self._facts: list[Any] = []
        self._told_of: list[Any] = []
        #: What the usual request has in common with the one before it: so much of that one, and its numbers. The head
        #: is one that tells of no trace; None: each has to be asked for its place.
        self._head: Any = None
        self._host: Any = None
        self._plan: Any = None
        self._agent: Any = None
        self._number = self._named = 0.0
        self._name: str | None = None
        self._names: dict[str, float] = {}
        self._places: list[Any] = []
        self._records: list[bytes] = []

    def wants(self, req: Any) -> bool:
        """See `TransactionLog`: those that are not sampled are left out as they come."""
        return True

    def line(self, req: Request) -> Records | None:
        """Take a request, which is over. :returns: itself, for who writes it; None: it waits with others already."""
        with self._lock:
            try:
                # (the usual request is like the one before, mostly of another client)
                if (
                    req.mp_head is self._head and req.mp_plan is self._plan and req.mp_host is self._host
                    and req.mp_trace is None and req.mp_next is None and req.mp_agent is self._agent
                ):  # fmt: skip
                    spans, peer = req.mp_spans, self._peers.get(req.mp_link)
                    if peer is not None and spans is not None and spans[0] is self._name and len(spans) == SPAN:
                        _name, began, ended, result = spans
                        self._records.append(
                            _usual(
                                self._number, peer, _NO_PLACE, req.mp_request_time, req.mp_duration,
                                req.mp_status, req.mp_sent, _ONE, self._named, began, ended, result,
                            )
                        )  # fmt: skip
                        if len(self._records) < MOST:
                            return None
                        self._close()
                        return self
                return self._other(req)
            except struct.error:  # (what a handler has returned is no number that can be told)
                return self

    def _other(self, req: Request) -> Records:
        """Take one that is unlike the one before it; the lock is held."""
        place, head = req.mp_trace, req.mp_head
        bare = bool(self._sure) and head.get(self._sure) is None
        if place is None and not bare:
            place = req.mp_traced()
        if place is not None and place[0][-1] == "0":
            return self
        last = req if req.mp_next is None else req.mp_last
        spans = (req.mp_spans if last is req else _all_spans(req)) or ()
        spans = spans[: MOST_SPANS * SPAN]
        number, peer = self._fact(req), self._peer_of(req.mp_link)
        known = _NO_PLACE
        if place is not None:
            known = float(len(self._places))
            self._places.append(place)
        numbers = [
            number, peer, known, req.mp_request_time, req.mp_duration, last.mp_status, last.mp_sent, len(spans) // SPAN
        ]  # fmt: skip
        for at in range(0, len(spans), SPAN):
            numbers.append(self._name_of(spans[at]))
            numbers += spans[at + 1 : at + SPAN]
        made = span_records.record(numbers)
        self._records.append(made)
        self._size += len(made)
        if len(self._records) >= MOST or self._size > MOST_BYTES or self._signs > MOST_SIGNS:
            self._close()
        elif bare and len(spans) == SPAN:
            self._head, self._host, self._plan, self._agent = head, req.mp_host, req.mp_plan, req.mp_agent
            self._number = number
            self._name, self._named = spans[0], self._names[spans[0]]
        return self

    def _fact(self, req: Request) -> float:
        """The number of what a request has in common with others; the lock is held."""
        key = req.mp_head, req.mp_host, req.mp_plan, req.mp_agent
        number = self._keys.get(key)
        if number is None:
            if len(self._facts) == MOST_FACTS:
                self._close()
            number = self._keys[key] = float(len(self._facts))
            told = self._told(req)
            self._facts.append(told)
            self._signs += sum(len(its) for its in told if type(its) is str)
        return number

    def _peer_of(self, link: Any) -> float:
        """The number of who is at the other end of a connection."""
        number = self._peers.get(link)
        if number is None:
            number = self._peers[link] = float(len(self._told_of))
            self._told_of.append(["http" if link.tls is None else "https", *link.client[:2]])
            self._signs += PEER
        return number

    def _name_of(self, name: str) -> float:
        """The number of a name."""
        number = self._names.get(name)
        if number is None:
            number = self._names[name] = float(len(self._names))
            self._signs += min(len(name), LONGEST_HEADER)
        return number

    def taken(self) -> list[bytes]:
        """The messages of all that waits, which waits no more."""
        with self._lock:
            self._close()
            full, self.full = self.full, []
        return full

    def _close(self) -> None:
        """Make a message of what there is; the lock is held."""
        if not self._records:
            return
        if not self._writer:  # (not before: what was made in a process that others are forked from is no one's)
            self._writer = int.from_bytes(os.urandom(8))
        told = {
            "facts": self._facts,
            "peers": self._told_of,
            "names": [name[:LONGEST_HEADER] for name in self._names],
            "places": self._places,
        }
        self.full.append(span_records.pack(self._writer, self._before, told, self._records))
        self._before += len(self._records)
        self._clear()

    def _told(self, req: Request) -> list[Any]:
        """What a request has in common with others: see `mpserver.telemetry.spans`."""
        head, plan = req.mp_head, req.mp_plan
        agent = head.get("user-agent")
        return [
            self._service,
            head.method[:LONGEST_HEADER],
            head.path[:LONGEST_PATH],
            None if head.query is None else head.query[:LONGEST_PATH],
            head.minor,
            (head.host or "")[:LONGEST_HEADER],
            None if req.mp_agent is None else req.mp_agent[0],
            None if agent is None else agent[:LONGEST_HEADER],
            req.mp_host.name,
            plan.interpreter if plan.needs_python else None,
        ]


def _all_spans(req: Request) -> tuple[Any, ...]:
    """What ran for a request and those that it was redirected to."""
    found: tuple[Any, ...] = ()
    one: Request | None = req
    while one is not None:
        found += one.mp_spans or ()
        one = one.mp_next
    return found


def timed(name: str, step: Step, *, may_decline: bool = False) -> Step:
    """A step whose time and result are noted, by a name.

    :param may_decline: nothing ran where it declines.
    """
    now = time.time

    def run(req: Request) -> int:
        began = now()
        try:
            result = step(req)
        except Moves:  # (it runs elsewhere)
            raise
        except BaseException:
            _note(req, (name, began, now(), 500))
            raise
        if req.mp_spans is None and req.mp_main is None and not may_decline:
            req.mp_spans = (name, began, now(), result)
        elif not may_decline or result != DECLINED:
            _note(req, (name, began, now(), result))
        return result

    return run


def _note(req: Request, span: tuple[str, float, float, int]) -> None:
    main = _outermost(req)
    main.mp_spans = (*(main.mp_spans or ()), *span)


def _outermost(req: Request) -> Request:
    while req.mp_main is not None:
        req = req.mp_main
    return req
