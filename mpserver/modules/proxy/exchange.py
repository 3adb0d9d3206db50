"""One request and its answer: the data in both directions at a time, in bounded memory.

What another server says is sent on when it pauses. The subclasses of `Exchange` know how it is said: HTTP here,
FastCGI and uwsgi beside.
"""

from __future__ import annotations

import select
import time

from mpserver.api.tasks import LEFT, MAY_BLOCK
from mpserver.errors import ClientGone, RequestError
from mpserver.http1.body import Body
from mpserver.modules.proxy import ERROR_OVERRIDE, IGNORE_BAD_HEADERS, answers
from mpserver.modules.proxy.answers import Answer, Broken
from mpserver.modules.proxy.backends import PIECE, Refused, Upstream
from mpserver.modules.proxy.questions import IN_CHUNKS, body_of
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

    from mpserver.api.request import Request
    from mpserver.api.tasks import Task
    from mpserver.typing import NoReturn

#: What is waited for while something is on its way to the server.
WRITE_TOO = select.POLLIN | select.POLLOUT
#: So often a server is read from before the client's body is looked at again.
RUN = 16


class Stale(Exception):
    """A connection that was used before has ended before anything of an answer came.

    ``sent`` is all of the request, for another connection; None: a part of its body is gone.
    """

    def __init__(self, sent: bytes | None) -> None:
        super().__init__()
        self.sent = sent


