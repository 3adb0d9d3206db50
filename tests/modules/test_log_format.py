"""Log lines, letter by letter; the expected texts are those of httpd 2.4 for the same requests."""

from __future__ import annotations

import json
import os
import re
import threading
import time
import types
from typing import Any

import pytest

from mpserver.api.table import Table
from mpserver.errors import ConfigError
from mpserver.http1.blocks import Blocks
from mpserver.http1.fields import Limits
from mpserver.http1.head import Head, parse_head, refused
from mpserver.modules import log_config
from mpserver.modules.log_config import items, usual
from mpserver.modules.log_config.format import compile_format
from mpserver.modules.log_config.items import clf_time, escape

#: 2026-11-20 20:37:08.339123 UTC
NOW = 1795207028.339123


class Connection:
    """The connection's members that items look at."""

    client_ip = "192.0.2.7"
    local_ip = "127.0.0.1"
    remote_host: str | None = None
    local_addr = ("127.0.0.1", 9377)
    client_addr = ("192.0.2.7", 51238)


class Server:
    """The server's members that items look at."""

    server_hostname = "canon.example"
    port = 81


class Request:
    """A request as the log sees it, with attributes to change."""

    def __init__(self, **changed: Any) -> None:
        self.mp_bytes_in, self.mp_bytes_out, self.mp_duration = 112, 262, 1.234567
        self.mp_keepalives, self.mp_log_id, self.mp_connection_state = 1, None, "+"
        self.connection, self.server = Connection(), Server()
        self.prev: Request | None = None
        self.next: Request | None = None
        self.headers_in, self.headers_out, self.err_headers_out = Table(), Table(), Table()
        self.subprocess_env, self.notes = Table(), Table()
        self.the_request, self.method, self.protocol = "GET /x.txt?q=1 HTTP/1.1", "GET", "HTTP/1.1"
        self.hostname: str | None = "asked.example"
        self.uri, self.args = "/x.txt", "q=1"
        self.filename: str | None = "/srv/x.txt"
        self.handler, self.user, self.content_type = None, None, "text/plain; charset=utf-8"
        self.status, self.bytes_sent, self.request_time = 200, 3, NOW
        self.useragent_ip = "198.51.100.9"
        self.parsed_uri: tuple[str | int | None, ...] = (None,) * 9
        vars(self).update(changed)

    mp_path_info = mp_target = mp_agent = mp_agent_object = mp_first_byte = None

    @property
    def mp_prev(self) -> Request | None:
        return self.prev

    @property
    def mp_next(self) -> Request | None:
        return self.next

    @property
    def mp_link(self) -> Request:  # (of which its connection is asked)
        return self

    @property
    def client(self) -> tuple[str, int]:
        return self.useragent_ip, 51238

    def client_name(self) -> str | None:
        return self.connection.remote_host

    @property
    def mp_host(self) -> Any:
        return types.SimpleNamespace(name=self.server.server_hostname)

    @property
    def mp_status(self) -> int:
        return self.status

    @property
    def mp_sent(self) -> int:
        return self.bytes_sent

    @property
    def mp_method(self) -> str:
        return self.method

    @property
    def mp_protocol(self) -> str:
        return self.protocol

    @property
    def mp_user(self) -> str | None:
        return self.user

    @property
    def mp_request_time(self) -> float:
        return self.request_time

    @property
    def mp_table_in(self) -> Table:
        return self.headers_in

    @property
    def mp_head(self) -> Head:
        head = parse_head(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", Limits())
        assert head is not None
        head.line = self.the_request
        return head

    @property
    def mp_uri(self) -> str:
        return self.uri

    @property
    def mp_args(self) -> str | None:
        return self.args

    def is_https(self) -> int:
        return 0


def line(form: str, **changed: Any) -> str:
    return compile_format(form)(Request(**changed))


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("%%", "%"),
        ("100%% sure", "100% sure"),
        ("%a", "198.51.100.9"),
        ("%{c}a", "192.0.2.7"),
        ("%A", "127.0.0.1"),
        ("%B %b", "3 3"),
        ("%D", "1234567"),
        ("%f", "/srv/x.txt"),
        ("%h %{c}h", "198.51.100.9 192.0.2.7"),
        ("%H %m %q", "HTTP/1.1 GET ?q=1"),
        ("%k %l %L", "0 - -"),
        ("%p %{canonical}p %{local}p %{remote}p %{zz}p", "81 81 9377 51238 zz"),
        ("%r", "GET /x.txt?q=1 HTTP/1.1"),
        ("%R %u %X", "- - +"),
        ("%s %>s %<s", "200 200 200"),
        ("%t %{}t", "[20/Nov/2026:20:37:08 +0000] [20/Nov/2026:20:37:08 +0000]"),
        ("%{%Y}t %{begin:%H}t %{zz}t", "2026 20 zz"),
        ("%{sec}t %{msec}t %{usec}t", "1795207028 1795207028339 1795207028339123"),
        ("%{msec_frac}t %{usec_frac}t", "339 339123"),
        ("%{end:sec}t %{end:msec_frac}t", "1795207029 573"),
        ("%T %{s}T %{ms}T %{us}T %{zz}T", "1 1 1234 1234567 zz"),
        ("%U %v %V", "/x.txt canon.example asked.example"),
        ("%I %O %S", "112 262 374"),
        ("%{Content-Type}o %{content-type}o", "text/plain text/plain"),
        ("%{x}^ti %{x}^to", "- -"),
        ("%{zz}P %i %{a}n %{a}e %C", "zz - - - -"),
        (r"a\tb\\c\x\"", 'a\tb\\c\\x\\"'),
        ("%200s %!200s %404s %!404,500>s %404,200{User-Agent}i", "200 - - 200 -"),
        ("plain 100%%", "plain 100%"),
    ],
)
def test_letters(form: str, expected: str) -> None:
    assert line(form) == expected


