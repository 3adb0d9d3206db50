"""The filter object (manual 4.5.5), which a Python filter is called with: one for each call."""

from __future__ import annotations

from collections.abc import Callable
from operator import index

from mpserver.api.members import integer, readonly, writable
from mpserver.api.output_filters import EOS, FLUSH, MORE, OutputFilter
from mpserver.api.parts import SLICE, FilePart, Part, close_files, read_file, size_of
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: After so many bytes an input filter is told that there is nothing more in this call.
PORTION = 65536


class FilterInfo(Protocol):
    """What a filter's configuration says of it."""

    @property
    def name(self) -> str:
        """The name that it was asked for by, in lower case; ``mod_python`` for one that the request registered."""

    @property
    def handler(self) -> str | None:
        """``module::object``; None for one of the server's own."""

    @property
    def directory(self) -> str | None:
        """Where its directive stands."""


def data_of(data: str | bytes) -> bytes:
    """What may be written, as bytes. :raises TypeError: it is neither text nor bytes."""
    if isinstance(data, str):
        return str.encode(data)
    if isinstance(data, bytes):
        return bytes(data)
    raise TypeError(f"a bytes-like object is required, not '{type(data).__name__}'")


class Filter:
    """What input and output filters have in common."""

    __slots__ = ("_closed", "_disabled", "_facts", "_is_input", "_out", "_out_size", "_req", "_softspace")

    def __init__(self, req: Request, facts: FilterInfo, is_input: int) -> None:
        self._req = req
        self._facts = facts
        self._is_input = is_input
        self._closed = 0
        self._softspace = 0
        self._disabled = False
        self._out: list[Part] = []
        self._out_size = 0

    req: Request = readonly("_req", "The request.")
    closed: int = readonly("_closed", "1 once it was closed.")
    is_input: int = readonly("_is_input", "1 for an input filter.")
    name: str = readonly("_facts.name", "The name of the filter, in lower case.")
    handler: str | None = readonly("_facts.handler", "The handler as configured.")
    dir: str | None = readonly("_facts.directory", "The directory of its directive.")
    softspace: int = writable("_softspace", integer, "For print, as files have it.")

    def read(self, len: int = -1) -> bytes | None:
        """At most ``len`` bytes from the next filter; all that there is now when negative.

        :returns: b"" where there is nothing more in this call, None at the end of the stream.
        :raises ValueError: the filter is closed.
        """
        len = index(len)
        self._check_open()
        return self._read(len)

    def readline(self, len: int = -1) -> bytes | None:
        """A line, or at most ``len`` bytes of it; otherwise as `read`."""
        len = index(len)
        self._check_open()
        return self._readline(len)

    def write(self, data: str | bytes) -> None:
        """Write text (as UTF-8) or bytes to the next filter.

        :raises TypeError: it is neither.
        :raises ValueError: the filter is closed.
        """
        self._check_open()
        data = data_of(data)
        if data:
            self._out.append(data)
            self._out_size += len(data)
            self._grown()

    def flush(self) -> None:
        """Send what was written. :raises IOError: the client is gone."""
        self._check_open()
        self._pass(FLUSH)

    def close(self) -> None:
        """End the stream: nothing can be read or written any more."""
        if not self._closed:
            self._closed = 1
            self._pass(EOS)

    def pass_on(self) -> None:
        """Pass on unchanged what has come."""
        raise NotImplementedError

    def disable(self) -> None:
        """Call the handler no more in this request, and pass all data on (manual 4.5.5)."""
        self._disabled = True

    @property
    def _waiting(self) -> bool:
        """Whether something was written and not passed on."""
        return bool(self._out)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("I/O operation on closed filter")

    def _read(self, size: int) -> bytes | None:
        raise NotImplementedError

    def _readline(self, size: int) -> bytes | None:
        raise NotImplementedError

    def _grown(self) -> None:
        """Something was written: what waits must not grow without end."""

    def _pass(self, mark: int) -> None:
        raise NotImplementedError


