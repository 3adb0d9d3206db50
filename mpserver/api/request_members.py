"""What a request holds: the members of ``req`` by the manual's names (4.5.3), and the engine's below them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from mpserver.api import constants
from mpserver.api import uri as uri_module
from mpserver.api.answer import Answer
from mpserver.api.file_info import FileInfo
from mpserver.api.handler_list import HandlerEntry, HandlerList, RunningHandlers
from mpserver.api.input import Receiving
from mpserver.api.members import ReadOnly, integer, path, readonly, text, text_or_none, writable
from mpserver.api.request_tables import RequestTables
from mpserver.api.table import Table
from mpserver.http1 import wire
from mpserver.typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from mpserver.api.connection import Connection
    from mpserver.api.error_log import ErrorLog
    from mpserver.api.output import OutputChain
    from mpserver.api.own_framing import OwnChunks
    from mpserver.api.own_settings import OwnSettings
    from mpserver.api.plan import RequestPlan
    from mpserver.api.response_head import Clock
    from mpserver.api.server import Server
    from mpserver.api.stream import Link
    from mpserver.http1.head import Head


def _finfo(name: str, value: Any) -> FileInfo:
    if not isinstance(value, FileInfo):
        raise TypeError("finfo must be a finfoobject")
    return value


class RequestMembers(RequestTables, Answer, Receiving):
    """All that a request holds, without what it does; `mpserver.api.request.Request` is the whole.

    The engine works on the attributes that begin with ``mp_``: all other names that are not the manual's belong
    to applications. Those that few requests need have their default here and are made when first looked at.
    """

    #: What the usual request writes or asks for; attributes of applications, and the rest, are in the dictionary,
    #: which is made when there are any.
    __slots__ = (
        "mp_args", "mp_canonical_filename",
        "mp_duration", "mp_filename", "mp_finfo", "mp_handler", "mp_host", "mp_input",
        "mp_is_directory", "mp_is_over", "mp_located", "mp_method", "mp_path_info",
        "mp_phase", "mp_plan", "mp_running", "mp_spans", "mp_stat", "mp_table_in",
        "mp_uri",
    )  # fmt: skip

    mp_next: Self | None = None
    mp_prev: Self | None = None
    mp_added: dict[str, list[HandlerEntry]] | None = None
    #: How much of the body was read, in bytes.
    mp_read_length = 0
    mp_err_headers_out: Table | None = None
    mp_chain: OutputChain | None = None
    mp_assbackwards = mp_no_cache = 0
    #: Whether access, authentication and authorisation are behind it, by the request before it or its main request;
    #: whether it is the look-up of an index.
    mp_admitted = mp_is_lookup = False
    mp_origin = b""
    #: Whether what its head alone decides was done.
    mp_begun = False
    #: Whether the flag END has stopped the rules for it.
    mp_rewriting_ended = False
    #: What changes the head of the response just before it is made; then `mp_head_depends` is set.
    mp_before_head: Sequence[Callable[[Any], int]] = ()
    #: What was asked for of the Python directives and the PythonOptions in effect, which applications may have changed.
    mp_config: OwnSettings | None = None
    mp_options: OwnSettings | None = None
    mp_main: Self | None = None
    #: The variables of the page of server side includes that it is.
    mp_page_variables: Any = None
    mp_proxyreq = constants.PROXYREQ_NONE
    mp_allowed = 0
    mp_allowed_methods: tuple[str, ...] = ()
    mp_mtime = 0.0
    mp_vlist_validator: str | None = None
    mp_user: str | None = None
    #: What a handler raised, in a line, for the interpreter's account.
    mp_failure: str | None = None
    mp_ap_auth_type: str | None = None
    mp_no_local_copy = 0
    mp_used_path_info = constants.AP_REQ_DEFAULT_PATH_INFO
    mp_extension: str | None = None
    #: Filters that the request registered: handler and directory by "in" or "out" and name.
    mp_filters: dict[tuple[str, str], tuple[str, str | None]] | None = None
    #: Those that applications have put in: "in" or "out" and name.
    mp_asked_filters: tuple[tuple[str, str], ...] = ()
    #: What an application has set `finfo` to.
    mp_own_finfo: FileInfo | None = None
    mp_original_status = 200
    mp_redirects = 0
    mp_log_id: str | None = None
    #: Whether the error log has what is told once about a request.
    mp_is_logged = False
    #: The user agent's address, where a proxy has told it; None: it is the connection's.
    mp_agent: tuple[str, int] | None = None
    #: What looks its name up.
    mp_agent_object: Connection | None = None
    #: How many bytes of it have come, where it was refused before it was served.
    mp_received: int | None = None
    #: When the head of its response was made, where that is of interest (seconds since the epoch).
    mp_first_byte: float | None = None
    #: `hlist`, and where it began.
    mp_hlist: tuple[RunningHandlers, HandlerList] | None = None
    mp_target: str | None = None
    #: The server ends the request before its handler does: a response that has begun is not completed.
    mp_cut = False
    #: The chunks that its application makes itself.
    mp_own_chunks: OwnChunks | None = None
    mp_heir: Self | None = None
    #: The look-up whose place it took, where that has cleanups.
    mp_index: Self | None = None
    #: What runs at its end; made by the first thread that has something.
    mp_cleanups: list[tuple[Callable[[Any], Any], Any]] | None = None
    #: The locks of the pool that it takes, see `mpserver.locks.RequestLocks`.
    mp_locks: Any = None
    #: Not set before its end.
    mp_is_over: bool
    #: A part of its page has run code of an application to its end.
    mp_ran = False
    #: It goes on in another interpreter when its handlers have returned: a `mpserver.errors.Moves`.
    mp_move: Any = None
    #: It goes on, or went before, in another interpreter, where its log handlers and cleanup handlers run.
    mp_is_shadow = False
    #: The name of the interpreter of the running phase, where phases have several.
    mp_interpreter: str | None = None
    #: It is a sub-request: all of its handlers run in the interpreter of its main request.
    mp_is_part = False
    #: How long it has waited for its body outside of all threads, in seconds.
    mp_paused = 0.0
    #: The results of the phases that ran in other interpreters, by phase and URI.
    mp_passed: dict[str, int] | None = None
    #: The index that is looked for: its number among the names, and the status so far.
    mp_tried: tuple[int, int] = (0, constants.DECLINED)
    #: The status that it is the ErrorDocument of; 0: it is none.
    mp_document = 0
    mp_server_view: Server | None = None
    mp_plan: RequestPlan
    mp_uri: str

    def __init__(self, link: Link, head: Head, host: Any, clock: Clock, now: float) -> None:
        self.mp_link = link
        self.mp_head = head
        self.mp_host = host
        self.mp_clock = clock
        self.mp_request_time = now
        self.mp_method = method = head.method
        #: Raw, as the head has it; `args` is its text.
        self.mp_args: str | None = head.query
        self.mp_parts = []
        self.mp_status = 200
        self.mp_header_only = 1 if method == "HEAD" else 0
        self.mp_status_line = self.mp_headers_out = None
        self.mp_content_type = self.mp_content_encoding = self.mp_length_left = self.mp_head_sent = None
        self.mp_content_languages = ()
        self.mp_sent = self.mp_bytes_out = self.mp_chunked = self.mp_waiting = 0
        self.mp_started = self.mp_finished = self.mp_has_file = self.mp_head_depends = False
        self.mp_input = None
        self.mp_table_in: Table | None = None
        self.mp_phase: str | None = None
        self.mp_running: RunningHandlers | None = None
        self.mp_handler: str | None = None
        self.mp_filename: str | None = None
        self.mp_canonical_filename: str | None = None
        self.mp_path_info: str | None = None
        self.mp_stat: Any = None
        self.mp_finfo: FileInfo | None = None
        self.mp_is_directory = False
        self.mp_located: Any = None
        #: What ran for it, where that is exported: name, begin, end (seconds) and result of each, in a row.
        self.mp_spans: tuple[Any, ...] | None = None
        self.mp_content_type_set = 0
        #: How long it took, in seconds, for the access log.
        self.mp_duration = 0.0

    def mp_change_head(self) -> None:
        """See `ResponseHead`."""
        rules, self.mp_before_head = self.mp_before_head, ()
        self.mp_started = False  # (what they change was not sent yet, and headers_out is not to tell of it)
        try:
            for rule in rules:
                rule(self)
        finally:
            self.mp_started = True

    def mp_answer_itself(self) -> None:
        """The response is not the content's but one of the server's own: other changes are made to its head."""
        rules = self.mp_plan.error_head
        if rules or self.mp_head_depends:
            self.mp_before_head, self.mp_head_depends = rules, True

    @property
    def mp_server_object(self) -> Server:
        """What the engine has of the server object; `server` is a view of it."""
        server: Server = self.mp_host.object
        return server

    @property
    def mp_server(self) -> Any:
        """The server of the configuration that serves it."""
        return self.mp_host.server

    @property
    def mp_log(self) -> ErrorLog:
        """The error log of its server."""
        log: ErrorLog = self.mp_host.log
        return log

    @property
    def mp_bytes_in(self) -> int:
        """Bytes of head and body, for the access log."""
        if self.mp_received is not None:
            return self.mp_received
        return self.mp_head.size + (self.mp_head.length if self.mp_head.length > 0 else self.mp_read_length)

    @property
    def mp_keepalives(self) -> int:
        """Its number on its connection, from 1, for the access log."""
        connection: Connection = self.mp_link.connection()
        return connection.mp_keepalives + 1

    @property
    def mp_trailers_in(self) -> Table | None:
        """The fields after a chunked body that was read to its end, for the access log."""
        body = self.mp_input
        return Table.from_pairs(list(body.trailers)) if body is not None and body.trailers else None

    # ---- where it comes from

    next: Self | None = readonly("mp_next", "The request that this one was redirected to, internally.")
    prev: Self | None = readonly("mp_prev", "The request that was redirected to this one, internally.")
    main: Self | None = readonly("mp_main", "The main request, in a sub-request.")
    protocol: str = readonly("mp_protocol", "HTTP/1.1 or HTTP/1.0.")
    method: str = readonly("mp_method", "GET, HEAD, POST...")
    header_only: int = readonly("mp_header_only", "1 for HEAD.")
    request_time: float = readonly("mp_request_time", "When the request began, seconds since the epoch.")

    @ReadOnly
    def the_request(self) -> str:
        """The request line."""
        return wire.decoded(self.mp_head.line)

    @ReadOnly
    def unparsed_uri(self) -> str:
        """The request target as it came; after an internal redirect its URI."""
        return wire.decoded(self.mp_head.target if self.mp_target is None else self.mp_target)

    @ReadOnly
    def server(self) -> Server:
        """The server that serves the request (manual 4.5.6): an object of this request's own."""
        if self.mp_server_view is None:
            self.mp_server_view = self.mp_server_object.mp_view()
        return self.mp_server_view

    @ReadOnly
    def connection(self) -> Connection:
        """The connection object (manual 4.5.4)."""
        self.mp_head_depends = True
        connection = self.mp_link.connection()
        if self.mp_started and self.mp_main is None:
            keeps = self.mp_link.keep_alive
            connection.mp_told(keeps, keeps or self.mp_link.requests_left == 0)
        return connection

    @property
    def mp_protocol(self) -> str:
        """What `protocol` tells."""
        if self.mp_main is not None:
            return "INCLUDED"
        return "HTTP/1.1" if self.mp_head.minor else "HTTP/1.0"

    @ReadOnly
    def proto_num(self) -> int:
        """The protocol's version: 1001 for HTTP/1.1."""
        return 1000 + self.mp_head.minor

    @ReadOnly
    def hostname(self) -> str | None:
        """The host that the request names, without port, in lower case."""
        host = self.mp_head.host
        if host is None:
            return None
        match = uri_module.AUTHORITY.match(host)
        return (match["host"].lower() if match else host).removesuffix(".")

    @ReadOnly
    def method_number(self) -> int:
        """One of M_*."""
        return constants.METHOD_NUMBERS.get(self.mp_method, constants.M_INVALID)

    @ReadOnly
    def range(self) -> str | None:
        """The Range header."""
        return self.mp_head.text("range")

    @ReadOnly
    def useragent_addr(self) -> tuple[str, int]:
        """The (IP, port) of the user agent."""
        return self.connection.client_addr if self.mp_agent is None else self.mp_agent

    @ReadOnly
    def useragent_ip(self) -> str:
        """The IP of the user agent."""
        return self.connection.client_addr[0] if self.mp_agent is None else self.mp_agent[0]

    def mp_client(self) -> tuple[str, int]:
        """The same as `useragent_addr`, for the log: that it was asked for changes nothing."""
        return self.mp_agent or self.mp_link.connection().mp_client_addr

    def mp_whose(self) -> tuple[Self, Connection]:
        """See `mpserver.api.error_log.About`."""
        return self, self.mp_link.connection()

    # ---- what is asked for

    uri: str = path("mp_uri", "The decoded path.")
    canonical_filename: str | None = writable("mp_canonical_filename", text, "Its true name.")
    path_info: str | None = path("mp_path_info", "What follows the file's name in the path.")
    used_path_info: int = writable("mp_used_path_info", integer, "One of AP_REQ_*_PATH_INFO.")
    extension: str | None = readonly("mp_extension", "The extension that chose the handler ('| .ext').")
    handler: str | None = writable("mp_handler", text_or_none, "The content handler by SetHandler or AddHandler.")
    phase: str | None = readonly("mp_phase", "The directive whose handlers run now, None between phases.")

    @ReadOnly
    def interpreter(self) -> str:
        """The name of the interpreter (manual 4.1), which is that of the running phase."""
        return self.mp_interpreter or self.mp_plan.interpreter

    @property
    def args(self) -> str | None:
        """The query, without '?'."""
        return None if self.mp_args is None else wire.decoded(self.mp_args)

    @args.setter
    def args(self, value: Any) -> None:
        if type(value) is bytes:
            self.mp_args = text("args", value.decode("latin-1"))
        else:
            self.mp_args = None if value is None else wire.encoded(text("args", value))

    @args.deleter
    def args(self) -> None:
        raise TypeError("can't delete the attribute 'args'")

    @property
    def filename(self) -> str | None:
        """The file that the URI was mapped to."""
        return self.mp_filename

    @filename.setter
    def filename(self, value: str) -> None:
        self.mp_filename = text("filename", value)
        self.mp_stat = None  # what stat said was about another file
        self.mp_finfo = None

    @ReadOnly
    def hlist(self) -> HandlerList | None:
        """The handlers of the running phase."""
        running = self.mp_running
        if running is None:
            return None
        kept = self.mp_hlist
        if kept is None or kept[0] is not running:  # (another handler runs, which sees the list from its own place)
            kept = self.mp_hlist = running, HandlerList(*running)
        return kept[1]

    @property
    def finfo(self) -> FileInfo:
        """What stat says of the file (manual 4.5.3)."""
        if self.mp_finfo is None:
            if self.mp_stat is None and self.mp_filename is not None:  # (an application has set another name)
                try:
                    self.mp_stat = os.stat(self.mp_filename)
                except (OSError, ValueError):
                    pass
            self.mp_finfo = FileInfo(self.mp_filename, self.mp_stat)
        return self.mp_finfo

    @finfo.setter
    def finfo(self, value: FileInfo) -> None:
        self.mp_finfo = self.mp_own_finfo = _finfo("finfo", value)

    @ReadOnly
    def parsed_uri(self) -> tuple[str | int | None, ...]:
        """The target's parts in the order of URI_* (manual 4.5.3); the path is decoded, as httpd leaves it."""
        decoded = None if self.mp_located is None else wire.shown(self.mp_located.resource.uri)
        return uri_module.parsed_uri(self.unparsed_uri, decoded)

    # ---- the response

    status: int = writable("mp_status", integer, "The status of the response, 200 at first.")
    assbackwards: int = writable("mp_assbackwards", integer, "1 sends no head (HTTP/0.9).")
    proxyreq: int = writable("mp_proxyreq", integer, "One of PROXYREQ_*.")
    allowed: int = readonly("mp_allowed", "Bits of the methods that `Allow` will name.")
    allowed_methods: tuple[str, ...] = readonly("mp_allowed_methods", "Their names, see allow_methods().")
    content_encoding: str | None = readonly("mp_content_encoding", "The content coding, by AddEncoding.")
    content_languages: tuple[str, ...] = readonly("mp_content_languages", "The languages, by AddLanguage.")
    vlist_validator: str | None = readonly("mp_vlist_validator", "The validator of a negotiated variant.")
    user: str | None = writable("mp_user", text, "The user's name; known after get_basic_auth_pw().")
    ap_auth_type: str | None = writable("mp_ap_auth_type", text, "How the user was authenticated: Basic...")
    no_cache: int = writable("mp_no_cache", integer, "1 forbids caching: Expires says now.")
    no_local_copy: int = writable("mp_no_local_copy", integer, "1 refuses conditional requests.")
    mtime: float = readonly("mp_mtime", "The last modification, see update_mtime().")

    @ReadOnly
    def allowed_xmethods(self) -> tuple[str, ...]:
        """Extension methods among the allowed ones."""
        return tuple(name for name in self.mp_allowed_methods if name not in constants.METHOD_NUMBERS)

    @property
    def mp_connection_state(self) -> str:
        """For the access log: X the client left early, + kept alive, - closed."""
        if self.connection.aborted:
            return "X"
        return "+" if self.mp_link.keep_alive else "-"