@pytest.mark.parametrize(
    ("form", "changed", "expected"),
    [
        ("%%s {%m} \"%u\" '%s' %%%m", {"user": "o'neill"}, "%s {GET} \"o'neill\" '200' %GET"),
        (r"\\ %m", {}, r"\ GET"),
        ("%u", {"user": 'a"b\\c\n'}, r"a\"b\\c\n"),
        ('"%u"', {"user": ""}, '""""'),
        ('"%r"', {"the_request": ""}, '"-"'),
        ('"%r"', {"the_request": "GET /\x7f\t\xe9"}, r'"GET /\x7f\t\xe9"'),
        ('"%{X}i" "%{X}o"', {"headers_in": Table({"x": '"'})}, r'"\"" "-"'),
        ('"%{X}i"', {"headers_in": Table({"x": ""})}, '""'),
        ("h\xe9 %m", {}, "h\xe9 GET"),
        (r"\n%m", {}, "\nGET"),
        ("%m%U%U", {"uri": "", "method": "M"}, "M--"),
    ],
)
def test_what_is_unusual_is_as_ever(form: str, changed: dict[str, Any], expected: str) -> None:
    assert line(form, **changed) == expected


def test_process_and_thread() -> None:
    thread = threading.get_native_id()
    assert line("%P %{pid}P %{tid}P %{hextid}P") == f"{os.getpid()} {os.getpid()} {thread} {thread:x}"


def test_nothing_sent() -> None:
    assert line("%b %B", bytes_sent=0) == "- 0"


def test_absent_query_file_and_host() -> None:
    assert line("[%q] %f %V", args=None, filename=None, hostname=None) == "[] - canon.example"


def test_users() -> None:
    assert line("%u", user="joe") == "joe"
    assert line("%u", user="") == '""'
    assert line("%u", user='a "b"\n') == r"a \"b\"\n"


def test_port_of_an_absolute_target_wins_and_the_scheme_is_the_last_resort() -> None:
    assert line("%p", parsed_uri=(None, None, None, None, None, 77, None, None, None)) == "77"
    server = Server()
    server.port = 0
    assert line("%p", server=server) == "80"


def test_looked_up_host() -> None:
    connection = Connection()
    connection.remote_host = "client.example"
    assert line("%h %a", connection=connection) == "client.example 198.51.100.9"


def test_kept_alive_requests_are_counted_from_the_second() -> None:
    assert line("%k", mp_keepalives=3) == "2"


def test_headers() -> None:
    headers_in = Table.from_pairs([("Accept", "a"), ("accept", "b"), ("User-Agent", 'Mo"z\\é')])
    assert line("%{ACCEPT}i|%{User-Agent}i|%{None}i", headers_in=headers_in) == r"a, b|Mo\"z\\\xc3\xa9|-"


def test_headers_of_the_response() -> None:
    out = Table.from_pairs([("Set-Cookie", "b=2"), ("X-A", "1"), ("X-A", "2")])
    errors = Table.from_pairs([("Set-Cookie", "a=1"), ("X-E", "e")])
    got = line("%{Set-Cookie}o|%{X-A}o|%{X-E}o|%{X-None}o", headers_out=out, err_headers_out=errors)
    assert got == "a=1, b=2|1|e|-"


