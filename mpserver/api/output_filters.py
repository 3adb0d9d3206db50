"""Filters of a request: the chain that its output runs through, and what is built upon it.

A chain is a row of `OutputFilter` objects, each with its ``next``; the last is the `ResponseSink`, which makes
the response. What the handler writes comes to the first one as parts (bytes, and files that nobody has
read yet) with a mark: MORE to come, FLUSH what there is, EOS at the end. A filter passes on whatever it
likes, when it likes, and EOS once.

A filter of the server's own is made like this (``modules/include.py`` might have it)::

    class Shout(BytesFilter):
        def begin(self) -> bool:
            return self.req.mp_content_type == "text/plain"    # False: step aside for this response

        def feed(self, data: bytes) -> None:
            self.emit(data.upper())

        def end(self) -> None:                                 # before EOS goes on
            self.emit(b"!")

It gets its name in the hooks of its module (`output_filters` in `mpserver.modules.hooks`). Headers and status may be
changed until the first byte went on; Content-Length is the ResponseSink's business. Memory stays bounded if a filter
keeps what it must only: a file comes in pieces of at most `SLICE` bytes.

A request has a chain only if its plan or its handler asked for a filter: then `install` gives it one, and what
is written comes here. For all others that is None.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from mpserver.api.parts import SLICE, FilePart, Part, close_files, pieces, size_of
from mpserver.api.request import Request
from mpserver.api.response_head import BODILESS
from mpserver.http1 import conditions, ranges

#: What follows the parts: more at some time; nothing for now, so that they should be sent; nothing at all.
MORE, FLUSH, EOS = range(3)


class OutputFilter:
    """One filter in a chain; this one passes everything on."""

    #: Whether it may run in an interpreter only (it calls an application's code).
    needs_python = False

    def __init__(self, req: Request) -> None:
        self.req = req
        #: The next one; `Chain` sets it.
        self.next: OutputFilter

    def take(self, parts: list[Part], mark: int) -> None:
        """What comes from above: parts, which are this filter's now, and MORE, FLUSH or EOS."""
        self.next.take(parts, mark)

    def move(self, req: Request) -> None:
        """Be a filter of another request, before anything has come."""
        self.req = req

    def drop(self) -> None:
        """The response is given up: close what is kept."""


class BytesFilter(OutputFilter):
    """A filter that works on bytes: override `begin`, `feed` and `end`, and call `emit`."""

    def __init__(self, req: Request) -> None:
        super().__init__(req)
        self._active: bool | None = None
        self._out: list[Part] = []
        self._size = 0

    def begin(self) -> bool:
        """Before the first bytes: change headers here. :returns: False to pass this response on as it is."""
        return True

    def feed(self, data: bytes) -> None:
        """Some bytes of the response, never empty."""
        self.emit(data)

    def flushing(self) -> None:
        """The handler flushed: emit what need not be kept."""

    def end(self) -> None:
        """The response is complete: emit the rest."""

    def emit(self, data: bytes) -> None:
        """Pass bytes on."""
        if data:
            self._out.append(data)
            self._size += len(data)
            if self._size > SLICE:
                self._pass(MORE)

    def take(self, parts: list[Part], mark: int) -> None:
        """See `OutputFilter.take`."""
        if self._active is None:
            self._active = self.begin()
        if not self._active:
            self.next.take(parts, mark)
            return
        for data in pieces(parts):
            if data:
                self.feed(data)
        if mark == EOS:
            self.end()
        elif mark == FLUSH:
            self.flushing()
        self._pass(mark)

    def _pass(self, mark: int) -> None:
        parts, self._out, self._size = self._out, [], 0
        self.next.take(parts, mark)


#: Makes a filter for a request.
OutputFactory = Callable[[Request], OutputFilter]
#: Makes the server's own page for a status.
ErrorPage = Callable[[Request, int], bytes]


