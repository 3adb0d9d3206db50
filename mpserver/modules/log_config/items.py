"""The items of a log format, a function each (httpd's mod_log_config)."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable

from mpserver.api.sent_text import as_sent
from mpserver.api.trace_parts import trace_part
from mpserver.http1.wire import encoded
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from mpserver.api.connection import Connection
    from mpserver.api.server import Server
    from mpserver.api.table import Table
    from mpserver.http1.head import Head


class Logged(Protocol):
    """What a log line needs of a request: documented members, and facts that the engine keeps for the log."""

    mp_bytes_in: int
    mp_bytes_out: int
    #: Seconds.
    mp_duration: float
    #: The number of this request on its connection, from 1.
    mp_keepalives: int
    mp_log_id: str | None
    mp_first_byte: float | None
    #: The user agent, where a proxy has told who that is, and what has looked its name up.
    mp_agent: tuple[str, int] | None
    mp_agent_object: Connection | None
    mp_head: Head
    #: The path, bytes that are not UTF-8 as surrogate escapes; the query, raw.
    mp_uri: str
    mp_args: str | None
    #: `headers_in`, if that has been asked for.
    mp_table_in: Table | None

    @property
    def mp_connection_state(self) -> str:
        """Whether the client left before the end ("X"), or the connection is kept alive ("+") or closed ("-")."""

    @property
    def connection(self) -> Connection: ...
    @property
    def server(self) -> Server: ...
    @property
    def prev(self) -> Any: ...
    @property
    def next(self) -> Any: ...
    @property
    def headers_in(self) -> Table: ...
    @property
    def headers_out(self) -> Table: ...
    @property
    def err_headers_out(self) -> Table: ...
    @property
    def subprocess_env(self) -> Table: ...
    @property
    def notes(self) -> Table: ...
    @property
    def method(self) -> str: ...
    @property
    def protocol(self) -> str: ...
    @property
    def hostname(self) -> str | None: ...
    @property
    def filename(self) -> str | None: ...
    @property
    def handler(self) -> str | None: ...
    @property
    def user(self) -> str | None: ...
    @property
    def status(self) -> int: ...
    @property
    def bytes_sent(self) -> int: ...
    @property
    def request_time(self) -> float: ...
    @property
    def useragent_ip(self) -> str: ...
    @property
    def content_type(self) -> str | None: ...
    @property
    def parsed_uri(self) -> tuple[str | int | None, ...]: ...
    def is_https(self) -> int: ...
    def ssl_var_lookup(self, name: str, /) -> str | None: ...


#: One item: the text for a request, None shown as "-".
Getter = Callable[[Logged], "str | int | float | None"]


#: Makes an item for the argument in braces ("" without braces).
Maker = Callable[[str], Getter]


_UNSAFE = re.compile(r"[^ !#-\[\]-~]")


_NAMED = {"\b": "\\b", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"'}


def _escaped(match: re.Match[str]) -> str:
    char = match[0]
    named = _NAMED.get(char)
    if named is not None:
        return named
    code = ord(char)
    if code < 256:  # a byte, as it came or is sent
        return f"\\x{code:02x}"
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def escape(text: str) -> str:
    """Text made safe for a log line."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text  # (as most are; a regular expression takes longer to see that)
    return _UNSAFE.sub(_escaped, text)


def _sent_or_none(req: Any, text: str | None) -> str | None:
    """Text that came with the request, byte by byte."""
    return None if text is None else escape(as_sent(req, text))


def _escape_or_none(text: Any) -> str | None:
    return None if text is None else escape(str(text))


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def clf_time(seconds: float) -> str:
    """``[20/Nov/2026:20:14:08 +0100]``: local time, English months whatever the locale."""
    local = time.localtime(seconds)
    minutes = local.tm_gmtoff // 60
    sign = "-" if minutes < 0 else "+"
    minutes = abs(minutes)
    return (
        f"[{local.tm_mday:02d}/{_MONTHS[local.tm_mon - 1]}/{local.tm_year}:{local.tm_hour:02d}:{local.tm_min:02d}:"
        f"{local.tm_sec:02d} {sign}{minutes // 60:02d}{minutes % 60:02d}]"
    )


#: Forms of %t that are numbers of the time itself.
_INSTANTS: dict[str, Callable[[float], str]] = {
    "sec": lambda seconds: str(int(seconds)),
    "msec": lambda seconds: str(int(seconds * 1_000)),
    "usec": lambda seconds: str(int(seconds * 1_000_000)),
    "msec_frac": lambda seconds: f"{int(seconds * 1_000) % 1_000:03d}",
    "usec_frac": lambda seconds: f"{int(seconds * 1_000_000) % 1_000_000:06d}",
}


