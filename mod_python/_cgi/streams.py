"""What a CGI script reads and writes: its standard streams, as a request's body and response."""

from __future__ import annotations

import io
import os
import re

from mod_python._cgi.environment import build_cgi_env
from mpserver.api.constants import HTTP_INTERNAL_SERVER_ERROR, HTTP_MOVED_TEMPORARILY
from mpserver.api.script_headers import script_headers
from mpserver.api.sent_text import as_sent
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request


#: What follows the headers (RFC 3875 6.2 wants NL; scripts write what they like).
BLANK = re.compile(rb"\r?\n\r?\n|\A\r?\n")


#: Longer headers are a body whose headers were forgotten.
MOST_HEADERS = 1 << 20


#: CGI's ``Status: 404 Not Found`` (RFC 3875 6.3.3).
STATUS = re.compile(r"([1-5][0-9]{2})(?: +(.*))?")


def variables(req: Request) -> dict[str, str]:
    """The request's CGI variables, as a process would find them: bytes as UTF-8, others as surrogate escapes."""
    env: dict[str, Any] = dict(build_cgi_env(req).items())
    for name, value in env.items():
        if value is None:
            env[name] = ""
        elif not value.isascii():
            env[name] = as_sent(req, value).encode("latin-1").decode("utf-8", "surrogateescape")
    return env


class _Body(io.RawIOBase):
    """The request's body, for a buffered reader."""

    def __init__(self, req: Request) -> None:
        self._req = req

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._req.read(len(view))
        view[: len(data)] = data
        return len(data)


def stdin(req: Request) -> io.TextIOWrapper:
    """A request's body as a text file: UTF-8, other bytes as surrogate escapes."""
    buffer = io.BufferedReader(_Body(req), 65536)
    return io.TextIOWrapper(buffer, "utf-8", "surrogateescape", newline="\n")


class ScriptOutput(io.BufferedIOBase):
    """``sys.stdout.buffer``: takes the headers off what a script writes, and sends the rest."""

    def __init__(self, req: Request) -> None:
        self._req = req
        self._head: bytearray | None = bytearray()
        #: Nothing more is taken.
        self.ended = False
        #: A flush only brings here what the text file has, and nothing to the client.
        self.collecting = False
        #: Where a CGI redirect leads (RFC 3875 6.2.2), and the status of a head that can't be used.
        self._local = ""
        self._failed = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        """Take a piece of the output. :raises ValueError: a header can't be sent."""
        piece = bytes(data)
        if self.ended:
            raise ValueError("the request of this output is over")
        if self._head is None:
            self._send(piece)
            return len(piece)
        start = max(0, len(self._head) - 3)
        self._head += piece
        end = BLANK.search(self._head, start)
        if end is not None:
            head, rest = bytes(self._head[: end.start()]), bytes(self._head[end.end() :])
            self._head = None
            self._failed = self._headers(head)
            self._send(rest)
        elif len(self._head) > MOST_HEADERS:
            self._head = None
            self._failed = self._bad("headers without an end")
        return len(piece)

    def flush(self) -> None:
        """Send to the client what is there, once the headers are complete."""
        if self._head is None and not (self._failed or self._local or self.ended or self.collecting):
            self._req.flush()

    def _send(self, data: bytes) -> None:
        if data and not (self._failed or self._local):
            self._req.write(data, 0)

    def _headers(self, head: bytes) -> int:
        """Set the response's headers. :returns: 0, or 500 where they are none."""
        req = self._req
        location, status = "", False
        for line, name, value in script_headers(head):
            if not name:
                return self._bad(f"bad header: {line[:80]!r}")
            lower = name.lower()
            if lower == "status":
                match = STATUS.fullmatch(value)
                if match is None:
                    return self._bad(f"bad status: {value[:80]!r}")
                req.status, status = int(match[1]), True
                req.status_line = f"{match[1]} {match[2] or ''}"
            elif lower == "content-type":
                req.content_type = value
            else:
                req.headers_out.add(name, value)
                if lower == "location":
                    location = value
        if location and not status:
            if location.startswith("/") and req.method in ("GET", "HEAD"):
                self._local = location
            else:
                req.status = HTTP_MOVED_TEMPORARILY  # RFC 3875 6.2.3
        return 0

    def _bad(self, what: str) -> int:
        self._req.log_error(f"{what} in the output of the CGI script {self._req.filename}")
        return HTTP_INTERNAL_SERVER_ERROR

    def end(self, script: str) -> int:
        """The script is done. :returns: the handler's result."""
        self.ended = True
        if self._head is not None:
            self._req.log_error(f"premature end of script headers: {os.path.basename(script)}")
            return HTTP_INTERNAL_SERVER_ERROR
        if self._local:
            del self._req.headers_out["Location"]
            self._req.internal_redirect(self._local)
        return self._failed


class _Output(io.TextIOWrapper):
    """``sys.stdout``: text, and bytes where a script writes them here. All leaves in the order in which it came."""

    def write(self, text: Any, /) -> int:
        if isinstance(text, bytes | bytearray | memoryview):
            self.buffer.write(bytes(text))
            return len(text)
        return super().write(text)

    @property
    def buffer(self) -> Any:
        sink: Any = super().buffer
        sink.collecting = True
        super().flush()
        sink.collecting = False
        return sink


def stdout(sink: ScriptOutput, through: bool = False) -> io.TextIOWrapper:
    """The text file that writes to a sink; ``through``: each piece at once."""
    return _Output(sink, "utf-8", "surrogateescape", newline="\n", write_through=through)  # type: ignore[arg-type]


def collect(stream: io.TextIOWrapper) -> None:
    """Bring what the text file holds to the sink; nothing is sent yet."""
    try:
        stream.buffer  # noqa: B018
    except ValueError:
        pass  # the script has closed or detached it
