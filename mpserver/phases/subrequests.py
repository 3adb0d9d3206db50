"""Sub-requests: requests for other resources of the server, which the main one makes for a part of a page or an index.

They are like httpd's: a GET with the client's headers, without those about a body, conditions and ranges. Each goes
through its phases (header parsers aside) and its own cleanups, but has no log line, and its head is not sent. The
output of a part goes into the page. A look-up ends before its content; the main request takes its place if it is good.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from stat import S_ISREG

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.api.parts import Begun, Part, pieces
from mpserver.api.stream import Link
from mpserver.api.table import Table
from mpserver.errors import ClientGone, ConfigError, Moves
from mpserver.http1.percent import encode_path
from mpserver.http1.wire import encoded
from mpserver.modules.dir import DIRECTORY_SLASH
from mpserver.modules.dir.hooks import redirect_to_slash
from mpserver.modules.hooks import SCRIPT_HANDLER, Step
from mpserver.modules.python.moving import is_plain
from mpserver.phases import gates, known_indexes
from mpserver.phases.plan import plan_of
from mpserver.phases.running import elsewhere, run_steps
from mpserver.typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from mpserver.api.connection import Connection
    from mpserver.api.input import Input
    from mpserver.api.loader import Loader
    from mpserver.api.request import Request
    from mpserver.phases.host import Host
    from mpserver.phases.located import Located
    from mpserver.phases.plan import Plan
    from mpserver.phases.planner import Planner
    from mpserver.phases.translate import Resource

OK, DONE = constants.OK, constants.DONE

#: How deep pages may include each other (httpd's LimitInternalRecursion).
DEPTH = 10
#: What a look-up fails with that the client has to learn all of, where it was the only one (httpd's mod_dir).
TOLD = frozenset({constants.HTTP_UNAUTHORIZED, constants.HTTP_NOT_ACCEPTABLE})

#: Puts bytes into the page.
Write = Callable[[bytes], None]


class PageLink:
    """The link of a part: what is sent goes into the page. Implements `mpserver.api.stream.Link`."""

    __slots__ = (
        "_outer",
        "_write",
        "agent",
        "client",
        "fd",
        "input",
        "keep_alive",
        "keep_alive_timeout",
        "requests_left",
        "sock",
        "timeout",
        "tls",
    )

    def __init__(self, outer: Link, write: Write) -> None:
        self._outer, self._write = outer, write
        self.fd, self.timeout, self.tls, self.agent = outer.fd, outer.timeout, outer.tls, outer.agent
        self.client = outer.client
        self.input: Input | None = None
        self.sock = None
        self.keep_alive, self.requests_left, self.keep_alive_timeout = False, -1, 0.0

    #: See `Link`: whatever makes a part of a page goes through all of it.
    lets_wait = is_behind = False

    def may_wait(self) -> bool:
        """As above."""
        return self._outer.may_wait()

    def connection(self) -> Connection:
        """See `Link`; the client's."""
        return self._outer.connection()

    def client_name(self) -> str | None:
        """As above."""
        return self._outer.client_name()

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

    def await_sent(self) -> None:
        """See `Link`: it is the page's."""

    def finish_whole(self, data: bytes) -> None:
        """See `Link`."""
        self._write(data)

    def receive(self) -> bytes:
        """See `Link`: a part has no body."""
        return b""

    def receive_any(self) -> bytes:
        """There is nothing to receive."""
        return b""

    def take_read(self) -> bytes:
        """As above."""
        return b""

    def unread(self, data: bytes) -> None:
        """See `Link`."""


class Looked(NamedTuple):
    """What a look at another resource has found: its status (of an HTTP response), its file's stat, type and coding."""

    status: int
    stat: os.stat_result | None = None
    filename: str | None = None
    media: str | None = None
    encoding: str | None = None
    languages: tuple[str, ...] = ()
    handler: str | None = None

    @property
    def is_file(self) -> bool:
        """Whether the client may have it, and it is a file."""
        return self.status < 300 and self.stat is not None and S_ISREG(self.stat.st_mode)

    @property
    def names_file(self) -> bool:
        """Whether a file is meant, which may be missing; else a handler alone knows what is there."""
        return self.filename is not None


class Ways(Protocol):
    """What a pipeline does for sub-requests."""

    planner: Planner
    loader: Loader | None

    def successor(self, req: Request, host: Host, link: Link, /) -> Request:
        """A request with the head of another one, for a server and a link."""

    def follow(self, req: Request, host: Host, path: str, /, *, anew: bool) -> Located | int:
        """See `mpserver.phases.redirects.Redirects.follow`."""

    def is_elsewhere(self, plan: Plan, /) -> bool:
        """See `mpserver.phases.redirects.Redirects.is_elsewhere`."""

    def leave(self, req: Request, /) -> None:
        """See `mpserver.phases.ending.Ending.leave`."""

    def clean_up(self, req: Request, /) -> None:
        """See `mpserver.phases.ending.Ending.clean_up`."""


