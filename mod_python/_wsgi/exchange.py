"""One request's exchange with a WSGI application (PEP 3333)."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from stat import S_ISREG
from types import TracebackType

from mod_python import apache
from mod_python._wsgi.environ import Environ
from mpserver.api.members import header_text
from mpserver.errors import ClientGone
from mpserver.typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from mpserver.api.request import Request


#: Headers about the connection, which is the server's business alone (PEP 3333, RFC 9110 7.6.1).
HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "trailers",
    "transfer-encoding", "upgrade", "proxy-connection",
})  # fmt: skip


#: status-code SP reason-phrase, without control characters (PEP 3333; RFC 9112 4).
STATUS = re.compile(r"([1-9][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")


#: A body up to this size waits for the end of its request without ``flush``.
ONE_PIECE = 65536


#: What is read at once from a file that can't be sent by the kernel.
BLOCK = 65536


Application = Callable[[Environ, Any], Iterable[bytes]]


ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


Headers = list[tuple[str, str]]


class FileWrapper:
    """``wsgi.file_wrapper``: the pieces of a file; a real file's are sent by the kernel."""

    __slots__ = ("block", "close", "file")

    def __init__(self, filelike: Any, blksize: int = BLOCK) -> None:
        self.file = filelike
        self.block = blksize
        #: The file's own, if it has one.
        self.close: Callable[[], object] | None = getattr(filelike, "close", None)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        data: bytes = self.file.read(self.block)
        if not data:
            raise StopIteration
        return data