class ResponseSink(OutputFilter):
    """The end of a chain: what comes here is the body of the response.

    A body that is complete before anything was flushed, and not longer than `SLICE`, gets its length and
    may be asked for in ranges; another one has neither, as what the handler or the file said of them was
    about the body before the filters.
    """

    def __init__(self, req: Request, page: ErrorPage) -> None:
        super().__init__(req)
        self._page = page
        self._parts: list[Part] = []
        self._size = 0
        #: Whether the end was sent, and nothing more can be.
        self.ended = False

    def take(self, parts: list[Part], mark: int) -> None:
        """See `OutputFilter.take`."""
        if self.ended:
            close_files(parts)
            return
        self._parts += parts
        self._size += sum(map(size_of, parts))
        if mark == MORE and self._size <= SLICE:
            return
        req = self.req
        self.ended = mark == EOS
        first = not req.mp_started
        parts, size = self._parts, self._size
        self._parts, self._size = [], 0
        if first:
            if self.ended:
                parts, size = self._complete(parts, size)
            elif req.mp_headers_out:
                del req.mp_headers_out["Content-Length"]
        self._send(parts, size, first)

    def _send(self, parts: list[Part], size: int, first: bool) -> None:
        """Have the request frame and send this; what the handler wrote since is kept aside meanwhile."""
        req, chain = self.req, self.req.mp_chain
        kept = req.mp_parts, req.mp_waiting
        req.mp_parts, req.mp_waiting = parts, size
        req.mp_has_file = any(isinstance(part, FilePart) for part in parts)
        if chain is not None:  # (None once the client is gone: a filter may go on all the same)
            chain.sending = True
        try:
            if self.ended:
                req.mp_finish()
            elif parts or first:
                req.mp_flush()
        finally:
            if chain is not None:
                chain.sending = False
            req.mp_parts, req.mp_waiting = kept

    def _complete(self, parts: list[Part], size: int) -> tuple[list[Part], int]:
        """A whole response, none of which was sent: its length, and the ranges that were asked for."""
        req = self.req
        if req.mp_header_only:
            if size:
                req.headers_out["Content-Length"] = str(size)
            return parts, size
        if req.mp_headers_out:
            del req.mp_headers_out["Content-Length"]
        if req.mp_status in BODILESS:
            return parts, size
        wanted = req.headers_in.get("Range")
        if wanted is None or req.mp_status != 200 or req.mp_method != "GET" or not 0 < size <= SLICE:
            return parts, size
        headers = req.mp_headers_out
        etag = headers.get("ETag") if headers else None
        if not conditions.range_applies(req.headers_in.get, etag or "", req.mp_mtime, req.mp_request_time):
            return parts, size
        chosen = ranges.parse(wanted, size, req.mp_plan.range_limits)
        if chosen is ranges.UNSATISFIABLE:
            close_files(parts)
            req.err_headers_out["Content-Range"] = ranges.unsatisfied_range(size)
            page = self.error(416)
            return [page], len(page)
        if not isinstance(chosen, list):
            return parts, size
        body = b"".join(pieces(parts))
        req.mp_status = 206
        if len(chosen) == 1:
            start, end = chosen[0]
            req.headers_out["Content-Range"] = ranges.content_range(chosen[0], size)
            return [body[start : end + 1]], end - start + 1
        frame = ranges.multipart(chosen, size, req.mp_content_type, os.urandom(12).hex())
        req.mp_content_type = frame.content_type
        parts = []
        for head, (start, end) in zip(frame.heads, chosen, strict=True):
            parts += [head, body[start : end + 1]]
        return [*parts, frame.end], frame.length

    def error(self, status: int) -> bytes:
        """The page for an error, whose status the response gets."""
        req = self.req
        req.mp_headers_out = req.mp_status_line = req.mp_content_encoding = None
        req.mp_content_languages = ()
        req.mp_status = req.mp_original_status = status
        req.mp_content_type = "text/html; charset=iso-8859-1"
        return self._page(req, status)

    def fail(self, status: int) -> None:
        """A filter failed: answer with an error, or end the connection where the response has begun."""
        if self.ended:
            return
        self.drop()
        if self.req.mp_started:
            self.ended = True
            self.req.mp_aborted()
        else:
            self.take([self.error(status)], EOS)

    def drop(self) -> None:
        """See `OutputFilter.drop`."""
        close_files(self._parts)
        self._size = 0


class Chain:
    """The filters of a request's output, in their order, and the sink."""

    __slots__ = ("filters", "running", "sending", "sink")

    def __init__(self, req: Request, page: ErrorPage) -> None:
        self.filters: list[OutputFilter] = []
        self.sink = ResponseSink(req, page)
        #: While they run: what they write by ``req.write`` must not come to them again.
        self.running = False
        #: The sink has the request send what came through them.
        self.sending = False

    def add(self, added: OutputFilter) -> None:
        """Put a filter after the others."""
        if self.filters:
            self.filters[-1].next = added
        added.next = self.sink
        self.filters.append(added)

    def take(self, parts: list[Part], mark: int) -> None:
        """Send something through all of them."""
        self.running = True
        try:
            (self.filters[0] if self.filters else self.sink).take(parts, mark)
        except BaseException:
            close_files(parts)
            raise
        finally:
            self.running = False

    def flush(self) -> None:
        """Send all that the request wrote, as far as the filters let it. :raises IOError: the client is gone."""
        if self.running:
            return  # (from a filter: it goes along with what comes next)
        req = self.sink.req
        if req.mp_finished or self.sink.ended:
            close_files(req.mp_parts)
            req.mp_waiting = 0
            return
        parts, req.mp_parts, req.mp_waiting = req.mp_parts, [], 0
        self.take(parts, FLUSH)

    def finish(self) -> None:
        """The response is complete: send what is left of it, and of what the filters keep."""
        req = self.sink.req
        if req.mp_finished:
            close_files(req.mp_parts)
            return
        parts, req.mp_parts, req.mp_waiting = req.mp_parts, [], 0
        self.take(parts, EOS)
        if not self.sink.ended:
            self.sink.take([], EOS)
        close_files(req.mp_parts)  # (what a filter wrote by ``req.write`` after all was said)
        req.mp_waiting = 0
        if self.sink.req.mp_finished:  # (by now)
            req.mp_chain = None  # (filters know the request: all that it has would wait for the garbage collector)

    def move(self, req: Request) -> None:
        """Be the filters of another request, behind those that it has: it goes on with what its look-up found."""
        for one in (*self.filters, self.sink):
            one.move(req)
        chain = chain_of(req)
        if chain is None:
            req.mp_chain = self
            return
        for one in self.filters:
            chain.add(one)

    def drop(self) -> None:
        """The response is given up."""
        for one in (*self.filters, self.sink):
            one.drop()


def chain_of(req: Request) -> Chain | None:
    """The filters of a request's output; None where it has none."""
    chain = req.mp_chain
    assert chain is None or isinstance(chain, Chain)
    return chain


def install(req: Request, page: ErrorPage) -> Chain:
    """The chain of a request, made if it has none; ``page`` makes pages for errors."""
    chain = chain_of(req)
    if chain is None:
        chain = req.mp_chain = Chain(req, page)
    return chain


def bypass(req: Request) -> None:
    """What follows in the response comes from the server, and not to the filters."""
    chain = chain_of(req)
    if chain is not None:
        chain.filters.clear()
