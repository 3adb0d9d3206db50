"""The usual way of a request through the proxy: asked by GET on a connection that is kept, and answered in one piece.

All that is the same for the requests of a plan is worked out once (`Road`), and so is what clients and servers say
again and again: blocks of header fields, and heads of answers. What is anything but usual goes by
`mpserver.modules.proxy.handler` and `mpserver.modules.proxy.exchange`, from the point where that shows.
"""

from __future__ import annotations

import select

from mpserver.api import constants
from mpserver.api.response_head import BODILESS, CLOSING, OWN
from mpserver.http1.body import LengthBody
from mpserver.http1.response import field_lines, status_line
from mpserver.modules.hooks import PROXY_PREFIX
from mpserver.modules.proxy import (
    ERROR_OVERRIDE,
    IGNORE_BAD_HEADERS,
    MAX_FORWARDS,
    PASSED,
    TIMEOUT,
    VIA,
    WORKERS,
    Parameter,
    answers,
    questions,
)
from mpserver.modules.proxy.answers import HOP_BY_HOP, PLACES, Broken
from mpserver.modules.proxy.backends import PIECE, Refused, Upstream
from mpserver.modules.proxy.targets import Target, parse, split_url
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from mpserver.api.request import Request
    from mpserver.http1.blocks import Block

#: So many blocks of fields, and so many heads of answers, are remembered for a plan; longer ones are not, in bytes.
BLOCKS, HEADS = 128, 64
LONGEST = 2048
#: Parameters of servers with which a request is none of the usual.
UNUSUAL = ("disablereuse", "enablereuse", "upgrade", "flushpackets", "max")
#: What `asked` returns where the connection was gone already: the request is to be asked anew.
ANEW = -1


class Plain(NamedTuple):
    """The head of an answer that needs no translation, and whose body has a length, as the client is told it."""

    status: int
    phrase: str
    #: The status line; the Date and Server lines, empty where there is none; other lines, without the type's.
    start: bytes
    date: bytes
    server: bytes
    fields: bytes
    #: How many fields these are.
    lines: int
    content_type: str | None
    #: The line of the type, and the empty line.
    end: bytes
    length: int
    is_kept: bool


