"""One request's exchange with a CGI script (RFC 3875)."""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Callable

from mpserver import lazyre
from mpserver.api import constants
from mpserver.api.error_log import ERROR, WARN
from mpserver.api.script_headers import script_headers
from mpserver.errors import ClientGone, RequestError
from mpserver.http1.dates import parse_date
from mpserver.http1.response import REASONS
from mpserver.modules.cgi import SCRIPT_TIMEOUT
from mpserver.modules.cgi.subprocesses import Program
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.input import Input
    from mpserver.api.request import Request


OK, SERVER_ERROR = constants.OK, constants.HTTP_INTERNAL_SERVER_ERROR

#: Scripts of these names write their response as it goes to the client.
NPH = "nph-"


#: What follows the headers (RFC 3875 6.2 wants NL; scripts write what they like).
BLANK = lazyre.compile(rb"\r?\n\r?\n|\A\r?\n")


#: Longer headers are a body whose headers were forgotten.
MOST_HEADERS = 1 << 20


#: So much is read, or written, at a time.
PIECE = 65536


#: A longer line of stderr is logged in pieces.
LINE = 8192


#: What a script's status may be.
STATUSES = range(200, 600)


STATUS = lazyre.compile(r"(\d+)(?:\s|\Z)", re.ASCII)


#: A note of this name lets a script's Content-Length count (as httpd 2.4.59).
TRUST_LENGTH = "ap_trust_cgilike_cl"


