"""Requests to handlers without a server: bytes become the object that a handler gets from the server."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mpserver.api import constants
from mpserver.api.connection import Connection
from mpserver.api.constants import SERVER_RETURN
from mpserver.api.input import Input
from mpserver.api.loader import Loader
from mpserver.api.parts import Begun, Part, pieces
from mpserver.api.request import Request
from mpserver.api.runtime import lend
from mpserver.application.services import InterpreterServices
from mpserver.cli.load import read
from mpserver.cli.options import parse as parse_options
from mpserver.errors import ClientGone, RequestError
from mpserver.http1.body import make_body
from mpserver.http1.head import parse_head
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.modules.python.dispatch import PHASE_HANDLERS
from mpserver.phases.host import Host
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.plan import InterpreterId, plan_of
from mpserver.phases.running import run_steps
from mpserver.phases.survey import finish
from mpserver.serving.boot import Boot
from mpserver.system.log_targets import log_key
from mpserver.testing.reply import Reply, parse
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.stream import Encryption

#: The configuration of a bench; {} is its folder.
CONF = """
ServerRoot "{}"
Listen 127.0.0.1:80
ServerName localhost
DocumentRoot "{}"
ErrorLog "{}/error.log"
LogLevel info
<Directory "{}">
    Require all granted
</Directory>
"""

CLIENT, SERVER = ("127.0.0.1", 50000), ("127.0.0.1", 80)


class Wire:
    """Stands for a client's connection: the bytes of the request have come, those of the response are kept."""

    fd = -1
    sock = None
    tls: Encryption | None = None
    agent: tuple[str, int] | None = None
    requests_left = -1
    keep_alive_timeout = 5.0
    timeout = 60.0
    client = CLIENT
    lets_wait = is_behind = False

    def may_wait(self) -> bool:
        """See `mpserver.api.stream.Link`."""
        return True

    def __init__(self, host: Host, rest: bytes) -> None:
        self.keep_alive = True
        self.input: Input | None = None
        self.sent = bytearray()
        self._rest = rest
        self._connection = Connection(1, CLIENT, SERVER, host.object, host.log)

    def connection(self) -> Connection:
        """See `mpserver.api.stream.Link`, as for what follows."""
        return self._connection

    def client_name(self) -> str | None:
        """Nobody looks it up."""
        return None

    def await_sent(self) -> None:
        """Nobody has to take what is sent."""

    def hold(self, _head: bytes, _body: bytes) -> bool:
        """Nothing is held."""
        return False

    def take_held(self) -> Begun | None:
        """Nothing is held."""
        return None

    def send(self, parts: list[Part]) -> None:
        """Keep what is sent."""
        for piece in pieces(list(parts)):
            self.sent += piece

    finish = send

    def finish_whole(self, data: bytes) -> None:
        """Keep what is sent."""
        self.sent += data

    def receive(self) -> bytes:
        """All has come already: who waits for more has a request that is not whole."""
        raise ClientGone("Client read error (the bytes of the request end before its body does)")

    def receive_any(self) -> bytes:
        """The client sends no more."""
        return b""

    def take_read(self) -> bytes:
        """What came after the request."""
        rest, self._rest = self._rest, b""
        return rest

    def unread(self, data: bytes) -> None:
        """What came after the request."""
        self._rest = data + self._rest


class Bench:
    """A place where handlers are called without a server.

    ``conf``: directives that hold for its requests, such as ``PythonOption`` lines. ``folder``: the DocumentRoot,
    where the error log is written, too; None: one that is removed by `close`. In one process the last one that was made
    is what functions of ``mod_python.apache`` speak to.
    """

    def __init__(self, conf: str = "", folder: str | os.PathLike[str] | None = None) -> None:
        self._own = (
            tempfile.TemporaryDirectory(prefix="mpserver-", ignore_cleanup_errors=True) if folder is None else None
        )
        self.folder = Path(self._own.name if self._own is not None else os.fspath(folder or ".")).absolute()
        self._log = self.folder / "error.log"
        file = self.folder / "bench.conf"
        file.write_text(CONF.replace("{}", str(self.folder)) + conf + "\n")
        try:
            configuration = read(parse_options(["-f", str(file)]))
        finally:
            file.unlink()
        self._finished = finish(configuration)
        self._log_fd = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        logs = {log_key(configuration.root, str(self._log)): self._log_fd}
        self._loader = Loader()
        self._pipeline = Pipeline(self._finished, logs, 0, self._loader, {})
        self._host = self._pipeline.planner.host(self._finished.main)
        self._board = Scoreboard.create(1)
        place = InterpreterId("main", "bench", ())
        boot = Boot(place, "main", 1, 0, 0, self._finished, logs, self._board.fd, True)
        lend(InterpreterServices(boot, self._host, self._loader, self._board.entry(0, 1), self._board))

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its files; and remove its folder, where that is its own."""
        if self._log_fd >= 0:
            os.close(self._log_fd)
            self._log_fd = -1
        if self._own is not None:
            self._own.cleanup()

    def log(self) -> str:
        """What was written to the error log."""
        return self._log.read_text(errors="replace")

    def request(self, data: bytes) -> Request:
        """The request object for the bytes of a request, as a handler gets it.

        :raises ValueError: this is no whole head of a request.
        """
        host = self._host
        try:
            head = parse_head(data, host.limits)
        except RequestError as error:
            raise ValueError(f"this is no request: {error.reason}") from error
        if head is None:
            raise ValueError("the head of the request does not end: an empty line is missing (\\r\\n\\r\\n)")
        wire = Wire(host, b"" if head.length else data[head.size :])
        req = Request(wire, head, host, self._pipeline.clock, time.time())
        located = self._pipeline.planner.locate(host, head.path)
        if head.length:
            req.mp_input = wire.input = Input(wire, make_body(head, located.plan.limit_body), data[head.size :], False)
        req.mp_settle(self._pipeline.planner.refined(req, host, located))
        return req

    def call(self, handler: Callable[[Any], object], data: bytes | Request) -> Reply:
        """Call a handler with a request, after the phases before it, and end the request as the server does.

        :raises Exception: whatever the handler raises, other than ``apache.SERVER_RETURN``.
        """
        req = self.request(data) if isinstance(data, bytes) else data
        pipeline, wire = self._pipeline, req.mp_link
        assert isinstance(wire, Wire)
        status = run_steps(req, plan_of(req), content=lambda _req: constants.OK)
        if not status:
            status = self._content(handler, req)
        if status:
            pipeline.end(req, status)
        else:
            req.mp_finish()
        req.mp_is_over = True
        pipeline.close(req)
        return parse(bytes(wire.sent), req.mp_head.method)

    def _content(self, handler: Callable[[Any], object], req: Request) -> int:
        try:
            result = handler(req)
        except SERVER_RETURN as raised:
            result = PHASE_HANDLERS.returned(req, raised)
        return result if type(result) is int else PHASE_HANDLERS.checked(None, result)  # type: ignore[arg-type]

    def get(self, handler: Callable[[Any], object], path: str = "/", headers: Mapping[str, str] | None = None) -> Reply:
        """`call` with a GET of a path."""
        return self.ask(handler, "GET", path, None, headers)

    def ask(
        self, handler: Callable[[Any], object], method: str, path: str, body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:  # fmt: skip
        """`call` with a request of these parts."""
        return self.call(handler, head(method, path, body, headers or {}) + (body or b""))


def head(method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
    """The head of a request."""
    known = {name.lower() for name in headers}
    lines = [f"{method} {path} HTTP/1.1"]
    if "host" not in known:
        lines.append("Host: localhost")
    if body is not None and not known & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")
