"""The filter object (manual 4.5.5), which a Python filter is called with: one for each call."""

from __future__ import annotations

from collections.abc import Callable
from operator import index

from mpserver.api.members import data_of, integer, readonly, writable
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


class Filter:
    """What input and output filters have in common."""

    __slots__ = (
        "mp_closed",
        "mp_disabled",
        "mp_facts",
        "mp_is_input",
        "mp_out",
        "mp_out_size",
        "mp_req",
        "mp_softspace",
    )

    def __init__(self, req: Request, facts: FilterInfo, is_input: int) -> None:
        self.mp_req = req
        self.mp_facts = facts
        self.mp_is_input = is_input
        self.mp_closed = 0
        self.mp_softspace = 0
        self.mp_disabled = False
        self.mp_out: list[Part] = []
        self.mp_out_size = 0

    req: Request = writable("mp_req", lambda _name, value: value, "The request.")
    closed: int = readonly("mp_closed", "1 once it was closed.")
    is_input: int = readonly("mp_is_input", "1 for an input filter.")
    name: str = readonly("mp_facts.name", "The name of the filter, in lower case.")
    handler: str | None = readonly("mp_facts.handler", "The handler as configured.")
    dir: str | None = readonly("mp_facts.directory", "The directory of its directive.")
    softspace: int = writable("mp_softspace", integer, "For print, as files have it.")

    def read(self, length: int = -1) -> bytes | None:
        """At most ``length`` bytes from the next filter; all that there is now when negative.

        :returns: b"" where there is nothing more in this call, None at the end of the stream.
        :raises ValueError: the filter is closed.
        """
        size = index(length)
        self.mp_check_open()
        return self.mp_read(size)

    def readline(self, length: int = -1) -> bytes | None:
        """A line, or at most ``length`` bytes of it; otherwise as `read`."""
        size = index(length)
        self.mp_check_open()
        return self.mp_readline(size)

    def write(self, string: str | bytes) -> None:
        """Write text (as UTF-8) or bytes to the next filter.

        :raises TypeError: it is neither.
        :raises ValueError: the filter is closed.
        """
        self.mp_check_open()
        data = data_of(string)
        if data:
            self.mp_out.append(data)
            self.mp_out_size += len(data)
            self.mp_grown()

    def flush(self) -> None:
        """Send what was written. :raises IOError: the client is gone."""
        self.mp_check_open()
        self.mp_pass(FLUSH)

    def close(self) -> None:
        """End the stream: nothing can be read or written any more."""
        if not self.mp_closed:
            self.mp_closed = 1
            self.mp_pass(EOS)

    def pass_on(self) -> None:
        """Pass on unchanged what has come."""
        raise NotImplementedError

    def disable(self) -> None:
        """Call the handler no more in this request, and pass all data on (manual 4.5.5)."""
        self.mp_disabled = True

    @property
    def mp_waiting(self) -> bool:
        """Whether something was written and not passed on."""
        return bool(self.mp_out)

    def mp_check_open(self) -> None:
        """Refuse to go on with a closed filter. :raises ValueError: it is one."""
        if self.mp_closed:
            raise ValueError("I/O operation on closed filter")

    def mp_read(self, size: int) -> bytes | None:
        """`read`, of an open filter."""
        raise NotImplementedError

    def mp_readline(self, size: int) -> bytes | None:
        """`readline`, of an open filter."""
        raise NotImplementedError

    def mp_grown(self) -> None:
        """Something was written: what waits must not grow without end."""

    def mp_pass(self, mark: int) -> None:
        """Give what was written to the next filter; ``mark``: MORE, FLUSH or EOS."""
        raise NotImplementedError


