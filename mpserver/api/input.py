"""Reading the request body: ``req.read``, ``readline``, ``readlines`` (manual 4.5.3)."""

from __future__ import annotations

from collections.abc import Sequence

from mpserver.api import constants
from mpserver.api.members import ReadOnly, readonly
from mpserver.builtin import index
from mpserver.errors import ClientGone, RequestError
from mpserver.http1.body import UNKNOWN, LengthBody, unpack
from mpserver.typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from mpserver.api.kept_body import KeptBody
    from mpserver.api.parts import Part
    from mpserver.http1.head import Head

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

#: An unread body is read and thrown away up to so many bytes; a longer one costs the connection.
DISCARD_LIMIT = 1 << 20


class Source(Protocol):
    """The connection that a body comes from."""

    #: Whether the connection may serve another request after this one.
    keep_alive: bool

    def receive(self) -> bytes:
        """Wait for bytes of the body. :raises ClientGone: none came within the timeout, or the client left."""

    def send(self, parts: list[Part]) -> None:
        """Send all now. :raises ClientGone: the client did not take it."""

    def unread(self, data: bytes) -> None:
        """Give back bytes that belong to the next request."""


class BodyDecoder(Protocol):
    """A body's framing (see ``mpserver.http1.body``)."""

    done: bool
    rest: bytes
    #: How many bytes are still to come; UNKNOWN where its framing does not tell that.
    missing: int
    #: The fields after a chunked body.
    trailers: tuple[tuple[str, str], ...]

    def feed(self, data: bytes) -> bytes:
        """Decode what came."""

    def pack(self) -> tuple[Any, ...]:
        """How far it is, as plain data."""


