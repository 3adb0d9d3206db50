"""Collects the records of an interpreter's requests, until they are sent to the process that exports them.

What a request costs here is a few additions to lists; the rest is done for many requests at once, and by that process.
"""

from __future__ import annotations

import os
import time
from _thread import allocate_lock

from mpserver.api.constants import DECLINED
from mpserver.errors import Moves
from mpserver.ipc import span_records
from mpserver.ipc.span_records import SPAN
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.modules.hooks import Step

#: A message has so many records, and facts, at most; and so many numbers and signs of facts and names, beside those of
#: its last record: so its reader has room for it (twice `span_records.LONGEST`).
MOST, MOST_FACTS, MOST_NUMBERS, MOST_SIGNS = 256, 32, 4000, 8000
#: So many spans are told of a request.
MOST_SPANS = 250
#: So much is told of a path or a query, and of a header.
LONGEST_PATH, LONGEST_HEADER = 1000, 250


class Records:
    """The records that wait, as a `mpserver.modules.open_logs.TransactionLog` whose lines they are together.

    A `mpserver.system.log_lines.Batch`.
    """

    __slots__ = (
        "_agent", "_before", "_count", "_facts", "_head", "_keys", "_link", "_lock", "_names", "_number", "_numbers",
        "_places", "_plan", "_service", "_signs", "_sure", "_writer", "full", "waits",
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
        self._count = self._signs = 0
        #: Numbers of facts by what they are worked out of, which they have to keep alive: so ids stay theirs.
        self._keys: dict[Any, int] = {}
        self._facts: list[Any] = []
        #: The last key and its number.
        self._head: Any = None
        self._link: Any = None
        self._plan: Any = None
        self._agent: Any = None
        self._number = 0
        self._names: dict[str, int] = {}
        self._places: list[Any] = []
        self._numbers: list[float] = []

    def wants(self, req: Any) -> bool:
        """See `TransactionLog`: those that are not sampled are left out as they come."""
        return True

    def line(self, req: Request) -> Records:
        """Take a request, which is over. :returns: itself, for who writes it."""
        place, head = req.mp_trace, req.mp_head
        if place is None and (not self._sure or head.get(self._sure) is not None):
            place = req.mp_traced()
        if place is not None and place[0][-1] == "0":
            return self
        last = req if req.mp_next is None else req.mp_last
        spans = req.mp_spans if last is req else _all_spans(req)
        link, plan, agent = req.mp_link, req.mp_plan, req.mp_agent
        with self._lock:
            # (the usual request is like the one before)
            if head is self._head and link is self._link and plan is self._plan and agent is self._agent:
                number = self._number
            else:
                number = self._fact(req)
            known = -1
            if place is not None:
                known = len(self._places)
                self._places.append(place)
            if spans is not None and len(spans) == SPAN:  # (as has the usual one: its content)
                name, began, end, result = spans
                names = self._names
                if (numbered := names.get(name)) is None:
                    numbered = self._name(name)
                self._numbers += (
                    number, known, req.mp_request_time, req.mp_duration, last.mp_status, last.mp_sent, 1,
                    numbered, began, end, result,
                )  # fmt: skip
            else:
                spans = (spans or ())[: MOST_SPANS * SPAN]
                self._numbers += (
                    number, known, req.mp_request_time, req.mp_duration, last.mp_status, last.mp_sent,
                    len(spans) // SPAN,
                )  # fmt: skip
                self._add_spans(spans)
            self._count += 1
            if self._count == MOST or len(self._numbers) > MOST_NUMBERS or self._signs > MOST_SIGNS:
                self._close()
        return self

    def _fact(self, req: Request) -> int:
        """The number of what a request has in common with others; the lock is held."""
        key = self._head, self._link, self._plan, self._agent = (
            req.mp_head, req.mp_link, req.mp_plan, req.mp_agent
        )  # fmt: skip
        number = self._keys.get(key)
        if number is None:
            if len(self._facts) == MOST_FACTS:
                self._close()
                self._head, self._link, self._plan, self._agent = key
            number = self._keys[key] = len(self._facts)
            told = self._told(req)
            self._facts.append(told)
            self._signs += sum(len(its) for its in told if type(its) is str)
        self._number = number
        return number

    def _add_spans(self, spans: tuple[Any, ...]) -> None:
        names = self._names
        for at in range(0, len(spans), SPAN):
            numbered = names.get(spans[at])
            self._numbers.append(self._name(spans[at]) if numbered is None else numbered)
            self._numbers += spans[at + 1 : at + SPAN]

    def _name(self, name: str) -> int:
        """The number of a name that is new."""
        number = self._names[name] = len(self._names)
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
        if not self._count:
            return
        if not self._writer:  # (not before: what was made in a process that others are forked from is no one's)
            self._writer = int.from_bytes(os.urandom(8))
        self.full.append(
            span_records.pack(
                self._writer,
                self._before,
                self._count,
                self._facts,
                [name[:LONGEST_HEADER] for name in self._names],
                self._places,
                self._numbers,
            )
        )
        self._before += self._count
        self._clear()

    def _told(self, req: Request) -> list[Any]:
        """What a request has in common with others: see `mpserver.telemetry.spans`."""
        head, plan = req.mp_head, req.mp_plan
        agent = head.get("user-agent")
        client = req.mp_link.connection().mp_client_addr
        return [
            self._service,
            head.method[:LONGEST_HEADER],
            head.path[:LONGEST_PATH],
            None if head.query is None else head.query[:LONGEST_PATH],
            head.minor,
            (head.host or "")[:LONGEST_HEADER],
            "https" if req.mp_is_https() else "http",
            client[0],
            client[1],
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