class SubRequests:
    """Makes and runs them for the requests of one pipeline."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways

    # ---- parts of pages

    def include(self, req: Request, uri: str, write: Write, *, script: bool = False) -> int:
        """Serve a resource into a page.

        :param uri: absolute, or relative to that of ``req``; %-encoded, may have a query.
        :param script: run it as a CGI script, with the page's own query and path_info.
        :returns: OK, or the status that it failed with.
        :raises ClientGone: nobody is there any more.
        """
        sub = self._make(req, encoded(uri), write)
        if isinstance(sub, int):
            return sub
        assert sub.headers_in is not None  # (made here: what serves files looks at the head where there are none)
        if script:
            if sub.mp_path_info or sub.mp_args:
                return constants.HTTP_BAD_REQUEST
            sub.mp_path_info, sub.mp_args = req.mp_path_info, req.mp_args
        status = self._part(sub, sub.mp_plan.named(SCRIPT_HANDLER) if script else sub.mp_plan.content)
        if script or sub.mp_ran or not is_plain(sub):
            req.mp_ran = True
        if sub.connection.aborted:
            raise ClientGone("the client left while a page was put together")
        return status

    def find(self, req: Request, uri: str) -> os.stat_result | None:
        """What stat says of the file that a URI leads to, if the client may have it."""
        sub = self._make(req, encoded(uri), lambda data: None)
        if isinstance(sub, int):
            return None
        sub.mp_is_lookup = True
        if self._part(sub, lambda _sub: OK):
            return None
        found: os.stat_result | None = sub.mp_stat
        return found

    def may_have(self, req: Request, uri: str) -> bool:
        """Whether the client may have what a URI leads to; it need not exist, as in httpd."""
        sub = self._make(req, encoded(uri), lambda data: None)
        return not isinstance(sub, int) and not self._part(sub, lambda _sub: OK)

    def look_at(self, req: Request, uri: str) -> Looked:
        """What a URI leads to, without its content, as the client may have it."""
        sub = self._make(req, encoded(uri), lambda data: None, looking=True)
        if isinstance(sub, int):
            return Looked(sub)
        sub.mp_is_lookup = True
        status = self._run(sub, lambda _sub: OK)
        looked = Looked(
            sub.mp_status if status in (OK, DONE) else status, sub.mp_stat, sub.mp_filename, sub.mp_content_type,
            sub.mp_content_encoding, sub.mp_content_languages, sub.mp_handler,
        )  # fmt: skip
        self._ways.clean_up(sub)
        return looked

    def may_have_statically(self, req: Request, uri: str) -> bool:
        """Whether the client may have it, for who chooses the interpreter: where an application decides, it is no."""
        status, _found = self._ahead(req, uri, lambda _sub: "")
        return status in (OK, constants.HTTP_OK)

    def ask_ahead(self, req: Request, uri: str, read: Callable[[Request], str]) -> str:
        """What a request for another URI knows after its phases; "" where it fails, or an application takes part."""
        return self._ahead(req, uri, read)[1]

    def _ahead(self, req: Request, uri: str, read: Callable[[Request], str]) -> tuple[int, str]:
        sub = self._make(req, encoded(uri), lambda data: None, looking=True)
        if isinstance(sub, int):
            return sub, ""
        plan = plan_of(sub)
        if not plan.needs_python:
            status = self._run(sub, lambda _sub: OK)
        else:
            status = constants.HTTP_FORBIDDEN if plan.phases.has_gates else OK
        found = "" if status else read(sub)
        self._ways.clean_up(sub)
        return status, found

    def _part(self, sub: Request, content: Step) -> int:
        """Run one to its end. :returns: OK, or the status that it failed with."""
        status = self._run(sub, content, _finish)
        self._ways.clean_up(sub)
        return OK if status == DONE else status

    # ---- an index

    def look_up(self, req: Request, uri: str, sole: bool, /) -> int:
        """Make a request the one for another resource, up to its content; see `mpserver.modules.hooks.Engine`."""
        known = req.mp_located.indexes
        if known is not None and req.mp_main is None:
            found: int | None = known.go_on(req, uri, self._ways.is_elsewhere)
            if found is not None:
                return found
        sub = self._make(req, uri, lambda data: req.mp_write(data, 0), is_lookup=True)
        if isinstance(sub, int):
            return sub
        sub.mp_share_body(req)
        located = sub.mp_located
        status = self._run(sub, _is_index)
        if status == DONE and sub.mp_located is not located:  # (it went on as another one itself)
            status = _is_index(sub)
        elif req.mp_is_directory and plan_of(req).phases.plain is not None:
            known_indexes.remember(req, uri, sub, status)
        if status == OK:
            req.mp_take_over(sub)
            if sub.mp_cleanups or sub.mp_added or plan_of(sub).phases.cleanup:
                req.mp_index = sub
            return OK
        _finish(sub, status)
        if 300 <= status < 400 or (sole and status in TOLD):
            req.mp_add_headers(sub)
        self._ways.clean_up(sub)
        return status

    # ---- all of them

    def _make(
        self, req: Request, uri: str, write: Write, is_lookup: bool = False, *, looking: bool = False
    ) -> Request | int:
        """A sub-request with its plan, or the status why there is none.

        :param looking: it will not get to its content.
        """
        depth, outer = 0, req
        while outer.mp_main is not None:
            depth, outer = depth + 1, outer.mp_main
        if depth >= DEPTH:
            text = f"Request exceeded the limit of {DEPTH} subrequest nesting levels: {uri}"
            req.mp_log.log(ERROR, text, about=req, number=125)
            return constants.HTTP_INTERNAL_SERVER_ERROR
        path, question, query = uri.partition("?")
        if not path.startswith("/"):
            path = encode_path(req.mp_uri[: req.mp_uri.rfind("/") + 1]) + path
        ways = self._ways
        host = ways.planner.host(req.mp_server)
        sub = ways.successor(req, host, PageLink(req.mp_link, write))
        sub.mp_become_part(req, path, query if question else None)
        sub.mp_is_lookup, sub.mp_is_part = is_lookup, True
        if req.mp_env is not None:  # (its access control may ask for variables of the request)
            sub.mp_env = Table.from_pairs(req.mp_env.pairs())
        try:
            status = self._settle(sub, req, host, path, looking=looking)
        except Moves:
            ways.leave(sub)
            raise
        if status:
            ways.leave(sub)
            return status
        return sub

    def _settle(self, sub: Request, req: Request, host: Host, path: str, *, looking: bool) -> int:
        """Find its resource and plan. :returns: 0, or the status why it has none here."""
        ways = self._ways
        try:
            located = ways.follow(sub, host, path, anew=False)
        except ConfigError as error:
            req.mp_log.log(ERROR, str(error), about=req)
            return error.status
        if isinstance(located, int):
            return located
        resource, plan = located.resource, located.plan
        if resource.status:
            return resource.status
        away = plan.needs_python and (ways.loader is None or plan.interpreter_id != req.mp_plan.interpreter_id)
        if looking:
            if away:  # (what decides about access there can't be asked here)
                return constants.HTTP_FORBIDDEN if plan.phases.has_gates else constants.HTTP_OK
        elif sub.mp_is_lookup and ways.loader is not None and req.mp_main is None:
            if ways.is_elsewhere(plan):
                if not (_is_file(resource) or _leads_on(resource, resource.uri)):
                    return constants.HTTP_NOT_FOUND
                raise Moves(plan.interpreter_id)  # (the request for the directory goes on there)
        elif away:
            return elsewhere(req, resource.uri, plan.interpreter_id)
        sub.mp_settle(located)
        if gates.admits(host.server, req.mp_located.resource, resource):
            sub.mp_admitted = True
            sub.mp_take_user(req)
        return OK

    def _run(self, sub: Request, content: Step, then: Callable[[Request, int], None] | None = None) -> int:
        """Its steps and its content; ``then`` gets the status. :returns: it."""
        try:
            status = run_steps(sub, plan_of(sub), content=content)
            if then is not None:
                then(sub, status)
        except BaseException:  # (the client left; or it goes to another interpreter, with its page)
            self._ways.leave(sub)
            raise
        return status


def _finish(sub: Request, status: int) -> None:
    """What it wrote goes on, or is given up."""
    if status in (OK, DONE):
        sub.mp_finish()
    else:
        sub.mp_drop_parts()


def _is_index(req: Request) -> int:
    """An index is a file that is there, or what no file is meant by; a directory leads to its name with a slash."""
    resource = req.mp_located.resource
    if _leads_on(resource, resource.uri):
        return redirect_to_slash(req)
    return OK if _is_file(resource) else constants.HTTP_NOT_FOUND


def _leads_on(resource: Resource, uri: str) -> bool:
    """Whether it is a directory whose clients are sent to its name with a slash."""
    return resource.is_directory and bool(resource.conf[DIRECTORY_SLASH]) and not uri.endswith("/")


def _is_file(resource: Resource) -> bool:
    return resource.filename is None or (resource.finfo is not None and S_ISREG(resource.finfo.st_mode))