class Input:
    """The body of one request: bytes already decoded, and a decoder for those still to come."""

    __slots__ = (
        "_buffer",
        "_decoder",
        "_dropped",
        "_expects",
        "_kept",
        "_source",
        "_position",
        "broken",
        "count",
        "received",
    )

    def __init__(self, source: Source, decoder: BodyDecoder, head_start: bytes, expects_continue: bool) -> None:
        self._source = source
        self._decoder = decoder
        self._expects = expects_continue
        #: What was taken in before the handler runs; None: what comes is read by that.
        self._kept: KeptBody | None = None
        self._dropped = False
        self._buffer = b""
        self._position = 0
        #: The status to answer with when the body's framing failed or grew too long; 0 while it is sound.
        self.broken = 0
        #: Whether more of it came from the client than was there with the head.
        self.received = False
        #: Decoded bytes that came so far (``req.read_length`` counts what was read of them).
        self.count = 0
        self._take(head_start)

    def pack(self) -> tuple[Any, ...]:
        """What is known of it, for `unpack`: its decoder, what waits to be read, and the rest."""
        parts = [self._buffer[self._position :]]
        while self._kept is not None and self._kept.left:
            parts.append(self._kept.next())
        waiting = b"".join(parts)
        self._decoder.rest = b""  # (the connection has it already)
        return self._decoder.pack(), self._expects, waiting, self._dropped, self.broken, self.count

    @classmethod
    def unpack(cls, source: Source, packed: tuple[Any, ...]) -> Self:
        """The body of a request that has begun elsewhere, from what `pack` gave there."""
        decoder, expects, *rest = packed
        made = cls(source, unpack(decoder), b"", expects)
        made.go_on(*rest)
        return made

    def go_on(self, waiting: bytes, dropped: bool, broken: int, count: int) -> None:
        """Go on where another one was: with decoded bytes that wait to be read, and what is known of it."""
        self._buffer, self._dropped, self.broken, self.count = waiting, dropped, broken, count

    @property
    def complete(self) -> bool:
        """Whether all of the body has come."""
        return self._decoder.done

    @property
    def trailers(self) -> Sequence[tuple[str, str]]:
        """The fields after a chunked body that was read to its end (RFC 9112 7.1.2)."""
        return self._decoder.trailers

    @property
    def waiting(self) -> int:
        """Decoded bytes that were not read yet."""
        waiting = len(self._buffer) - self._position
        return waiting if self._kept is None else waiting + self._kept.left

    @property
    def missing(self) -> int:
        """How many bytes of it have not come; UNKNOWN, which is more than any limit, in chunks."""
        return 0 if self._decoder.done else self._decoder.missing

    @property
    def is_dropped(self) -> bool:
        """Whether nothing more can be read, though not all was."""
        return self._dropped

    def settle(self) -> bool:
        """The head of the answer is made: from here on the client is not asked for the body any more.

        :returns: whether another request can follow. Not if so much of the body is to come that it can't be thrown
            away, and not if the client waits to be asked: it may send the body or not (RFC 9110 10.1.1).
        """
        if self._decoder.done:
            return True
        asked, self._expects = not self._expects, False
        return asked and self.missing <= DISCARD_LIMIT

    def _take(self, data: bytes) -> None:
        decoded = self._decode(data)
        if decoded:
            self._buffer = self._buffer[self._position :] + decoded
            self._position = 0

    def _decode(self, data: bytes) -> bytes:
        try:
            decoded = self._decoder.feed(data)
        except RequestError as error:
            self.fail(error.status)
            raise
        self.count += len(decoded)
        if self._decoder.done and self._decoder.rest:
            self._source.unread(self._decoder.rest)
        return decoded

    # ---- taken in before its handler runs

    def keep(self, kept: KeptBody) -> None:
        """What has come, and what will, is taken in before the handler runs.

        :raises OSError: there is no room for it on the disk.
        """
        self._kept = kept
        kept.add(self._buffer[self._position :] if self._position else self._buffer)
        self._buffer, self._position = b"", 0

    def take_in(self, data: bytes) -> int:
        """Take in more of it. :returns: how many bytes are there.

        :raises RequestError: it is broken or too long.
        :raises OSError: there is no room for it on the disk.
        """
        kept = self._kept
        assert kept is not None
        kept.add(self._decode(data))
        return kept.size

    def take_all(self, kept: KeptBody, most: int) -> bool:
        """Take all of it in now, as it comes from the client, so that its length is known.

        :param most: of a longer one only the beginning is taken in.
        :returns: whether all of it is there.
        :raises RequestError: it is broken or too long.
        :raises ClientGone: the client left, or sent nothing for too long.
        :raises OSError: there is no room for it on the disk.
        """
        self.keep(kept)
        self.invite()
        while not self._decoder.done and kept.size <= most:
            self.take_in(self._receive())
        return self._decoder.done

    @property
    def is_plain(self) -> bool:
        """Whether all of it may be read by a handler: it is sound, and nobody has read or dropped any of it."""
        return not (self.broken or self.received or self._dropped) and self.waiting == self.count

    def framed(self) -> bytes:
        """All of a body that was taken in, as it might have come from the client."""
        assert self._kept is not None
        whole = self._kept.whole()
        if isinstance(self._decoder, LengthBody):
            return whole
        return b"%x\r\n%b\r\n0\r\n\r\n" % (len(whole), whole) if whole else b"0\r\n\r\n"

    @property
    def was_kept(self) -> bool:
        """Whether it was taken in before its handler ran."""
        return self._kept is not None

    def close(self) -> None:
        """The request is over."""
        if self._kept is not None:
            self._kept.close()

    def invite(self) -> None:
        """Ask for the body, where the client waits to be asked (RFC 9110 10.1.1)."""
        if self._expects:
            self._expects = False
            self._source.send([CONTINUE])

    def some(self, size: int) -> bytes:
        """What is there, at most ``size`` bytes; waits for the first of them. Empty at the end of the body."""
        while self._position == len(self._buffer) and self._more():
            pass
        return self.read(min(size, self.waiting))

    def fail(self, status: int) -> None:
        """The body can't be read on, so that nobody knows where the next request begins."""
        self.broken = status
        self._source.keep_alive = False

    def _receive(self) -> bytes:
        """Wait for what comes next from the client. :raises ClientGone: it left, or sent nothing for too long."""
        self.received = True
        try:
            return self._source.receive()
        except ClientGone:
            self.fail(400)
            raise

    def _more(self) -> bool:
        """Wait for more of the body; False at its end."""
        if self._dropped:
            return False
        kept = self._kept
        if kept is not None and kept.left:
            self._buffer = self._buffer[self._position :] + kept.next()
            self._position = 0
            return True
        if self._decoder.done:
            return False
        if self.broken:
            raise ClientGone("Client read error (the body is not well-formed)")
        self.invite()
        data = self._receive()
        try:
            self._take(data)
        except RequestError as error:
            raise ClientGone(f"Client read error ({error.reason})") from error
        return True

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes, all of the body when it is negative; waits until they are there."""
        if size < 0:
            parts = []
            while True:
                parts.append(self._buffer[self._position :] if self._position else self._buffer)
                self._buffer, self._position = b"", 0
                if not self._more():
                    return b"".join(parts)
        if len(self._buffer) - self._position < size and (self._kept is not None or not self.complete):
            self._gather(size)
        data = self._buffer[self._position : self._position + size]
        self._advance(len(data))
        return data

    def _gather(self, size: int) -> None:
        """Have so many bytes in the buffer, or all that come; put together once, for there may be many pieces."""
        parts = [self._buffer[self._position :]]
        there = len(parts[0])
        self._buffer, self._position = b"", 0
        try:
            while there < size and self._more():
                parts.append(self._buffer)
                there += len(self._buffer)
                self._buffer = b""
        finally:
            self._buffer = b"".join(parts)

    def readline(self, size: int = -1) -> bytes:
        """A line with its end, or at most ``size`` bytes of it."""
        parts: list[bytes] = []
        left = size
        while True:
            start = self._position
            stop = len(self._buffer) if left < 0 else min(start + left, len(self._buffer))
            end = self._buffer.find(b"\n", start, stop) + 1
            parts.append(self._buffer[start : end or stop])
            self._advance((end or stop) - start)
            if left > 0:
                left -= len(parts[-1])
            if end or not left:
                break
            try:
                if not self._more():
                    break
            except OSError:  # (what came of the line is there for who reads on)
                self._buffer = b"".join(parts)
                raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _advance(self, length: int) -> None:
        self._position += length
        if self._position == len(self._buffer):
            self._buffer, self._position = b"", 0

    def discard(self) -> bool:
        """Throw away what is left: nothing more can be read. False where the body is not sound.

        What is still to come is not waited for, but in chunks, up to `DISCARD_LIMIT`: their framing may be broken.
        The answer does not depend on the rest, and tells the client if the connection ends for it (see `settle`).
        """
        total = self.waiting
        self._buffer, self._position = b"", 0
        try:
            chunked = self.missing == UNKNOWN and not self._expects
            if chunked and self._kept is not None:
                self._kept.close()
            while chunked and total <= DISCARD_LIMIT and self._more():
                total += self.waiting
                self._buffer, self._position = b"", 0
        except ClientGone:
            return False
        self._dropped = True
        return True


class Receiving:
    """The receiving half of a request; `Request` inherits it, and has the slots."""

    __slots__ = ()

    mp_head: Head
    mp_input: Input | None
    mp_read_length: int

    read_length: int = readonly("mp_read_length", "Bytes of the body read.")

    @ReadOnly
    def remaining(self) -> int:
        """Bytes of the body left to read, by Content-Length."""
        return max(0, self.mp_head.length - self.mp_read_length)

    @ReadOnly
    def read_body(self) -> int:
        """How the body is read: REQUEST_CHUNKED_DECHUNK once it is."""
        return constants.REQUEST_CHUNKED_DECHUNK if self.mp_read_length else constants.REQUEST_NO_BODY

    @ReadOnly
    def read_chunked(self) -> int:
        """1 where the body comes in chunks."""
        return int(self.mp_head.length < 0)

    @ReadOnly
    def expecting_100(self) -> int:
        """1 where the client asked for a 100 before its body."""
        return int(self.mp_head.expects_continue)

    def read(self, len: int = -1) -> bytes:
        """At most ``len`` bytes of the body, all of it when negative.

        :raises IOError: the client left, or was silent for Timeout.
        """
        len = index(len)
        if self.mp_input is None:
            return b""
        data = self.mp_input.read(len)
        self.mp_read_length += data.__len__()  # type: ignore[misc]  # (`Request` has the slot)
        return data

    def readline(self, len: int = -1) -> bytes:
        """A line of the body with its end; at most ``len`` bytes of it."""
        len = index(len)
        if self.mp_input is None:
            return b""
        data = self.mp_input.readline(len)
        self.mp_read_length += data.__len__()  # type: ignore[misc]  # (`Request` has the slot)
        return data

    #: For the engine: an application may have put something of its own in the place of the other.
    mp_readline = readline

    def readlines(self, sizehint: int = -1) -> list[bytes]:
        """The lines of the body; ends once ``sizehint`` bytes were read."""
        sizehint = index(sizehint)
        lines: list[bytes] = []
        size = 0
        while True:
            line = self.mp_readline()
            if not line:
                return lines
            lines.append(line)
            size += len(line)
            if 0 <= sizehint <= size:
                return lines

    def discard_request_body(self) -> int:
        """Throw the body away. :returns: OK, or the status of a body that can't be read."""
        if self.mp_input is None or self.mp_input.discard():
            return constants.OK
        return self.mp_input.broken or constants.HTTP_REQUEST_ENTITY_TOO_LARGE

    mp_discard_request_body = discard_request_body