def test_type_of_the_headers_without_content_type() -> None:
    out = Table.from_pairs([("Content-Type", "a/b; c=d")])
    assert line("%{Content-Type}o", content_type=None, headers_out=out) == "a/b; c=d"


def test_tables() -> None:
    got = line("%{n}n %{E}e", notes=Table({"n": 'no"te'}), subprocess_env=Table({"E": "\xfc"}))
    assert got == r"no\"te \xfc"


def test_cookies() -> None:
    headers_in = Table.from_pairs([("Cookie", 'a=b; N="v w" ; n2=3; bare')])
    assert line("%{n}C|%{A}C|%{n2}C|%{bare}C|%{x}C", headers_in=headers_in) == r"\"v w\"|b|3|-|-"


def test_trailers_where_there_are_some() -> None:
    assert line("%{X}^ti", mp_trailers_in=Table({"x": "late"})) == "late"


def test_first_and_last_of_redirected_requests() -> None:
    last = Request(the_request="last", status=404, uri="/error", method="GET", mp_duration=2.0)
    first = Request(the_request="first", status=403, uri="/asked", method="POST", next=last)
    last.prev = first
    form = compile_format("%r %>r %s %>s %U %>U %m %<m %T")
    assert form(first) == form(last) == "first last 403 404 /asked /error GET POST 1"


def test_conditions_look_at_the_chosen_request() -> None:
    last = Request(status=404)
    first = Request(status=403, next=last)
    last.prev = first
    assert compile_format("%403s %403>s %!404>s")(last) == "403 - -"


