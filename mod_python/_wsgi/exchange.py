"""One request's exchange with a WSGI application (PEP 3333)."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from stat import S_ISREG
from types import TracebackType

from mod_python import apache
from mod_python._wsgi.environ import Environ
from mod_python._wsgi.headers import Headers, leave_out, listed, pair, status_number, text, told
from mod_python._wsgi.tolerance import tolerate
from mpserver.api.response_head import BODILESS
from mpserver.errors import ClientGone
from mpserver.typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from mpserver.api.request import Request


#: A body up to this size waits for the end of its request without ``flush``.
ONE_PIECE = 65536


#: What is read at once from a file that can't be sent by the kernel.
BLOCK = 65536


Application = Callable[[Environ, Any], Iterable[bytes]]


ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


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
    """One request as WSGI has it: ``start_response``, and the way of the response's body."""

    __slots__ = ("_before", "_called", "_length", "_req", "_sent", "_started", "handed_over")

    def __init__(self, req: Request) -> None:
        self._req = req
        #: Whether start_response was called; whether it was called well.
        self._called = self._started = False
        #: Whether some of the body has gone to the client, and the head before.
        self._sent = False
        #: Whether the application speaks another protocol with the client: there is no answer then.
        self.handed_over = False
        #: The Content-Length that the application told.
        self._length: int | None = None
        #: The headers that were there before the application's.
        self._before: Headers | None = None

    # -- the head

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Callable[[bytes], None]:
        """Take status and headers; they are sent with the first piece of the body.

        :raises AssertionError: it was called before, and this is not about an error.
        :raises TypeError, ValueError: what was given can't be sent.
        """
        if self.handed_over:
            return self.write  # an answer that nobody is to see
        if self._called:
            self._again(exc_info)
        self._called = True
        req = self._req
        if status == "200 OK":
            if req.mp_status != 200 or req.mp_status_line is not None:
                req.mp_status, req.mp_status_line = 200, None
        else:
            req.mp_status = status_number(status)
            req.status_line = status if len(status) > 3 else status + " "
        if type(headers) is not list:
            headers = listed(req, headers)
        pairs: Headers = []
        for header in headers:
            if type(header) is not tuple:
                header = pair(req, header)
            name, value = header
            if type(name) is not str or type(value) is not str:
                header = text(name), text(value)
            pairs.append(header)
        content_type, self._length, rest = told(tuple(pairs))
        if rest:
            others, hop_by_hop = rest
            leave_out(req, hop_by_hop)
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

    def _would_be(self, size: int) -> None:
        """The answer to HEAD tells the length that GET's would have (RFC 9110 8.6), in bytes."""
        if self._length is None and self._req.mp_status not in BODILESS:
            self._length = size

    # -- the body

    def write(self, data: bytes) -> None:
        """What start_response returns: send a piece of the body at once (PEP 3333)."""
        if type(data) is not bytes:
            data = self._bytes(data)
        if not data:
            return
        if not self._sent:
            if not self._started:
                _too_early()
            self._announce()
        self._req.write(data)

    def send_all(self, pieces: Sequence[bytes | str]) -> None:
        """A body that is there as a whole: it leaves with its head at the end of the request."""
        if len(pieces) == 1 and type(pieces[0]) is bytes:
            data = pieces[0]
        else:
            data = b"".join([piece if type(piece) is bytes else self._bytes(piece) for piece in pieces])
        if not self._started:
            _too_early()
        req = self._req
        size = len(data)
        if not self._sent:
            if req.mp_header_only:
                if pieces != ():  # what frameworks give in place of any body, whatever its length is
                    self._would_be(size)
                self._announce()
            elif size != self._length or size > ONE_PIECE:
                if self._length is None and size > ONE_PIECE:
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
                data = self._bytes(data)
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
                if self._req.mp_header_only:
                    self._would_be(max(0, found.st_size - offset))
                self._announce()
            self._req.sendfile(f"/proc/self/fd/{fd}", offset, -1 if self._length is None else self._length)
        except ClientGone as error:
            self._gone(error)
        except (OSError, ValueError):
            return False  # it can't be opened again, or not be asked where it stands: then by reading
        return True

    def close(self, result: object) -> None:
        """Tell what the application gave that nobody asks it any more (PEP 3333).

        What it raises then is logged, and changes nothing of an answer that is complete, or of the error before.
        """
        close = getattr(result, "close", None)
        if close is None:
            return
        try:
            close()
        except Exception as error:
            import traceback  # (good applications don't need it)

            where = error.__traceback__.tb_next if error.__traceback__ is not None else None
            said = "".join(traceback.format_exception(type(error), error, where))
            self._req.log_error(f"mod_python.wsgi: close() of what the application returned failed:\n{said}")

    def _bytes(self, data: object) -> bytes:
        """A piece of the body as exact bytes: text goes as UTF-8, as ``req.write`` sends it.

        :raises TypeError: it is neither, or text of an application that is held to the PEP.
        """
        if isinstance(data, bytes):
            return bytes(data)
        refusal = TypeError(f"the application gave a piece of type {type(data).__name__}, but a body consists of bytes")
        if not isinstance(data, str):
            raise refusal
        tolerate(self._req, "gives str where a body consists of bytes: it is sent as UTF-8", refusal)
        return str.encode(data)

    def hand_over(self) -> None:
        """From now on the application alone speaks with the client; the connection ends with the request."""
        req = self._req
        self.handed_over = self._started = self._sent = True
        req.mp_drop_parts()
        req.mp_started = req.mp_finished = True
        req.mp_status = apache.HTTP_SWITCHING_PROTOCOLS  # (for the logs)
        req.mp_link.keep_alive = False

    def reconsider(self, result: object) -> None:
        """The answer is an error, which a process may spare the client.

        :raises BaseException: the request goes to one.
        """
        try:
            self._req.mp_plan.loader.reconsider(self._req)
        except BaseException:
            self.close(result)
            raise

    def fail(self) -> None:
        """The application failed: a response that has begun ends so that the client sees it is not whole."""
        if self._sent and not self._req.mp_finished:
            self._req.mp_aborted()

    def _gone(self, error: ClientGone) -> None:
        """The client left: nothing is wrong with the application."""
        self._req.log_error(str(error), apache.APLOG_INFO)


def _too_early() -> NoReturn:
    raise AssertionError("the application gave a piece of its body, or its end, before it called start_response()")