class WsgiExchange:
    """One request as WSGI has it: ``wsgi.input``, ``start_response``, and the way of the body."""

    #: Whether start_response was called; whether it was called well.
    _called = False
    _started = False
    #: Whether some of the body has gone to the client, and the head before.
    _sent = False
    #: The Content-Length that the application told.
    _length: int | None = None
    #: The headers that were there before the application's.
    _before: Headers | None = None

    def __init__(self, req: Request) -> None:
        self._req = req

    # -- the input stream

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes of the body, else all of it. :raises IOError: the client left."""
        return self._req.read(-1 if size is None else size)

    def readline(self, size: int | None = -1) -> bytes:
        """A line of the body with its end."""
        return self._req.readline(-1 if size is None else size)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """The lines of the body; about ``hint`` bytes of them, if it is positive."""
        return self._req.readlines(-1 if hint is None or hint <= 0 else hint)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._req.readline, b"")

    # -- the head

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Callable[[bytes], None]:
        """Take status and headers; they are sent with the first piece of the body.

        :raises AssertionError: it was called before, and this is not about an error.
        :raises TypeError, ValueError: what was given can't be sent.
        """
        if self._called:
            self._again(exc_info)
        self._called = True
        req = self._req
        if status == "200 OK":
            if req.mp_status != 200 or req.mp_status_line is not None:
                req.mp_status, req.mp_status_line = 200, None
        else:
            req.mp_status = _status(status)
            req.status_line = status if len(status) > 3 else status + " "
        if type(headers) is not list:
            raise TypeError(f"the headers must be in a list, not in a {type(headers).__name__}")
        pairs: Headers = []
        for header in headers:
            if type(header) is not tuple:
                raise TypeError(f"a header must be a tuple of name and value, not {header!r}")
            name, value = header
            if type(name) is not str or type(value) is not str:
                header = _text(name), _text(value)
            pairs.append(header)
        content_type, self._length, others = _told(tuple(pairs))
        if others:
            table = req.headers_out
            self._before = table.items()
            for name, value in others:
                table.add(name, value)
        req.mp_content_type = content_type
        if content_type is not None:
            req.mp_content_type_set = 1
        self._started = True
        return self.write

    def _again(self, exc_info: ExcInfo | None) -> None:
        """A later call of start_response: only for an error; what was said before is forgotten."""
        try:
            if not exc_info:
                raise AssertionError("start_response() was called a second time without exc_info")
            if self._sent:
                raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None  # the traceback holds this frame
        self._started = False
        self._length = None
        if self._before is not None:
            table = self._req.headers_out
            table.clear()
            for name, value in self._before:
                table.add(name, value)
            self._before = None

    def _announce(self) -> None:
        """The head is about to be sent: its Content-Length is fixed now."""
        self._sent = True
        if self._length is not None:
            self._req.headers_out["Content-Length"] = str(self._length)

    # -- the body

    def write(self, data: bytes) -> None:
        """What start_response returns: send a piece of the body at once (PEP 3333)."""
        if type(data) is not bytes:
            data = _bytes(data)
        if not data:
            return
        if not self._sent:
            if not self._started:
                _too_early()
            self._announce()
        self._req.write(data)

    def send_all(self, pieces: list[bytes] | tuple[bytes, ...]) -> None:
        """A body that is there as a whole: it leaves with its head at the end of the request."""
        if len(pieces) == 1 and type(pieces[0]) is bytes:
            data = pieces[0]
        else:
            data = b"".join([piece if type(piece) is bytes else _bytes(piece) for piece in pieces])
        if not self._started:
            _too_early()
        req = self._req
        size = len(data)
        if not self._sent and (size != self._length or size > ONE_PIECE or req.mp_header_only):
            if self._length is None and (size > ONE_PIECE or (size and req.mp_header_only)):
                self._length = size
            self._announce()
        try:
            req.write(data, 0)
        except ClientGone as error:
            self._gone(error)

    def stream(self, pieces: Iterable[bytes]) -> None:
        """A body that is made meanwhile: each piece is sent before the next one is asked for."""
        req = self._req
        for data in pieces:
            if type(data) is not bytes:
                data = _bytes(data)
            if not data:
                continue
            if not self._sent:
                if not self._started:
                    _too_early()
                if len(data) == self._length and len(data) <= ONE_PIECE and not req.mp_header_only:
                    # all there is: the head is one that needs no headers but the server's
                    self._sent = True
                    req.write(data, 0)
                    req.mp_finish()
                    continue
                self._announce()
                if req.mp_header_only:
                    return
            try:
                req.write(data)
            except ClientGone as error:
                self._gone(error)
                return
        if not self._sent:
            if not self._started:
                _too_early()
            self._announce()

    def send_file(self, wrapper: FileWrapper) -> bool:
        """Let the kernel send a file from where it stands. :returns: False where it is none that allows that."""
        file = wrapper.file
        file = getattr(file, "file", file)  # a file of the module tempfile
        raw = getattr(file, "raw", file)
        if type(raw) is not io.FileIO or type(file) not in (io.FileIO, io.BufferedReader, io.BufferedRandom):
            return False
        if not self._started:
            _too_early()
        try:
            file.flush()
            fd, offset = file.fileno(), file.tell()
            found = os.fstat(fd)
            if not S_ISREG(found.st_mode):
                return False
            if not self._sent:
                if self._length is None and self._req.mp_header_only:
                    self._length = max(0, found.st_size - offset)
                self._announce()
            self._req.sendfile(f"/proc/self/fd/{fd}", offset, -1 if self._length is None else self._length)
        except ClientGone as error:
            self._gone(error)
        except (OSError, ValueError):
            return False  # it can't be opened again, or not be asked where it stands: then by reading
        return True

    def fail(self) -> None:
        """The application failed: a response that has begun ends so that the client sees it is not whole."""
        if self._sent and not self._req.mp_finished:
            self._req.mp_aborted()

    def _gone(self, error: ClientGone) -> None:
        """The client left: nothing is wrong with the application."""
        self._req.log_error(str(error), apache.APLOG_INFO)


@lru_cache(maxsize=256)
def _status(status: str) -> int:
    """The number of a status such as ``404 Not Found``. :raises ValueError: it is none."""
    if not isinstance(status, str):
        raise TypeError(f"the status must be a string, not {type(status).__name__}")
    match = STATUS.fullmatch(status)
    if match is None or not 200 <= int(match[1]) <= 599:
        raise ValueError(f"{status!r} is no status of a response, such as '404 Not Found'")
    return int(match[1])


def _text(value: object) -> str:
    """A header's name or value as str. :raises TypeError: it is neither str nor bytes."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return value.decode("latin-1")
    raise TypeError(f"names and values of headers must be strings, not {type(value).__name__}")


@lru_cache(maxsize=256)
def _told(headers: tuple[tuple[str, str], ...]) -> tuple[str | None, int | None, tuple[tuple[str, str], ...]]:
    """What an application's headers say: the body's type and length, and the other ones.

    Most applications give the same few headers again and again: so it is remembered. All of them are exact
    strings in exact tuples: what only equals a header that was let through would be let through, too.

    :raises ValueError: they can't be sent.
    """
    content_type: str | None = None
    length: int | None = None
    others: list[tuple[str, str]] = []
    for name, value in headers:
        lower = name.lower()
        if lower == "content-type":
            content_type = header_text("content_type", value)
        elif lower == "content-length":
            if not (value.isascii() and value.isdigit()) or length not in (None, int(value)):
                raise ValueError(f"a response can't have the Content-Length {value!r}")
            length = int(value)
        elif lower in HOP_BY_HOP:
            raise ValueError(f"{name} is a header about the connection, which WSGI leaves to the server")
        else:
            others.append((name, value))
    return content_type, length, tuple(others)


def _bytes(data: object) -> bytes:
    """A piece of the body as exact bytes. :raises TypeError: it is none."""
    if isinstance(data, bytes):
        return bytes(data)
    raise TypeError(f"the application gave a piece of type {type(data).__name__}, but a body consists of bytes")


def _too_early() -> NoReturn:
    raise AssertionError("the application gave a piece of its body, or its end, before it called start_response()")