class Seconds:
    """Shows times in a form of ``strftime``, "" for that of the log; the text of the last second is kept."""

    __slots__ = ("_form", "kept")

    def __init__(self, form: str) -> None:
        self._form = form
        #: From when to when the text holds, and the text: in one piece, since threads share it.
        self.kept = (-1.0, -1.0, "")

    def show(self, seconds: float) -> str:
        """The text for a time in seconds since the epoch."""
        begin, end, text = self.kept
        if not begin <= seconds < end:
            second = int(seconds)
            text = time.strftime(self._form, time.localtime(second)) if self._form else clf_time(second)
            self.kept = (float(second), second + 1.0, text)  # (as times are, which are compared with them)
        return text


class Begun(Seconds):
    """When a request began."""

    __slots__ = ()

    def __call__(self, req: Logged) -> str:
        return self.show(req.request_time)


def _time(argument: str) -> Getter:
    at_end = argument.startswith("end:")
    form = argument.removeprefix("end:") if at_end else argument.removeprefix("begin:")
    instant = _INSTANTS.get(form)
    if at_end:
        show = instant or Seconds(form).show
        return lambda req: show(req.request_time + req.mp_duration)
    return Begun(form) if instant is None else lambda req: instant(req.request_time)


def _duration(argument: str) -> Getter:
    """%T: the seconds of the request, or ``%{ms}T``, ``%{us}T``; other arguments are shown as they are."""
    if argument not in _UNITS:
        return lambda _req: argument
    factor = _UNITS[argument]
    return lambda req: int(req.mp_duration * factor)