def test_combined() -> None:
    form = r'%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
    assert line(form, headers_in=Table({"User-Agent": "curl"})) == (
        '198.51.100.9 - - [20/Nov/2026:20:37:08 +0000] "GET /x.txt?q=1 HTTP/1.1" 200 3 "-" "curl"'
    )


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("%Z", "Unrecognized LogFormat directive %Z"),
        ("%^zz", "Unrecognized LogFormat directive %^"),
        ("%1y", "Unrecognized LogFormat directive %y"),
        ("%", "Ran off end of LogFormat parsing args to some directive"),
        ("%{a", "Ran off end of LogFormat parsing args to some directive"),
        ("a %!200,", "Ran off end of LogFormat parsing args to some directive"),
        ("%{a}", "Ran off end of LogFormat parsing args to some directive"),
    ],
)
def test_bad_formats(form: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        compile_format(form)


def test_escaping() -> None:
    assert escape("plain ~ text") == "plain ~ text"
    assert escape('"\\\b\n\r\t\v') == r"\"\\\b\n\r\t\v"
    assert escape("\0\x1b\x7f\x85\xff") == r"\x00\x1b\x7f\x85\xff"
    assert escape("€\udcc3") == r"\xe2\x82\xac\xc3"


@pytest.mark.parametrize(("zone", "shown"), [("IST-5:30", "+0530"), ("NST3:30", "-0330"), ("GMT0", "+0000")])
def test_offsets_of_time_zones(zone: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    assert clf_time(NOW).endswith(f" {shown}]")


def test_time_is_made_anew_for_another_second() -> None:
    form = compile_format("%t")
    one = form(Request())
    assert form(Request(request_time=NOW + 0.5)) == one
    assert form(Request(request_time=NOW + 1)) == "[20/Nov/2026:20:37:09 +0000]"
    assert form(Request()) == one


class Untouched(Request):
    """A request whose table of headers nobody has asked for."""

    mp_table_in: Any = None
    mp_head: Any = None


def _escaped(monkeypatch: pytest.MonkeyPatch, module: types.ModuleType) -> list[str]:
    """The texts that a module escapes from now on."""
    seen: list[str] = []

    def noted(text: str) -> str:
        seen.append(text)
        return escape(text)

    monkeypatch.setattr(module, "escape", noted)
    return seen


def test_what_many_requests_have_in_common_is_escaped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _escaped(monkeypatch, items)
    form, blocks = compile_format('"%r" %{X}i|%{none}i|%{Empty}i|'), Blocks()

    def shown(target: str, value: str) -> str:
        raw = f"GET {target} HTTP/1.1\r\nHost: h\r\nX: {value}\r\nEmpty:\r\n\r\n".encode("latin-1")
        return form(Untouched(mp_head=parse_head(raw, Limits(), None, blocks)))

    assert shown("/1", 'a"\xe9') == r'"GET /1 HTTP/1.1" a\"\xe9|-||'
    assert 'a"\xe9' in seen
    seen.clear()
    assert shown("/2", 'a"\xe9') == r'"GET /2 HTTP/1.1" a\"\xe9|-||'
    assert shown("/%22", 'a"\xe9') == r'"GET /%22 HTTP/1.1" a\"\xe9|-||'
    assert 'a"\xe9' not in seen
    assert shown("/1", "b\\") == r'"GET /1 HTTP/1.1" b\\|-||'
    changed = parse_head(b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\r\n", Limits(), None, blocks)
    assert form(Untouched(mp_head=changed)) == '"GET / HTTP/1.1" a|-|-|'
    assert form(Untouched(mp_head=changed, mp_table_in=Table({"X": "other"}))) == '"GET / HTTP/1.1" other|-|-|'
    assert form(Untouched(mp_head=changed)) == '"GET / HTTP/1.1" a|-|-|'


def test_the_line_of_a_head_that_comes_again_is_escaped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _escaped(monkeypatch, usual)
    common, other = compile_format('%h "%r" %>s'), compile_format("%m %r|")
    head = refused('GET /"\t HTTP/1.1')
    for _ in range(2):
        assert common(Untouched(mp_head=head)) == r'198.51.100.9 "GET /\"\t HTTP/1.1" 200'
        assert other(Untouched(mp_head=head)) == r"GET GET /\"\t HTTP/1.1|"
    assert seen == ['GET /"\t HTTP/1.1']
    assert common(Untouched(mp_head=refused("GET / HTTP/1.1"))) == '198.51.100.9 "GET / HTTP/1.1" 200'
    nothing = refused("")
    for _ in range(2):
        assert common(Untouched(mp_head=nothing)) == '198.51.100.9 "-" 200'


def test_headers_side_by_side_are_shown_as_each_format_has_them() -> None:
    """What was made of a request's headers for one log is not shown by another one."""
    head = parse_head(b"GET / HTTP/1.1\r\nHost: h\r\nX: 1\r\nY: 2\r\nCookie: c\r\n\r\n", Limits())
    forms = {
        '"%{X}i" "%{Y}i"': '"1" "2"',
        "%{X}i-%{Y}i": "1-2",
        "%{X}i+%{Y}i %{y}i": "1+2 2",
        "%{Y}i-%{X}i": "2-1",
        "%{X}i-Y%{Z}i": "1-Y-",
        "%{X}i%{Y}i{%s}%{Y}i": "12{200}2",
        "%{X}i %{Cookie}i %{Y}i": "1 c 2",
    }
    cookies = Table({"Cookie": "c"})
    made = {text: compile_format(text) for text in forms}
    for _ in range(2):
        assert {text: form(Untouched(mp_head=head, headers_in=cookies)) for text, form in made.items()} == forms


def test_items_that_httpd_does_not_have() -> None:
    request = Request(args='q="1"', interpreter="shop", mp_duration=0.000012)
    assert compile_format("%^sc %^qu %^in %^du %{ns}T")(request) == 'http q=\\"1\\" shop 0.000012 12000'
    form = compile_format("json: scheme=%^sc query=%^qu interpreter=%^in seconds=%^du")
    assert json.loads(form(request)) == {
        "scheme": "http", "query": 'q="1"', "interpreter": "shop", "seconds": 0.000012,
    }  # fmt: skip
    assert compile_format("%^qu|%^du")(Request(args=None)) == "-|1.234567"


def test_the_formats_in_json_have_what_operators_look_for() -> None:
    request = Request(interpreter="shop", mp_duration=0.25, user="zoe", mp_traced=lambda: None)
    request.headers_in["User-Agent"] = "browser"
    line = json.loads(compile_format(log_config.JSON)(request))
    assert {name: line[name] for name in ("path", "query", "port", "scheme", "host", "interpreter", "seconds")} == {
        "path": "/x.txt", "query": "?q=1", "port": 81, "scheme": "http", "host": "canon.example", "interpreter": "shop",
        "seconds": 0.25,
    }  # fmt: skip
    assert {line[name] for name in ("microseconds", "user", "agent", "bytes_in", "bytes_out")} == {
        250_000, "zoe", "browser", 112, 262,
    }  # fmt: skip
    elastic = json.loads(compile_format(log_config.ECS)(request))
    assert {name: elastic[name] for name in ("url.path", "url.query", "url.port", "url.scheme", "url.domain")} == {
        "url.path": "/x.txt", "url.query": "q=1", "url.port": 81, "url.scheme": "http", "url.domain": "asked.example",
    }  # fmt: skip
    assert (elastic["event.duration"], elastic["http.response.status_code"]) == (250_000_000, 200)
    assert elastic["@timestamp"][:10] == time.strftime("%Y-%m-%d", time.localtime(NOW))
