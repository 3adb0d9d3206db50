"""Sub-requests, for parts of a page: a request for another resource of the server, whose output goes into the page.

They are like httpd's: a GET with the client's headers, without those about a body, conditions and ranges. Each goes
through its phases, but has no log line, and its head is not sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.api.parts import Begun, Part, pieces
from mpserver.api.stream import Link
from mpserver.errors import ClientGone, ConfigError
from mpserver.http1.percent import encode_path
from mpserver.modules.hooks import SCRIPT_HANDLER, Step
from mpserver.modules.python.moving import is_plain
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.api.connection import Connection
    from mpserver.api.input import Input
    from mpserver.api.request import Request
    from mpserver.phases.host import Host
    from mpserver.phases.planner import Planner

OK, DONE = constants.OK, constants.DONE

#: How deep pages may include each other (httpd's LimitInternalRecursion).
DEPTH = 10
#: Headers that concern nothing but the client's own request.
OWN = frozenset(
    (
        "content-encoding", "content-language", "content-length", "content-location", "content-range", "content-type",
        "transfer-encoding", "expect", "range", "if-match", "if-none-match", "if-modified-since", "if-range",
        "if-unmodified-since",
    )
)  # fmt: skip

#: Puts bytes into the page.
Write = Callable[[bytes], None]


class PageLink:
    """The link of a part: what is sent goes into the page. Implements `mpserver.api.stream.Link`."""

    __slots__ = (
        "_outer",
        "_write",
        "fd",
        "input",
        "keep_alive",
        "keep_alive_timeout",
        "requests_left",
        "timeout",
    )

    def __init__(self, outer: Link, write: Write) -> None:
        self._outer, self._write = outer, write
        self.fd, self.timeout = outer.fd, outer.timeout
        self.input: Input | None = None
        self.keep_alive, self.requests_left, self.keep_alive_timeout = False, 0, 0.0

    def connection(self) -> Connection:
        """See `Link`; the client's."""
        return self._outer.connection()

    def hold(self, head: bytes, body: bytes) -> bool:
        """See `Link`: nothing waits."""
        return False

    def take_held(self) -> Begun | None:
        """See `Link`."""
        return None

    def send(self, parts: list[Part]) -> None:
        """See `Link`."""
        for data in pieces(parts):
            if data:
                self._write(data)

    finish = send

    def finish_whole(self, data: bytes) -> None:
        """See `Link`."""
        self._write(data)

    def receive(self) -> bytes:
        """See `Link`: a part has no body."""
        return b""

    def unread(self, data: bytes) -> None:
        """See `Link`."""


class Successor(Protocol):
    """Makes a request with the head of another one, for a server and a link; `Pipeline.successor` does."""

    def __call__(self, req: Request, host: Host, link: Link) -> Request:
        """Make it; ``req``: the other one."""


class SubRequests:
    """Makes and runs them for the pages of one pipeline.

    :param leave: gives back what a request holds, see `mpserver.phases.ending.Ending.leave`.
    """

    def __init__(self, planner: Planner, successor: Successor, leave: Callable[[Request], None]) -> None:
        self._planner, self._successor, self._leave = planner, successor, leave

    def include(self, req: Request, uri: str, write: Write, *, script: bool = False) -> int:
        """Serve a resource into a page.

        :param uri: absolute, or relative to that of ``req``; %-encoded, may have a query.
        :param script: run it as a CGI script, with the page's own query and path_info.
        :returns: OK, or the status that it failed with.
        :raises ClientGone: nobody is there any more.
        """
        sub = self._make(req, uri, write)
        if isinstance(sub, int):
            return sub
        if script:
            if sub.mp_path_info or sub.mp_args:
                return constants.HTTP_BAD_REQUEST
            sub.mp_path_info, sub.mp_args = req.mp_path_info, req.mp_args
        status = self._run(sub, sub.mp_plan.named(SCRIPT_HANDLER) if script else sub.mp_plan.content)
        if script or sub.mp_ran or not is_plain(sub):
            req.mp_ran = True
        if sub.connection.aborted:
            raise ClientGone("the client left while a page was put together")
        return status

    def find(self, req: Request, uri: str) -> os.stat_result | None:
        """What stat says of the file that a URI leads to, if the client may have it."""
        sub = self._make(req, uri, lambda data: None)
        if isinstance(sub, int) or self._run(sub, lambda _sub: OK):
            return None
        found: os.stat_result | None = sub.mp_stat
        return found

    def may_have(self, req: Request, uri: str) -> bool:
        """Whether the client may have what a URI leads to; it need not exist, as in httpd."""
        sub = self._make(req, uri, lambda data: None)
        return not isinstance(sub, int) and not self._run(sub, lambda _sub: OK)

    def _make(self, req: Request, uri: str, write: Write) -> Request | int:
        """The request for a part, or the status why there is none."""
        depth, outer = 0, req
        while outer.mp_main is not None:
            depth, outer = depth + 1, outer.mp_main
        if depth >= DEPTH:
            text = f"Request exceeded the limit of {DEPTH} subrequest nesting levels: {uri}"
            req.mp_log.log(ERROR, text, client=req.connection.client_addr, number=125)
            return constants.HTTP_INTERNAL_SERVER_ERROR
        path, question, query = uri.partition("?")
        path = path.encode("utf-8", "surrogateescape").decode("latin-1")
        if not path.startswith("/"):
            path = encode_path(req.mp_uri[: req.mp_uri.rfind("/") + 1]) + path
        host = self._planner.host(req.mp_server)
        try:
            located = self._planner.locate(host, path)
        except ConfigError as error:
            req.mp_log.log(ERROR, str(error), client=req.connection.client_addr)
            return error.status
        sub = self._successor(req, host, PageLink(req.mp_link, write))
        sub.mp_become_part(req, path, query if question else None, OWN)
        if located.plan.branches:
            located = self._planner.refined(sub, host, located)
        plan = located.plan
        if located.resource.status:
            return located.resource.status
        if plan.needs_python and plan.interpreter_id != req.mp_plan.interpreter_id:
            text = f"{uri} belongs to the interpreter {plan.interpreter}, but the page to {req.interpreter}"
            req.mp_log.log(ERROR, text, client=req.connection.client_addr)
            return constants.HTTP_INTERNAL_SERVER_ERROR
        sub.mp_settle(located)
        return sub

    def _run(self, sub: Request, content: Step) -> int:
        try:
            status = self._phases(sub, content)
            if status in (OK, DONE):
                sub.mp_finish()
                return OK
            sub.mp_drop_parts()
            return status
        finally:
            self._leave(sub)

    def _phases(self, sub: Request, content: Step) -> int:
        try:
            for step in sub.mp_plan.steps:
                result = step(sub)
                if result not in (OK, constants.DECLINED):
                    return int(result)
            return content(sub)
        except ClientGone:
            raise
        except OSError as error:
            text = f"{sub.mp_filename or sub.mp_uri}: {error}"
            sub.mp_log.log(ERROR, text, client=sub.connection.client_addr)
            return constants.HTTP_INTERNAL_SERVER_ERROR