class Road:
    """What is the same for the requests of one plan that go to one server by ``http://``."""

    __slots__ = (
        "_answers", "_blocks", "_ignores_bad", "_noquery", "_overrides", "_start", "key", "known_as", "longest",
        "target", "timeout", "ttl",
    )  # fmt: skip

    def __init__(self, req: Request, start: str, target: Target, parameters: Mapping[str, Parameter]) -> None:
        """``req`` is the first of them. ``start``: what their file names begin with, up to the path of the server."""
        conf, server = req.mp_plan.conf, req.mp_host.server.conf
        self._start, self.target = start, target
        self._noquery: bool = conf[PASSED].noquery
        self._overrides: bool = conf[ERROR_OVERRIDE].on
        self._ignores_bad: bool = server[IGNORE_BAD_HEADERS]
        self.longest = int(parameters.get("responsefieldsize", answers.LONGEST_LINE))
        #: What is remembered of the server by this name, and what its connections are found by.
        self.known_as = f"{target.socket}|{target.base}"
        self.key = f"{self.known_as}|"
        self.timeout = float(parameters.get("timeout", server[TIMEOUT] or req.mp_host.timeout))
        self.ttl = float(parameters.get("ttl", 0))
        #: What follows the request line, by the client's block of fields, its host and address, and the server; None:
        #: such a request is not usual.
        self._blocks: dict[tuple[Block, str | None, str, Any], bytes | None] = {}
        #: What answers are, by their heads; None: not plain.
        self._answers: dict[bytes, Plain | None] = {}

    # ---- the question

    def question(self, req: Request) -> bytes | None:
        """All that the server is asked; None: not in the usual way."""
        filename = req.mp_filename
        if (
            req.mp_method != "GET" or req.mp_input is not None or req.mp_table_in is not None or req.mp_main is not None
            or req.mp_prev is not None or filename is None or not filename.startswith(self._start)
            or req.mp_head.target[:1] != "/"  # (the host is in the target, and not that of the fields)
            or (req.mp_env and questions.ways_of(req) is not questions.USUAL)
        ):  # fmt: skip
            return None
        rest = filename[len(self._start) :]
        query = req.mp_args
        if query and not self._noquery:
            rest = f"{rest}{'&' if '?' in rest else '?'}{query}"
        if rest[:1] != "/" or not rest.isascii() or not rest.isprintable() or " " in rest:
            return None
        head = req.mp_head
        key = (head.like, head.host, (req.mp_agent or req.mp_link.client)[0], req.mp_host)
        try:
            fields = self._blocks[key]
        except KeyError:
            fields = self._fields(req, key)
        return None if fields is None else f"GET {rest} HTTP/1.1\r\n".encode() + fields

    def _fields(self, req: Request, key: tuple[Block, str | None, str, Any]) -> bytes | None:
        head = req.mp_head
        if (
            req.mp_host.trace is not None or head.length or head.get("max-forwards") is not None
            or head.get("proxy-authorization") is not None  # (where it goes depends on more than fields)
        ):  # fmt: skip
            fields = None
        else:
            length = questions.body_length(req)
            whole = questions.head(req, self.target, length, "", questions.forwarded_fields(req))
            req.mp_table_in = None  # (it is as it came)
            fields = whole.partition(b"\r\n")[2]
        if len(head.raw) <= LONGEST:
            if len(self._blocks) >= BLOCKS:
                self._blocks.clear()
            self._blocks[key] = fields
        return fields

    # ---- the answer

    def answer(self, req: Request, data: bytes) -> Plain | None:
        """Make the response of what has come. :returns: None, nothing is done: it is no whole, plain answer."""
        end = data.find(b"\r\n\r\n")
        head = data[: max(end, 0)]
        try:
            plain = self._answers[head]
        except KeyError:
            plain = self._read(head)
        link = req.mp_link
        if (
            plain is None or len(data) - end - 4 != plain.length or req.mp_head_depends or req.mp_headers_out
            or req.mp_err_headers_out or req.mp_env or req.mp_no_cache or req.mp_assbackwards
            or req.mp_chain is not None or not req.mp_head.minor or req.mp_head.has_connection
        ):  # fmt: skip
            return None
        date, server = plain.date, plain.server
        if not (date and server):
            own_date, own_server, _ = req.mp_clock.lines(req.mp_request_time).split(b"\r\n")
            date, server = date or own_date + b"\r\n", server or own_server + b"\r\n"
        closes = b"" if link.keep_alive else b"Connection: close\r\n"
        told = b"".join((plain.start, date, server, plain.fields, closes, plain.end))
        room = req.mp_host.head_room
        if plain.lines > room.fields or len(told) > room.size:
            return None
        req.mp_status, req.mp_status_line = plain.status, plain.phrase
        req.mp_content_type, req.mp_content_encoding, req.mp_content_languages = plain.content_type, None, ()
        req.mp_finish_made(told, data[end + 4 :])
        return plain

    def _read(self, head: bytes) -> Plain | None:
        try:
            plain = self._plain(head)
        except Broken:
            plain = None  # (it is read again, and refused)
        if len(head) <= LONGEST:
            if len(self._answers) >= HEADS:
                self._answers.clear()
            self._answers[head] = plain
        return plain

    def _plain(self, head: bytes) -> Plain | None:
        if answers.END.search(head + b"\r\n") is not None or not head:
            return None
        answer = answers.read(head, self._ignores_bad, self.longest)
        status = answer.status
        if status < 200 or status in BODILESS or status in CLOSING or (self._overrides and status >= 400):
            return None
        body = answer.body(False)
        left, names = HOP_BY_HOP.union(answer.words("connection")), {name.lower() for name, _ in answer.fields}
        if not isinstance(body, LengthBody) or names & PLACES or "set-cookie" in names or "content-length" in left:
            return None
        told = {"date": "", "server": "", "content-type": ""}
        others = []
        for name, value in answer.fields:
            key = name.lower()
            if key in told:
                told[key] = value
            elif key not in left and key not in OWN:
                others.append((name, value))
        if sum(name.lower() == "content-length" for name, _ in others) != 1:
            return None
        named = [("Date", told["date"]), ("Server", told["server"]), ("Content-Type", told["content-type"])]
        date, server, content_type = (field_lines([pair]) if pair[1] else b"" for pair in named)
        return Plain(
            status, f"{status} {answer.phrase}", status_line(1, status, answer.phrase), date, server,
            field_lines(others), len(others) + bool(date) + bool(server), told["content-type"] or None,
            content_type + b"\r\n", body.missing, answer.is_kept,
        )  # fmt: skip


def road_of(req: Request) -> Road | None:
    """The road of a request's plan; None: its requests have none."""
    conf, server = req.mp_plan.conf, req.mp_host.server.conf
    by = conf[PASSED]
    if by is None or by.pattern is not None or by.nocanon or server[VIA] in ("on", "full") or server[MAX_FORWARDS] >= 0:
        return None
    target = parse(by.target)
    if target is None or target.scheme != "http":
        return None
    workers = server[WORKERS]
    if any(key.startswith(by.target) and key != by.target for key in workers):
        return None  # (what is said of the server depends on the path)
    found = [key for key in workers if by.target.startswith(key)]
    parameters: Mapping[str, Parameter] = workers[max(found, key=len)] if found else {}
    if any(name in parameters for name in UNUSUAL):
        return None
    return Road(req, PROXY_PREFIX + split_url(by.target)[0], target, parameters)


def asked(req: Request, road: Road, question: bytes, upstream: Upstream) -> Generator[Any, int, bytes | int]:
    """Ask a server on a connection that was used before, as a part of a task.

    :returns: OK, where the answer was all that is usual; `ANEW`; or what has come of the answer, for an exchange.
    :raises Refused: it does not answer in time.
    """
    wire = upstream.wire
    try:
        sent = wire.send(question)
    except OSError:
        sent = 0
    if sent < len(question):
        upstream.close()
        return ANEW
    upstream.events, upstream.seconds = select.POLLIN, road.timeout
    data = None
    while data is None:
        event = yield upstream
        if not event:
            raise Refused(504, f"timeout: {road.target.name} said nothing for {road.timeout:g} s")
        try:
            data = wire.recv(PIECE)
        except BlockingIOError:
            pass
        except OSError:
            data = b""
    if not data:
        upstream.close()
        return ANEW
    plain = road.answer(req, data)
    if plain is None:
        return data
    if plain.is_kept:
        upstream.keep()
    else:
        upstream.close()
    return constants.OK