class Exchange:
    """One request over one connection to another server."""

    def __init__(
        self, req: Request, upstream: Upstream, timeout: float, *, flushes: bool = False, reads: bool = True
    ) -> None:
        """``flushes``: whatever comes is sent on at once (flushpackets). ``reads``: it has a body that is not read."""
        self.req = req
        self.upstream = upstream
        self.timeout = timeout
        self._flushes = flushes
        #: Where more of the client's body comes from; None: there is no more.
        self._source = body_of(req) if reads else None
        #: Whether more of it was read than was there at once.
        self._more_sent = False
        #: What is on its way to the server.
        self._outgoing = memoryview(b"")
        #: How the request begins, as far as it was there at once.
        self._first = b""
        self._deadline = 0.0
        #: The status of a body of the client that is none.
        self._broken = 0
        #: The answer, once its head is there; whether all of it came.
        self.answer: Answer | None = None
        self.is_over = False
        #: Its body is thrown away: the server's own page takes its place.
        self.is_overridden = False
        #: Whether anything of it came.
        self.heard = False
        #: The longest line of its head; the protocol that the connection may have from then on, and what was said in it
        #: already; where the request goes on in this server.
        self.longest = answers.LONGEST_LINE
        self.upgrade = ""
        self.tunnelled: bytes | None = None
        self.local = ""

    # ---- what the subclasses know

    def framed(self, data: bytes) -> bytes:
        """A part of the client's body, as the server wants it; empty: the body is over."""
        raise NotImplementedError

    @property
    def is_kept(self) -> bool:
        """Whether the connection can have another request."""
        raise NotImplementedError

    def take(self, data: bytes) -> None:
        """What the server has said; empty: it has closed the connection.

        :raises Broken: that is no answer.
        """
        raise NotImplementedError

    # ---- the loop

    def run(self, first: bytes, came: bytes = b"") -> Task:
        """All of it, as a task that returns OK, or the status to answer with.

        :param first: what begins the request.
        :param came: what has come of the answer already, where all of the request was sent.
        :raises Stale: the connection was gone already; nothing of the body was read since.
        :raises Refused: the server does not answer, or not so that it could be understood.
        :raises ClientGone: the client left, or has to go without the end of the response.
        """
        try:
            if came:
                self.heard = True
                self.take(came)
                if not self.is_over:
                    self._pause()
            self._first = first + self._begin_body()
            self._outgoing = memoryview(self._first)
            yield from self._exchange()
        except OSError as error:
            if isinstance(error, ClientGone):
                raise
            self._lost(error.strerror or str(error))
        except Broken as error:
            self._fail(502, f"error reading the answer of {{}}: {error}")
        if self._broken:
            self.req.mp_cut = True
            return self._broken
        return self._end()

    def _begin_body(self) -> bytes:
        """What came of the body with its head."""
        source = self._source
        if source is None:
            return b""
        return self._more() if source.waiting or source.complete else b""

    def _exchange(self) -> Generator[Any, int, None]:
        if self._outgoing:
            self._send()  # (the system takes most requests at once: nobody has to be asked whether it would)
        upstream = self.upstream
        while not self.is_over:
            if self._needs_thread():
                upstream.unwatch()
                yield MAY_BLOCK
                self._exchange_both()
                return
            upstream.events = WRITE_TOO if self._outgoing else select.POLLIN
            upstream.seconds = self.timeout
            event = yield upstream
            if not event:
                self._be_late()
            if event & select.POLLOUT and self._outgoing:
                self._send()
            if event & ~select.POLLOUT:
                self._receive()

    def _needs_thread(self) -> bool:
        """Whether the client's body is to be read, or it is to be waited for the client."""
        return self._source is not None or self.req.mp_link.is_behind

    def _be_late(self) -> NoReturn:
        self._fail(504, f"timeout: {{}} said nothing for {self.timeout:g} s")

    def _exchange_both(self) -> None:
        """Whatever is left of it, in both directions at a time: the client may be slow, too."""
        self._deadline = time.monotonic() + self.timeout
        while not self.is_over:
            ready = self._wait()
            if self._broken:
                return
            if not ready:
                self._be_late()
            self._deadline = time.monotonic() + self.timeout
            event = ready.get(self.upstream.fd, 0)
            if event & select.POLLOUT and self._outgoing:
                self._send()
            if event & ~select.POLLOUT:
                self._receive()
            self._look_at_client(ready.get(self.req.mp_link.fd, 0))

    def _wait(self) -> dict[int, int]:
        """What is ready: descriptors, and their events; empty: nothing was, for too long."""
        source, link = self._source, self.req.mp_link
        wants = False
        if source is not None and not self._outgoing:
            source.invite()
            if source.waiting or source.complete:
                self._outgoing = memoryview(self._more())
                if self._broken:
                    return {}
            wants = self._source is not None and not self._outgoing
        poll = select.poll()
        poll.register(self.upstream.fd, select.POLLIN | (select.POLLOUT if self._outgoing else 0))
        poll.register(link.fd, select.POLLIN if wants else select.POLLRDHUP)
        return dict(poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000 + 1))

    def _send(self) -> None:
        try:
            self._outgoing = self._outgoing[self.upstream.wire.send(self._outgoing) :]
        except BlockingIOError:
            pass
        except OSError:
            # it does not want the body: what it has to say of that may be there
            self._source, self._outgoing = None, memoryview(b"")

    def _more(self) -> bytes:
        """Take what came of the body."""
        source = self._source
        assert source is not None
        try:
            data = source.some(PIECE)
        except ClientGone as error:
            if not isinstance(error.__cause__, RequestError):
                raise
            self._broken = error.__cause__.status
            return b""
        self.req.mp_read_length += len(data)
        self._more_sent = bool(self._first)
        framed = self.framed(data) if data else b""
        if not data or (source.complete and not source.waiting):
            self._source = None
            framed += self.framed(b"")
        return framed

    def _look_at_client(self, event: int) -> None:
        if event & select.POLLIN and self._source is not None and not self._outgoing:
            self._outgoing = memoryview(self._more())
        elif event and not self.is_over:
            raise ClientGone(LEFT)

    def _receive(self) -> None:
        for _ in range(RUN):
            try:
                data = self.upstream.wire.recv(PIECE)
            except BlockingIOError:
                self._pause()
                return
            self.heard = self.heard or bool(data)
            self.take(data)
            if self.is_over or not data or self.req.mp_link.is_behind:
                return

    def _pause(self) -> None:
        """Nothing more is there now: the client gets what came."""
        if self.answer is not None and not self.is_overridden:
            self.req.mp_flush()

    # ---- the answer

    def begin(self, answer: Answer) -> None:
        """The head is there."""
        self.answer = answer
        req = self.req
        override = req.mp_plan.conf[ERROR_OVERRIDE]
        status = answer.status
        if override.on and (status in override.statuses if override.statuses else status >= 400):
            self.is_overridden = True
            req.mp_status_line = f"{status} {answer.phrase}"
            if status == 401:
                for value in answer.all("www-authenticate"):
                    req.err_headers_out.add("WWW-Authenticate", value)
            return
        answers.tell(req, answer)
        if override.on and req.mp_document and status < 400:
            req.mp_status, req.mp_status_line = req.mp_document, None  # (the error's document does not hide the error)

    def write(self, data: bytes) -> None:
        """A part of the body."""
        if data and not self.is_overridden:
            self.req.mp_write(data, 0)
            if self._flushes:
                self.req.mp_flush()

    def _end(self) -> int:
        answer = self.answer
        assert answer is not None
        return answer.status if self.is_overridden else 0

    def _lost(self, why: str) -> None:
        """The connection is gone."""
        if not self.heard and self.upstream.is_reused:
            raise Stale(self._first if self._source is None and not self._more_sent else None)
        self._fail(502, f"error reading from remote server {{}}: {why}")

    def _fail(self, status: int, text: str) -> NoReturn:
        """The answer can't be had, or not its rest."""
        reason = text.format(self.name)
        if self.answer is None or self.is_overridden:
            raise Refused(status, reason)
        self.req.mp_flush()
        raise Cut(reason)

    name = ""


