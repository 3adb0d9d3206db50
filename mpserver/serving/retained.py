"""What requests leave behind in an interpreter when they go on in another one: their cleanups, and who waits for them.

A request may need several interpreters: its early phases, its content, what it is redirected to. Where it goes on, its
cleanups and those of the requests before it stay, for they are functions of this interpreter. They are called when
the request is over, wherever that was and whatever became of it. A pipe goes along with the connection, its *rope*:
the interpreter that ends the request writes down what was answered, and closes it. Where that one fails or crashes,
the end of the pipe says as much.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.serving.interpreter_owner import InterpreterOwner

_LENGTH = struct.Struct("!I")
#: What is answered may be told in so many bytes.
LONGEST = 1 << 20


def tell(rope: int, facts: bytes) -> None:
    """Write down what was answered, for the other end of a rope, and close it."""
    data = memoryview(_LENGTH.pack(len(facts)) + facts)
    try:
        while data:
            data = data[os.write(rope, data) :]
    except OSError:
        pass  # that interpreter is gone
    finally:
        os.close(rope)


class Retained:
    """A request that has gone on elsewhere, in the interpreter that it has left.

    :param ended: called when it is over with the request, what was answered (`mpserver.phases.transfer.answered`; empty
        where nobody could tell; None: the interpreter ends) and ``upstream``; returns that, or -1 where it has given it
        to somebody else.
    :param req: the first of its chain that belongs here.
    :param fd: our end of its rope.
    :param upstream: the rope that it came with itself, -1: it began here.
    """

    __slots__ = ("_ended", "_fd", "_interpreter", "_read", "_req", "_upstream")

    def __init__(
        self, interpreter: InterpreterOwner, ended: Callable[[Request, bytes | None, int], int], req: Request,
        fd: int, upstream: int,
    ) -> None:  # fmt: skip
        self._interpreter, self._ended, self._req, self._fd, self._upstream = interpreter, ended, req, fd, upstream
        self._read = b""

    def begin(self) -> None:
        """Wait for its end, in the loop's thread."""
        self._interpreter.retained.add(self)
        self._interpreter.loop.add(self._fd, self._on_event)

    def _on_event(self, _event: int) -> None:
        try:
            data = os.read(self._fd, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._read += data
        head = _LENGTH.size
        if len(self._read) > LONGEST:  # (an application's process may write there)
            self._over(b"")
            return
        if len(self._read) >= head and len(self._read) - head >= _LENGTH.unpack_from(self._read)[0]:
            self._over(self._read[head:])
        elif not data:
            self._over(b"")

    def abandon(self) -> None:
        """The interpreter ends: so does what waits here."""
        self._over(None)

    def _over(self, facts: bytes | None) -> None:
        interpreter = self._interpreter
        interpreter.loop.remove(self._fd)
        os.close(self._fd)
        interpreter.apart(lambda: self._end(facts))

    def _end(self, facts: bytes | None) -> None:
        """Log it where it began here, and call its cleanups; then tell the interpreter before."""
        interpreter = self._interpreter
        try:
            self._upstream = self._ended(self._req, facts, self._upstream)
        finally:
            if self._upstream >= 0:
                tell(self._upstream, facts or b"")
            interpreter.in_loop(self._forget)

    def _forget(self) -> None:
        self._interpreter.retained.discard(self)
        self._interpreter.end_if_empty()