class OutputFilterObject(Filter):
    """For an output filter: reads the parts that came, writes to the next filter."""

    __slots__ = ("_end", "_next", "_parts", "_position")

    def __init__(self, req: Request, facts: FilterInfo, parts: list[Part], mark: int, following: OutputFilter) -> None:
        super().__init__(req, facts, 0)
        self._parts = parts
        #: Where reading goes on in the first part, if that is bytes.
        self._position = 0
        self._end = mark == EOS
        self._next = following

    def _pass(self, mark: int) -> None:
        parts, self._out, self._out_size = self._out, [], 0
        self._next.take(parts, mark)

    def _grown(self) -> None:
        if self._out_size > SLICE:
            self._pass(MORE)

    def pass_on(self) -> None:
        """Pass on unchanged what was not read yet."""
        parts: list[Part] = []
        if self._position:
            first = self._parts.pop(0)
            assert isinstance(first, bytes)
            parts.append(first[self._position :])
            self._position = 0
        parts += self._parts
        self._parts.clear()
        end, self._end = self._end, False
        self._out += parts
        self._out_size += sum(map(size_of, parts))
        if end:
            self._closed = 1
        self._pass(EOS if end else FLUSH)

    def leave(self) -> None:
        """The call is over: forget what was not read."""
        close_files(self._parts)

    def _read(self, size: int) -> bytes | None:
        if not self._parts:
            return None if self._end else b""
        found: list[bytes] = []
        left = SLICE if size < 0 else size
        while self._parts and left > 0:
            data = self._piece(left)
            found.append(data)
            left -= len(data)
        return found[0] if len(found) == 1 else b"".join(found)

    def _piece(self, size: int) -> bytes:
        """Up to ``size`` bytes of the first part."""
        part = self._parts[0]
        if isinstance(part, FilePart):
            data = read_file(part, size)
            if not part.length:
                part.close()
                del self._parts[0]
            return data
        start = self._position
        if len(part) - start <= size:
            del self._parts[0]
            self._position = 0
            return part[start:] if start else part
        self._position = start + size
        return part[start : start + size]

    def _readline(self, size: int) -> bytes | None:
        if not self._parts:
            return None if self._end else b""
        found: list[bytes] = []
        length = 0
        while self._parts and (size < 0 or length < size):
            part = self._parts[0]
            if isinstance(part, FilePart):
                # as much of the file as a line may have; it is found in bytes then
                self._parts.insert(0, read_file(part, PORTION))
                if not part.length:
                    part.close()
                    del self._parts[1]
                continue
            newline = part.find(b"\n", self._position)
            wanted = (newline + 1 if newline >= 0 else len(part)) - self._position
            if size >= 0:
                wanted = min(wanted, size - length)
            data = self._piece(wanted)
            found.append(data)
            length += len(data)
            if data.endswith(b"\n"):
                break
        return b"".join(found)


#: Waits for more of a stream: some bytes, None at its end.
More = Callable[[], "bytes | None"]


class InputFilterObject(Filter):
    """For an input filter: reads from the client, or the filter before, and writes for who reads.

    What it has read but not used stays for its next call. A call is given about `PORTION` bytes; then it reads
    b"" once, so that a filter that reads as long as there is something lets a long body pass bit by bit.
    """

    __slots__ = ("_given", "_more", "rest", "touched")

    def __init__(self, req: Request, facts: FilterInfo, more: More, rest: bytes | None) -> None:
        super().__init__(req, facts, 1)
        self._more = more
        #: What came and was not read; None: the end has come.
        self.rest = rest
        self._given = 0
        #: Whether the call read anything, or wrote.
        self.touched = False

    @property
    def written(self) -> bytes:
        """What the filter wrote in this call."""
        return b"".join(self._out)  # type: ignore[arg-type]

    def _pass(self, mark: int) -> None:
        """Who reads gets it when the call is over."""

    def _fill(self) -> bool:
        """Have something to give; False where there is nothing (more) in this call or at all."""
        self.touched = True
        if self.rest:
            return True
        if self.rest is None:
            return False
        if self._given >= PORTION:
            self._given = 0
            return False
        self.rest = self._more()
        return bool(self.rest)

    def _nothing(self) -> bytes | None:
        return None if self.rest is None else b""

    def _read(self, size: int) -> bytes | None:
        if not self._fill():
            return self._nothing()
        assert self.rest is not None
        data = self.rest if size < 0 else self.rest[:size]
        self.rest = self.rest[len(data) :]
        self._given += len(data)
        return data

    def _readline(self, size: int) -> bytes | None:
        if not self._fill():
            return self._nothing()
        assert self.rest is not None
        found = self.rest
        while b"\n" not in found and (size < 0 or len(found) < size):
            more = self._more()
            if more is None:
                line = found if size < 0 else found[:size]
                self.rest = found[len(line) :] or None
                self._given += len(line)
                return line
            found += more
        end = found.find(b"\n") + 1 or len(found)
        if size >= 0:
            end = min(end, size)
        self.rest = found[end:]
        self._given += end
        return found[:end]

    def pass_on(self) -> None:
        """Pass on unchanged what comes next."""
        self._check_open()
        if self._fill():
            data, self.rest = self.rest, b""
            assert data is not None
            self._out.append(data)
            self._given += len(data)
        elif self.rest is None:
            self._closed = 1