class Cut(Exception):
    """An answer that has begun has no end."""


class HttpExchange(Exchange):
    """The same with a server that speaks HTTP."""

    def __init__(
        self, req: Request, upstream: Upstream, timeout: float, length: int, *, flushes: bool = False,
        reads: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(req, upstream, timeout, flushes=flushes, reads=reads)
        self._in_chunks = length == IN_CHUNKS
        self._head: bytearray | None = bytearray()
        self._body: Body | None = None

    def framed(self, data: bytes) -> bytes:
        """See `Exchange.framed`."""
        if not self._in_chunks:
            return data
        return b"%x\r\n%b\r\n" % (len(data), data) if data else b"0\r\n\r\n"

    def take(self, data: bytes) -> None:
        """See `Exchange.take`."""
        if self._head is None:
            self._take_body(data)
            return
        if not data:
            raise ConnectionResetError(0, "it closed the connection before its answer")
        start = max(0, len(self._head) - 3)
        self._head += data
        while self._head is not None:
            end = answers.END.search(self._head, start)
            if end is None:
                if len(self._head) > answers.LONGEST_HEAD:
                    raise Broken("a head without an end")
                return
            head, rest = bytes(self._head[: end.start()]), bytes(self._head[end.end() :])
            answer = answers.read(head, self.req.mp_host.server.conf[IGNORE_BAD_HEADERS], self.longest)
            if answer.status < 200 and not (answer.status == 101 and self.upgrade):
                if answer.status == 101:
                    raise Broken("another protocol than HTTP, which nobody asked for")
                answers.tell_interim(self.req, answer)
                self._head, start = bytearray(rest), 0
                continue
            self._head = None
            if answer.status == 101:
                self.answer, self.tunnelled, self.is_over = answer, rest, True
                return
            self._body = answer.body(self.req.mp_method == "HEAD")
            self.begin(answer)
            if rest or self._body is not None:
                self._take_body(rest, begins=True)

    def _take_body(self, data: bytes, *, begins: bool = False) -> None:
        body = self._body
        if body is None:
            self.write(data)
            self.is_over = not data and not begins
            return
        if not data and not begins:
            raise ConnectionResetError(0, "it closed the connection within its answer")
        try:
            self.write(body.feed(data))
        except RequestError as error:
            raise Broken(error.reason) from error
        self.is_over = body.done

    @property
    def is_kept(self) -> bool:
        """Whether the connection can have another request."""
        answer, body = self.answer, self._body
        return (
            answer is not None and answer.is_kept and body is not None and body.done and not body.rest
            and self._source is None and not self._outgoing
        )  # fmt: skip