class OutputFilterObject(Filter):
    """For an output filter: reads the parts that came, writes to the next filter."""

    __slots__ = ("mp_end", "mp_next", "mp_parts", "mp_position")

    def __init__(self, req: Request, facts: FilterInfo, parts: list[Part], mark: int, following: OutputFilter) -> None:
        super().__init__(req, facts, 0)
        self.mp_parts = parts
        #: Where reading goes on in the first part, if that is bytes.
        self.mp_position = 0
        self.mp_end = mark == EOS
        self.mp_next = following

    def mp_pass(self, mark: int) -> None:
        """See `Filter.mp_pass`."""
        parts, self.mp_out, self.mp_out_size = self.mp_out, [], 0
        self.mp_next.take(parts, mark)

    def mp_grown(self) -> None:
        """See `Filter.mp_grown`."""
        if self.mp_out_size > SLICE:
            self.mp_pass(MORE)

    def pass_on(self) -> None:
        """Pass on unchanged what was not read yet."""
        parts: list[Part] = []
        if self.mp_position:
            first = self.mp_parts.pop(0)
            assert isinstance(first, bytes)
            parts.append(first[self.mp_position :])
            self.mp_position = 0
        parts += self.mp_parts
        self.mp_parts.clear()
        end, self.mp_end = self.mp_end, False
        self.mp_out += parts
        self.mp_out_size += sum(map(size_of, parts))
        if end:
            self.mp_closed = 1
        self.mp_pass(EOS if end else FLUSH)

    def mp_leave(self) -> None:
        """The call is over: forget what was not read."""
        close_files(self.mp_parts)

    def mp_read(self, size: int) -> bytes | None:
        """See `Filter.mp_read`."""
        if not self.mp_parts:
            return None if self.mp_end else b""
        found: list[bytes] = []
        left = SLICE if size < 0 else size
        while self.mp_parts and left > 0:
            data = self.mp_piece(left)
            found.append(data)
            left -= len(data)
        return found[0] if len(found) == 1 else b"".join(found)

    def mp_piece(self, size: int) -> bytes:
        """Up to ``size`` bytes of the first part."""
        part = self.mp_parts[0]
        if isinstance(part, FilePart):
            data = read_file(part, size)
            if not part.length:
                part.close()
                del self.mp_parts[0]
            return data
        start = self.mp_position
        if len(part) - start <= size:
            del self.mp_parts[0]
            self.mp_position = 0
            return part[start:] if start else part
        self.mp_position = start + size
        return part[start : start + size]

    def mp_readline(self, size: int) -> bytes | None:
        """See `Filter.mp_readline`."""
        if not self.mp_parts:
            return None if self.mp_end else b""
        found: list[bytes] = []
        length = 0
        while self.mp_parts and (size < 0 or length < size):
            part = self.mp_parts[0]
            if isinstance(part, FilePart):
                # as much of the file as a line may have; it is found in bytes then
                self.mp_parts.insert(0, read_file(part, PORTION))
                if not part.length:
                    part.close()
                    del self.mp_parts[1]
                continue
            newline = part.find(b"\n", self.mp_position)
            wanted = (newline + 1 if newline >= 0 else len(part)) - self.mp_position
            if size >= 0:
                wanted = min(wanted, size - length)
            data = self.mp_piece(wanted)
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

    __slots__ = ("mp_given", "mp_more", "mp_rest", "mp_touched")

    def __init__(self, req: Request, facts: FilterInfo, more: More, rest: bytes | None) -> None:
        super().__init__(req, facts, 1)
        self.mp_more = more
        #: What came and was not read; None: the end has come.
        self.mp_rest = rest
        self.mp_given = 0
        #: Whether the call read anything, or wrote.
        self.mp_touched = False

    @property
    def mp_written(self) -> bytes:
        """What the filter wrote in this call."""
        return b"".join(self.mp_out)  # type: ignore[arg-type]

    def mp_pass(self, mark: int) -> None:
        """Who reads gets it when the call is over."""

    def mp_fill(self) -> bool:
        """Have something to give; False where there is nothing (more) in this call or at all."""
        self.mp_touched = True
        if self.mp_rest:
            return True
        if self.mp_rest is None:
            return False
        if self.mp_given >= PORTION:
            self.mp_given = 0
            return False
        self.mp_rest = self.mp_more()
        return bool(self.mp_rest)

    def mp_nothing(self) -> bytes | None:
        """What reading gives where nothing is there: None at the end of the stream."""
        return None if self.mp_rest is None else b""

    def mp_read(self, size: int) -> bytes | None:
        """See `Filter.mp_read`."""
        if not self.mp_fill():
            return self.mp_nothing()
        assert self.mp_rest is not None
        data = self.mp_rest if size < 0 else self.mp_rest[:size]
        self.mp_rest = self.mp_rest[len(data) :]
        self.mp_given += len(data)
        return data

    def mp_readline(self, size: int) -> bytes | None:
        """See `Filter.mp_readline`."""
        if not self.mp_fill():
            return self.mp_nothing()
        assert self.mp_rest is not None
        found = self.mp_rest
        while b"\n" not in found and (size < 0 or len(found) < size):
            more = self.mp_more()
            if more is None:
                line = found if size < 0 else found[:size]
                self.mp_rest = found[len(line) :] or None
                self.mp_given += len(line)
                return line
            found += more
        end = found.find(b"\n") + 1 or len(found)
        if size >= 0:
            end = min(end, size)
        self.mp_rest = found[end:]
        self.mp_given += end
        return found[:end]

    def pass_on(self) -> None:
        """Pass on unchanged what comes next."""
        self.mp_check_open()
        if self.mp_fill():
            data, self.mp_rest = self.mp_rest, b""
            assert data is not None
            self.mp_out.append(data)
            self.mp_given += len(data)
        elif self.mp_rest is None:
            self.mp_closed = 1
