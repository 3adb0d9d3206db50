"""``wsgi.errors``: what WSGI applications write to the error log (PEP 3333)."""

from __future__ import annotations

import io
import sys
from _thread import get_ident
from collections.abc import Iterable
from threading import local

from mpserver.api.runtime import current
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.api.server import Server

#: A longer line is logged in pieces of this many characters, and a partial one does not wait longer.
LONG = 8000


class Errors:
    """Text for the error log by whole lines, each with the client and the interpreter, as far as there is one.

    A partial line waits for its end, for each thread by itself: until ``flush``, the end of the request, of the
    thread, or of the interpreter.

    It equals ``sys.stderr``, which mod_python gives here: applications that ask want to know whether what they write to
    one is in the other's place, too, and it is.
    """

    __slots__ = ("_own", "_server", "_stderr", "_told_at_the_end", "partial")

    #: What else is asked of a stream of text, as by handlers of logging that colour their lines on a terminal.
    name, encoding, errors, closed = "<wsgi.errors>", "utf-8", "backslashreplace", False

    def __init__(self, server: Server) -> None:
        """``server``: in whose log stands what no request's thread writes."""
        self._server = server
        self._stderr = sys.stderr
        self._own = local()
        self._told_at_the_end = False
        #: What waits for the end of its line, by thread.
        self.partial: dict[int, str] = {}

    def __eq__(self, other: object) -> bool:
        return other is self or other is self._stderr

    def __hash__(self) -> int:
        return hash(self._stderr)

    def write(self, text: str) -> int:
        """Log the lines that are whole now. :raises TypeError: it is no text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        thread = get_ident()
        lines = (self.partial.pop(thread, "") + text).split("\n")
        rest = lines.pop()
        if len(rest) >= LONG:
            whole = len(rest) - len(rest) % LONG
            lines.append(rest[:whole])
            rest = rest[whole:]
        if lines:
            self._log(lines)
        if rest:
            self.partial[thread] = rest
            if _running() is None:
                self._outlive()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Log this thread's partial line."""
        rest = self.partial.pop(get_ident(), "")
        if rest:
            self._log([rest])

    def isatty(self) -> bool:
        """It is no terminal."""
        return False

    def readable(self) -> bool:
        """It is there to be written to."""
        return False

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """It has no descriptor: the log adds time and client to each line. :raises io.UnsupportedOperation: always."""
        raise io.UnsupportedOperation("fileno")

    def flush_all(self) -> None:
        """Log the partial lines of all threads."""
        while self.partial:
            self._log([self.partial.popitem()[1]])

    def _outlive(self) -> None:
        """No request's end will log this thread's partial line: its own end does, or the interpreter's."""
        if getattr(self._own, "end", None) is None:
            self._own.end = _EndOfThread(self)
        runtime = current()
        if runtime is not None and not self._told_at_the_end:
            self._told_at_the_end = True
            runtime.register_cleanup(Errors.flush_all, self)

    def _log(self, lines: list[str]) -> None:
        runtime, req = current(), _running()
        prefix = "" if runtime is None else f"[interpreter {runtime.interpreter}] "
        pieces = (line[at : at + LONG] for line in lines for at in range(0, len(line) or 1, LONG))
        text = "\n".join(prefix + piece.removesuffix("\r") for piece in pieces)
        if req is None:
            self._server.log_error(text)
        else:
            req.log_error(text)


class _EndOfThread:
    """Goes with the thread that has it among its locals."""

    __slots__ = ("_errors",)

    def __init__(self, errors: Errors) -> None:
        self._errors = errors

    def __del__(self) -> None:
        self._errors.flush()


def _running() -> Request | None:
    """The request that this thread serves."""
    runtime = current()
    found: Any = None if runtime is None else runtime.running_request()
    running: Request | None = found
    return running