class Exchange:
    """One program and its request: their data, in both directions at a time, in bounded memory."""

    __slots__ = (
        "_body", "_broken", "_dropping", "_errors", "_fine", "_head", "_local", "_pending", "_program", "_req",
        "_status", "_timeout", "_write",
    )  # fmt: skip

    def __init__(self, req: Request, program: Program, write: Callable[[bytes], None] | None = None) -> None:
        self._req = req
        self._program = program
        #: Where the output of a program goes that is no script: it has no headers, and gets no body.
        self._write = write
        self._body = req.mp_input if write is None else None
        self._timeout: float = req.mp_plan.conf[SCRIPT_TIMEOUT] or req.mp_server_object.timeout
        #: The headers as far as they came; None behind them.
        self._head: bytearray | None = bytearray() if write is None else None
        #: What is on its way to the program, and the line that it is about to say on stderr.
        self._pending = b""
        self._errors = bytearray()
        #: How the request ends: a status, or where a local redirect leads. What else is written is dropped then.
        self._status = OK
        self._local = ""
        self._dropping = False
        #: The status of a body that is none.
        self._broken = 0
        #: It has said all that it wanted to say.
        self._fine = False

    def end(self, _data: object = None) -> None:
        """The request is over: so is the program."""
        self._program.end(not self._fine)

    def run(self) -> int:
        """All of it. :returns: OK, or the status to answer with.

        :raises ClientGone: the client left, or has to go without the end of the response.
        """
        req, program = self._req, self._program
        if self._write is None and os.path.basename(req.mp_filename or "").startswith(NPH):
            req.mp_assbackwards, req.mp_header_only, self._head = 1, 0, None
            req.mp_link.keep_alive = False
        deadline = time.monotonic() + self._timeout
        while program.stdout >= 0:
            ready = self._wait(deadline)
            if not ready and not self._broken:
                return self._timed_out()
            if program.stdout in ready or program.stderr in ready or program.stdin in ready:
                deadline = time.monotonic() + self._timeout
            if program.stderr in ready:
                self._hear()
            if program.stdout in ready:
                self._read()
            self._feed(ready)
            if self._broken:
                req.mp_cut = True
                return self._broken
        self._hear_out()
        self._fine = True
        if self._head is not None:
            return no_head(req, bytes(self._head))
        if self._local:
            req.mp_internal_redirect(self._local)
        return self._status

    def _wait(self, deadline: float) -> dict[int, int]:
        """What is ready: descriptors, and their events; empty: nothing was, for too long."""
        program, link, body = self._program, self._req.mp_link, self._body
        poll = select.poll()
        poll.register(program.stdout, select.POLLIN)
        if program.stderr >= 0:
            poll.register(program.stderr, select.POLLIN)
        wants = False
        if body is not None and program.stdin >= 0:
            if not self._pending:
                body.invite()
                if body.waiting or body.complete:
                    self._more(body)
                    if self._broken:
                        return {}
            if self._pending:
                poll.register(program.stdin, select.POLLOUT)
            else:
                wants = program.stdin >= 0
        poll.register(link.fd, select.POLLIN if wants else select.POLLRDHUP)
        return dict(poll.poll(max(0.0, deadline - time.monotonic()) * 1000 + 1))

    def _more(self, body: Input) -> None:
        """Take what came of the body; at its end the program's input ends."""
        if not body.waiting and body.complete:
            self._program.close("stdin")
            return
        try:
            self._pending = body.some(PIECE)
        except ClientGone as error:
            if not isinstance(error.__cause__, RequestError):
                raise
            self._broken = error.__cause__.status
        self._req.mp_read_length += len(self._pending)

    def _feed(self, ready: dict[int, int]) -> None:
        """Give the program its input; see whether the client is still there."""
        program, body = self._program, self._body
        if program.stdin in ready and self._pending:
            try:
                sent = os.write(program.stdin, self._pending)
                self._pending = self._pending[sent:]
            except BlockingIOError:
                pass
            except OSError:  # it does not want it: the rest is thrown away with the request
                program.close("stdin")
                self._pending = b""
        event = ready.get(self._req.mp_link.fd, 0)
        if event & select.POLLIN and program.stdin >= 0 and body is not None and not self._pending:
            self._more(body)
        elif event:
            raise ClientGone("the client closed the connection while a script ran for it")

    def _read(self) -> None:
        """Take output."""
        program = self._program
        try:
            data = os.read(program.stdout, PIECE)
        except BlockingIOError:
            return
        if not data:
            program.close("stdout")
        elif self._head is None:
            self._send(data)
        else:
            start = max(0, len(self._head) - 3)
            self._head += data
            end = BLANK.search(self._head, start)
            if end is not None:
                head, rest = bytes(self._head[: end.start()]), bytes(self._head[end.end() :])
                self._head = None
                self._begin(head, rest)
            elif len(self._head) > MOST_HEADERS:
                self._head, self._dropping = None, True
                self._status = _malformed(self._req, b"headers without an end")

    def _begin(self, head: bytes, rest: bytes) -> None:
        """The headers are there."""
        req = self._req
        self._status = set_headers(req, head)
        location = req.mp_headers_out.get("Location") if req.mp_headers_out is not None else None
        if not self._status and location is not None and req.mp_status == constants.HTTP_OK:
            if location.startswith("/"):
                # RFC 3875 6.2.2: a GET, whatever this one was, and without its body
                self._local = location
                del req.headers_out["Location"]
                del req.headers_in["Content-Length"]
                req.mp_method, req.mp_input = "GET", None
            else:
                self._status = constants.HTTP_MOVED_TEMPORARILY  # RFC 3875 6.2.3
        self._dropping = bool(self._status or self._local)
        self._send(rest)

    def _send(self, data: bytes) -> None:
        """Output for the client; it leaves when the program pauses."""
        if not data or self._dropping:
            return
        if self._write is not None:
            self._write(data)
            return
        self._req.mp_write(data, 0)
        poll = select.poll()
        poll.register(self._program.stdout, select.POLLIN)
        if not poll.poll(0):
            self._req.mp_flush()

    # ---- what it says on stderr

    def _hear(self) -> None:
        program = self._program
        try:
            data = os.read(program.stderr, PIECE)
        except BlockingIOError:
            return
        if not data:
            program.close("stderr")
        self._errors += data
        *lines, rest = bytes(self._errors).split(b"\n")
        if len(rest) > LINE or (rest and not data):
            lines.append(rest)
            rest = b""
        self._errors = bytearray(rest)
        for line in lines:
            for at in range(0, len(line) or 1, LINE):
                self._tell(line[at : at + LINE])

    def _tell(self, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace").removesuffix("\r")
        log_script(self._req, ERROR, f"stderr from {self._req.mp_filename}: {text}", 1215)

    def _hear_out(self) -> None:
        """The rest of it, up to the program's end: what it left behind may keep the stream open."""
        program = self._program
        until = time.monotonic() + self._timeout
        while program.stderr >= 0:
            poll = select.poll()
            poll.register(program.stderr, select.POLLIN)
            poll.register(program.watch, select.POLLIN)
            ready = dict(poll.poll(max(0.0, until - time.monotonic()) * 1000))
            if program.stderr in ready:
                self._hear()
            else:
                break
        if self._errors:
            self._tell(bytes(self._errors))
            self._errors.clear()

    def _timed_out(self) -> int:
        req = self._req
        log_script(req, WARN, f"Timeout waiting for output from CGI script {req.mp_filename}", 1220)
        if self._head is not None:
            log_script(
                req,
                ERROR,
                f"Script timed out before returning headers: {os.path.basename(req.mp_filename or '')}",
            )
            return constants.HTTP_GATEWAY_TIME_OUT
        if self._dropping or self._write is not None:
            return self._status or constants.HTTP_GATEWAY_TIME_OUT
        raise ClientGone("a response was cut: its script fell silent")


def set_headers(req: Request, head: bytes) -> int:
    """Make a script's headers those of the response. :returns: OK, or the status to answer with."""
    told = False
    modified = ""
    for line, name, value in script_headers(head):
        if not name:
            return _malformed(req, line.encode("latin-1"))
        key = name.lower()
        try:
            if key == "status":
                told = True
                _set_status(req, value)
            elif key == "content-type":
                req.content_type = value
            elif key == "last-modified":
                modified = value
            elif key == "content-length" and TRUST_LENGTH not in req.subprocess_env:
                continue  # it may be wrong, and then the next response would begin in this one
            elif key in ("location", "content-range", "etag", "content-length"):
                req.headers_out[name] = value
            elif key == "transfer-encoding":
                continue
            else:
                _add(req, name, value)
        except ValueError:
            return _malformed(req, line.encode("latin-1"))
    seconds = parse_date(modified) if modified else None
    if seconds is not None:
        req.mp_update_mtime(seconds)
        req.mp_set_last_modified()
    return req.mp_meets_conditions() if not told and req.mp_method == "GET" else OK


def _set_status(req: Request, value: str) -> None:
    match = STATUS.match(value)
    status = int(match[1]) if match is not None and len(match[1]) == 3 else 0
    if status in STATUSES:
        phrase = value[4:].strip(" \t")
        req.status = status
        if phrase or status not in REASONS:
            req.status_line = f"{status} {phrase}"
        return
    log_script(req, ERROR, f"Invalid status line from script '{_script(req)}': {value[:30]}")
    req.mp_status, req.mp_status_line = SERVER_ERROR, None


def _add(req: Request, name: str, value: str) -> None:
    """A header that is sent whatever the status; values of one name in a row but for cookies (RFC 6265 3)."""
    table = req.err_headers_out
    before = table.get(name) if name.lower() != "set-cookie" else None
    if before is None:
        table.add(name, value)
    else:
        table[name] = f"{before}, {value}"


def no_head(req: Request, head: bytes) -> int:
    """The program ended before its headers did."""
    wrong = next((line for line in head.splitlines() if line and b":" not in line), None)
    if wrong is not None:
        return _malformed(req, wrong)
    what = "Premature end of script headers" if head else "End of script output before headers"
    log_script(req, ERROR, f"{what}: {_script(req)}")
    return SERVER_ERROR


def _malformed(req: Request, line: bytes) -> int:
    text = line[:30].decode("utf-8", "backslashreplace")
    log_script(req, ERROR, f"malformed header from script '{_script(req)}': Bad header: {text}")
    return SERVER_ERROR


def _script(req: Request) -> str:
    return os.path.basename(req.mp_filename or "")


def log_script(req: Request, level: int, text: str, number: int | None = None) -> None:
    """Log what happened with a script, in its request's host; ``number`` is httpd's of such messages."""
    req.mp_log.log(level, text, module="cgi", about=req, number=number)