_UNITS = {"": 1, "s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def _plain(get: Getter) -> Maker:
    """An item that takes no argument."""
    return lambda _argument: get


def _client(argument: str) -> Getter:
    """%a: the user agent's address; ``%{c}a``: the one at the other end of the connection."""
    if argument == "c":
        return lambda req: req.connection.client_ip
    return lambda req: escape(req.useragent_ip)  # (which may name an interface)


def _host(argument: str) -> Getter:
    """%h: the client's name where it was looked up, else its address."""
    address = _client(argument)

    def get(req: Logged) -> str | int | float | None:
        agent = req.mp_agent_object if argument != "c" and req.mp_agent is not None else req.connection
        name = None if agent is None else agent.remote_host
        return escape(name) if name else address(req)

    return get


def _request_port(req: Logged) -> int:
    """The port that the request is for: of its absolute target, of ServerName, or the scheme's."""
    port = req.parsed_uri[5]
    if isinstance(port, int):
        return port
    return req.server.port or (443 if req.is_https() else 80)


_PORTS: dict[str, Getter] = {
    "": _request_port,
    "canonical": _request_port,
    "local": lambda req: req.connection.local_addr[1],
    "remote": lambda req: req.connection.client_addr[1],
}


def _port(argument: str) -> Getter:
    return _PORTS.get(argument.lower()) or (lambda _req: argument)


_PROCESS: dict[str, Getter] = {
    "": lambda _req: os.getpid(),
    "pid": lambda _req: os.getpid(),
    "tid": lambda _req: threading.get_native_id(),
    "hextid": lambda _req: f"{threading.get_native_id():x}",
}


def _process(argument: str) -> Getter:
    return _PROCESS.get(argument.lower()) or (lambda _req: argument)


def _user(req: Logged) -> str:
    user = req.user
    if user is None:
        return "-"
    return escape(encoded(user)) or '""'


def _multiple(table: Any, name: str) -> str | None:
    """The values of a header, those of several joined."""
    values = table.get(name) if table else None
    if values is None:
        return None
    every = table[name]
    return str(values) if isinstance(every, str) else ", ".join(map(str, every))


#: Headers that the table has in ways of its own.
OWN_WAYS = frozenset({"cookie", "host", "traceparent", "tracestate"})


def _header_in(argument: str) -> Getter:
    """%i: a header of the request; where no handler has asked for its table, none is made for it."""
    name = argument.lower()
    if name in OWN_WAYS:
        return lambda req: _sent_or_none(req, _multiple(req.headers_in, argument))

    def get(req: Logged) -> str | None:
        table = req.mp_table_in
        if table is None:
            return _escape_or_none(req.mp_head.get(name))
        return _sent_or_none(req, _multiple(table, argument))

    return get


def _header_out(argument: str) -> Getter:
    """%o: the first header of the name as sent; of Set-Cookie all; of the type without parameters."""
    if argument.lower() == "set-cookie":

        def cookies(req: Logged) -> str | None:
            both = [_multiple(table, argument) for table in (req.err_headers_out, req.headers_out)]
            return escape(", ".join(filter(None, both))) or None

        return cookies
    if argument.lower() == "content-type":

        def content_type(req: Logged) -> str | None:
            media = req.content_type
            if media is None:
                return _escape_or_none(req.headers_out.get(argument))
            return escape(media.partition(";")[0].rstrip())

        return content_type

    def get(req: Logged) -> str | None:
        value = req.err_headers_out.get(argument)
        return _escape_or_none(req.headers_out.get(argument) if value is None else value)

    return get


def _note(argument: str) -> Getter:
    return lambda req: _escape_or_none(req.notes.get(argument))


def _tls(argument: str) -> Getter:
    """``%{SSL_PROTOCOL}x``: a variable of TLS (mod_ssl, "Custom Log Formats")."""
    return lambda req: _escape_or_none(req.ssl_var_lookup(argument))


#: What ``%{...}c`` calls variables: for compatibility with httpd 1.3.
_OLD_NAMES = {
    "version": "SSL_PROTOCOL", "cipher": "SSL_CIPHER", "subjectdn": "SSL_CLIENT_S_DN", "issuerdn": "SSL_CLIENT_I_DN",
}  # fmt: skip


def _old_tls(argument: str) -> Getter:
    name = _OLD_NAMES.get(argument)
    return (lambda _req: None) if name is None else _tls(name)


def _environment(argument: str) -> Getter:
    return lambda req: _escape_or_none(req.subprocess_env.get(argument))


def _cookie(argument: str) -> Getter:
    wanted = argument.lower()

    def get(req: Logged) -> str | None:
        for pair in (_multiple(req.headers_in, "Cookie") or "").split(";"):
            name, equals, value = pair.partition("=")
            if equals and name.strip().lower() == wanted:
                return _sent_or_none(req, value.strip())
        return None

    return get


def _trailer(attribute: str) -> Maker:
    """%^ti and %^to: trailers, where the request has them; responses have none."""

    def make(argument: str) -> Getter:
        return lambda req: _escape_or_none(_multiple(getattr(req, attribute, None), argument))

    return make


def _first_byte(req: Logged) -> int | None:
    """%^FB: the microseconds until the first byte of the response, where LogIOTrackTTFB is on."""
    first = req.mp_first_byte
    return None if first is None else int((first - req.request_time) * 1_000_000)


def _line(req: Logged) -> str | None:
    return escape(req.mp_head.line) or None


def _path(req: Logged) -> str | None:
    return escape(encoded(req.mp_uri)) or None


def _virtual_host(req: Logged) -> str:
    return escape(req.server.server_hostname)


def _server_name(req: Logged) -> str:
    return escape(req.hostname or req.server.server_hostname)


def _query(req: Logged) -> str:
    args = req.mp_args
    return "" if args is None else "?" + escape(args)


class Letter(NamedTuple):
    """A letter of the format: how its item is made, and which request it means without < or >."""

    make: Maker
    first: bool = False


LETTERS: dict[str, Letter] = {
    "a": Letter(_client),
    "A": Letter(_plain(lambda req: req.connection.local_ip)),
    "b": Letter(_plain(lambda req: req.bytes_sent or None)),
    "B": Letter(_plain(lambda req: req.bytes_sent)),
    "C": Letter(_cookie),
    "D": Letter(_plain(lambda req: int(req.mp_duration * 1_000_000)), True),
    "c": Letter(_old_tls),
    "e": Letter(_environment),
    "f": Letter(_plain(lambda req: None if req.filename is None else escape(encoded(req.filename)))),
    "h": Letter(_host),
    "H": Letter(_plain(lambda req: req.protocol)),
    "i": Letter(_header_in),
    "I": Letter(_plain(lambda req: req.mp_bytes_in)),
    "k": Letter(_plain(lambda req: max(req.mp_keepalives - 1, 0))),
    "l": Letter(_plain(lambda _req: None)),  # (nobody asks clients by RFC 1413)
    "L": Letter(_plain(lambda req: req.mp_log_id), True),
    "m": Letter(_plain(lambda req: escape(req.method))),
    "n": Letter(_note),
    "o": Letter(_header_out),
    "O": Letter(_plain(lambda req: req.mp_bytes_out)),
    "p": Letter(_port),
    "P": Letter(_process),
    "q": Letter(_plain(_query)),
    "r": Letter(_plain(_line), True),
    "R": Letter(_plain(lambda req: _escape_or_none(req.handler))),
    "s": Letter(_plain(lambda req: req.status), True),
    "S": Letter(_plain(lambda req: req.mp_bytes_in + req.mp_bytes_out)),
    "t": Letter(_time),
    "T": Letter(_duration, True),
    "u": Letter(_plain(_user)),
    "U": Letter(_plain(_path), True),
    "v": Letter(_plain(_virtual_host)),
    "V": Letter(_plain(_server_name)),
    "x": Letter(_tls),
    "X": Letter(_plain(lambda req: req.mp_connection_state)),
    "^FB": Letter(_plain(_first_byte)),
    "^tp": Letter(trace_part),
    "^ti": Letter(_trailer("mp_trailers_in")),
    "^to": Letter(_trailer("mp_trailers_out")),
}
