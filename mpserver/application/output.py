"""What an application prints: whole lines, in its host's error log."""

from __future__ import annotations

import codecs
import io
import sys
import threading

from mpserver.api import error_log as levels
from mpserver.api.error_log import ErrorLog
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.config.finished import Finished
    from mpserver.config.server import Server

#: A longer line is logged in pieces of this many characters, and a partial one does not wait longer.
LONG = 8000


def server_of(configuration: Finished, name: str) -> Server:
    """The server whose name an interpreter has; the main server if there is none."""
    return configuration.called(name) or configuration.main


class _Bytes(io.BufferedIOBase):
    """``sys.stdout.buffer``: bytes for those who write them; they are taken as UTF-8."""

    def __init__(self, stream: Lines) -> None:
        self._stream = stream
        #: Each thread has the beginning of a character of its own.
        self._own = threading.local()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        data = bytes(data)
        decoder = getattr(self._own, "decoder", None)
        if decoder is None:
            decoder = self._own.decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._stream.write(decoder.decode(data))
        return len(data)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()


class Lines(io.TextIOBase):
    """A text stream to an error log: each line is a message of it.

    A partial line waits for its end, for each thread by itself, in ``partial``.
    """

    encoding = "utf-8"
    errors = "backslashreplace"
    line_buffering = True
    mode = "w"

    def __init__(self, name: str, log: ErrorLog, level: int, prefix: str, partial: dict[tuple[int, int], str]) -> None:
        self.name = name
        self._log, self._level, self._prefix, self._partial = log, level, prefix, partial
        #: For bytes.
        self.buffer = _Bytes(self)

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The log's descriptor: what children write to it goes there as it is."""
        return self._log.fd

    def reconfigure(self, **_options: Any) -> None:
        """Nothing can be changed: text goes to the log in UTF-8, line by line."""

    def write(self, text: str, /) -> int:
        """Log the lines that are whole now."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        key = (threading.get_ident(), self._level)
        lines = (self._partial.pop(key, "") + text).split("\n")
        rest = lines.pop()
        if lines:
            self.emit(lines)
        if len(rest) >= LONG:
            whole = len(rest) - len(rest) % LONG
            self.emit([rest[:whole]])
            rest = rest[whole:]
        if rest:
            self._partial[key] = rest
        return len(text)

    def flush(self) -> None:
        """Log this thread's partial line."""
        rest = self._partial.pop((threading.get_ident(), self._level), "")
        if rest:
            self.emit([rest])

    def close(self) -> None:
        """It stays open: others use it."""
        self.flush()

    def emit(self, lines: list[str]) -> None:
        """Log whole lines, long ones in pieces."""
        pieces = (line[at : at + LONG] for line in lines for at in range(0, len(line) or 1, LONG))
        text = "\n".join(self._prefix + piece.removesuffix("\r") for piece in pieces)
        self._log.log(self._level, text, module="python")


class HeldLog(ErrorLog):
    """An error log whose messages wait until it is clear that they count."""

    __slots__ = ("_held",)

    def __init__(self, log: ErrorLog) -> None:
        super().__init__(log.fd, log.level, log.levels, log.style)
        #: Levels and texts; None once they are written as they come.
        self._held: list[tuple[int, str, str]] | None = []

    def log(self, level: int, text: str, *, module: str = "core", **more: Any) -> None:
        """Write one message, now or at the `release`."""
        if self._held is None:
            super().log(level, text, module=module, **more)
        else:
            self._held.append((level, text, module))

    def release(self) -> None:
        """Write what waits, and from now on everything at once."""
        held, self._held = self._held or [], None
        for level, text, module in held:
            super().log(level, text, module=module)


class PrintedOutput:
    """``sys.stdout`` (level notice) and ``sys.stderr`` (level warn) of an interpreter."""

    __slots__ = ("_installed", "partial", "stderr", "stdout")

    def __init__(self, log: ErrorLog, name: str) -> None:
        #: What waits for the end of its line, by thread and level.
        self.partial: dict[tuple[int, int], str] = {}
        prefix = f"[interpreter {name}] "
        self.stdout = Lines("<stdout>", log, levels.NOTICE, prefix, self.partial)
        self.stderr = Lines("<stderr>", log, levels.WARN, prefix, self.partial)
        self._installed = False

    def install(self) -> None:
        """Make it what ``print`` and ``warnings`` write to; once, for the application may have put its own there."""
        if not self._installed:
            self._installed = True
            sys.stdout, sys.stderr = self.stdout, self.stderr

    def flush(self) -> None:
        """The end of a request: log the partial lines of its thread."""
        self.stdout.flush()
        self.stderr.flush()

    def flush_all(self) -> None:
        """The end of the interpreter: log the partial lines of all threads."""
        streams = {levels.NOTICE: self.stdout, levels.WARN: self.stderr}
        while self.partial:
            (_thread, level), rest = self.partial.popitem()
            streams[level].emit([rest])
