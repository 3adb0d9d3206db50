"""The error log: one line per message, in the format of httpd 2.4's error log.

Every process and interpreter writes to the same descriptor, each line with one ``write`` (files are
opened for appending), so that lines never mix. Lines of another form (ErrorLogFormat) are made by a `Style`.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import get_native_id
from binascii import b2a_base64
from collections.abc import Mapping, Sequence

from mpserver.typing import Any, Protocol

#: The levels by name, as LogLevel and APLOG_* number them.
LEVELS: dict[str, int] = {
    "emerg": 0,
    "alert": 1,
    "crit": 2,
    "error": 3,
    "warn": 4,
    "notice": 5,
    "info": 6,
    "debug": 7,
    **{f"trace{n}": 7 + n for n in range(1, 9)},
}
NAMES: tuple[str, ...] = tuple(LEVELS)
EMERG, ALERT, CRIT, ERROR, WARN, NOTICE, INFO, DEBUG = range(8)

#: APLOG_* values may carry flags above these bits (APLOG_NOERRNO, APLOG_STARTUP).
LEVEL_MASK = 15

#: LogLevel where nothing was configured.
DEFAULT_LEVEL = WARN

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NAMED_ESCAPES = {"\b": "\\b", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}


def escape(text: str) -> str:
    r"""The text with everything unprintable as ``\n``, ``\x1b`` or ``\u2028``, and ``\`` doubled.

    So nothing that a client sends can forge a line or steer the terminal of who reads the log.
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        c if c != "\\" and c.isprintable() else _NAMED_ESCAPES.get(c) or _numeric_escape(ord(c)) for c in text
    )


def _numeric_escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def timestamp(seconds: float, micro: bool = True) -> str:
    """``Fri Nov 20 20:14:08.123456 2026`` in local time, whatever the locale; without ``micro`` no fraction."""
    whole = int(seconds)
    t = time.localtime(whole)
    fraction = f".{int((seconds - whole) * 1_000_000):06d}" if micro else ""
    return (
        f"{_DAYS[t.tm_wday]} {_MONTHS[t.tm_mon]} {t.tm_mday:02d} "
        f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}{fraction} {t.tm_year}"
    )


def first_of(req: Any) -> Any:
    """The request from the client that one was made for: by redirects, or as a part of a page."""
    while req.mp_main is not None or req.mp_prev is not None:
        req = req.mp_prev if req.mp_main is None else req.mp_main
    return req


def log_id(req: Any) -> str:
    """The id of a request in the logs: one for all that it is redirected to, and for the parts of its page.

    With mod_unique_id it is what that gives.
    """
    first = first_of(req)
    found: str | None = first.mp_log_id
    if found is None:
        unique = None if first.mp_env is None else first.mp_env.get("UNIQUE_ID")
        found = first.mp_log_id = unique or _text(os.urandom(8))
    req.mp_log_id = found
    return found


def connection_id(connection: Any) -> str:
    """The id of a connection in the logs: the same in all interpreters that have it in turn."""
    from hashlib import blake2b  # (few logs ask)

    known = f"{connection.mp_id} {connection.mp_client_addr} {connection.mp_local_addr}"
    return _text(blake2b(known.encode(), digest_size=8).digest())


def _text(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode().rstrip("=")


class About(Protocol):
    """What a message is about: a request or a connection."""

    def mp_whose(self) -> tuple[Any, Any]:
        """The request, None for none; and the connection."""

    def mp_client(self) -> tuple[str, int]:
        """The address of the client."""


class Style(Protocol):
    """Another form of lines than the usual one, or another place than a file."""

    #: Whether the level decides about notices, too.
    is_strict: bool

    def lines(
        self, level: int, module: str, text: str, error: OSError | None, client: tuple[str, int] | None,
        about: About | None,
    ) -> Sequence[str]:  # fmt: skip
        """The lines of a message, without their ends."""

    def mend(self, fd: int, error: OSError) -> bool:
        """A line could not be written. :returns: whether it is worth another try."""


class ErrorLog:
    """An open error log with the levels that are in effect for it.

    ``level`` is LogLevel's number; ``levels`` holds those of single modules (``LogLevel warn python:debug``)
    by their name without ``mod_`` and ``_module``.
    """

    __slots__ = ("fd", "level", "levels", "style")

    def __init__(
        self, fd: int = 2, level: int = DEFAULT_LEVEL, levels: Mapping[str, int] | None = None,
        style: Style | None = None,
    ) -> None:  # fmt: skip
        self.fd = fd
        #: None: the usual lines, in a file.
        self.style = style
        self.level = level
        self.levels: Mapping[str, int] = {} if levels is None else levels

    def enabled(self, level: int, module: str = "core") -> bool:
        """Whether a message of this level is written; notices always are (httpd's ErrorLog to a file)."""
        level &= LEVEL_MASK
        if level == NOTICE and (self.style is None or not self.style.is_strict):
            return True
        return level <= self.levels.get(module, self.level)

    def log(
        self,
        level: int,
        text: str,
        *,
        module: str = "core",
        client: tuple[str, int] | None = None,
        about: About | None = None,
        number: int | None = None,
        error: OSError | None = None,
    ) -> None:
        """Write one message; a text of several lines (a traceback) gets its prefix on each of them.

        ``about`` is the request or connection that it concerns; ``client`` is the IP and port, where only these are
        known; ``number`` becomes ``AH00072:``, ``error`` becomes
        ``(98)Address already in use:`` before it. Never raises: a log that can't be written (a full
        disk, a logger that died) must not fail requests.
        """
        if not self.enabled(level, module):
            return
        if about is not None:
            req, _connection = about.mp_whose()
            if req is not None:
                log_id(req)
            client = about.mp_client()
        if self.style is not None:
            if number is not None:
                text = f"AH{number:05d}: {text}"
            self._write_styled(self.style.lines(level & LEVEL_MASK, module, text, error, client, about))
            return
        prefix = (
            f"[{timestamp(time.time())}] [{module or '-'}:{NAMES[level & LEVEL_MASK]}] "
            f"[pid {os.getpid()}:tid {get_native_id()}] "
        )
        if error is not None:
            prefix += f"({error.errno}){error.strerror}: "
        if client is not None:
            prefix += f"[client {client[0]}:{client[1]}] "
        if number is not None:
            text = f"AH{number:05d}: {text}"
        lines = text.rstrip("\n").split("\n") or [""]
        data = "".join(f"{prefix}{escape(line)}\n" for line in lines).encode("utf-8", "backslashreplace")
        try:
            os.write(self.fd, data)
        except OSError:
            pass

    def _write_styled(self, lines: Sequence[str]) -> None:
        assert self.style is not None
        for line in lines:
            data = f"{line}\n".encode("utf-8", "backslashreplace")
            try:
                os.write(self.fd, data)
            except OSError as error:
                if self.style.mend(self.fd, error):
                    try:
                        os.write(self.fd, data)
                    except OSError:
                        pass


def startup_line(text: str, *, number: int | None = None, error: OSError | None = None) -> str:
    """A message of start-up, as it is shown on the terminal: without date, level and process."""
    before = f"({error.errno}){error.strerror}: " if error is not None else ""
    return f"{before}{f'AH{number:05d}: ' if number is not None else ''}{text}"


def to_terminal(text: str, *, number: int | None = None, error: OSError | None = None) -> None:
    """Write a message of start-up to stderr."""
    sys.stderr.write(startup_line(text, number=number, error=error) + "\n")
    sys.stderr.flush()
