"""Heads: what is read from them, what is refused, and that nobody reads them differently."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, event, example, given
from hypothesis import strategies as st

from http1 import oracles
from http1.strategies import COMMON_METHODS, broken, heads, pieces, requests
from mpserver.errors import RequestError
from mpserver.http1.blocks import CHUNKED, Block, Blocks, read_block
from mpserver.http1.body import make_body
from mpserver.http1.fields import read_fields
from mpserver.http1.head import Head, HeadReader, Limits, parse_head, refused
from mpserver.http1.target import is_plain

LIMITS = Limits()
GET = b"GET / HTTP/1.1\r\nHost: h\r\n"
POST = b"POST / HTTP/1.1\r\nHost: h\r\n"


def facts(head: Head) -> tuple[object, ...]:
    """All that a head tells."""
    names = [name for name in Head.__slots__ if name not in ("like", "_block")]
    return (*(getattr(head, name) for name in names), head.fields, head.block)


def outcome(data: bytes, limits: Limits = LIMITS, previous: Head | None = None, blocks: Blocks | None = None) -> object:
    """What comes of the bytes: facts, None, or the status and the reason of the refusal."""
    try:
        head = parse_head(data, limits, previous, blocks)
    except RequestError as error:
        return error.status, error.reason
    return None if head is None else facts(head)


def fed(parts: list[bytes], limits: Limits = LIMITS) -> object:
    """The same, of bytes that come in pieces."""
    reader = HeadReader(limits)
    try:
        for part in parts:
            head = reader.feed(part)
            if head is not None:
                return facts(head)
    except RequestError as error:
        return error.status, error.reason
    return None


def status(data: bytes, limits: Limits = LIMITS) -> int:
    """The status of a refusal, 0 for a head that is let through."""
    with pytest.raises(RequestError) as caught:
        parse_head(data, limits)
    return caught.value.status


def read(data: bytes) -> Head:
    head = parse_head(data, LIMITS)
    assert head is not None
    return head


# What is read


def test_a_browsers_request() -> None:
    data = (
        b"GET /caf%C3%A9/a%2Fb?x=1&y=?2 HTTP/1.1\r\nHost: Example.org:8080\r\nAccept:  text/html;q=0.9 \t\r\n"
        b"X-Empty:\r\ncookie: a=b\r\nX-Latin: \xe9\r\nACCEPT: */*\r\n\r\nthe next"
    )
    head = read(data)
    assert (head.method, head.target, head.minor) == ("GET", "/caf%C3%A9/a%2Fb?x=1&y=?2", 1)
    assert (head.path, head.query, head.host) == ("/caf%C3%A9/a%2Fb", "x=1&y=?2", "Example.org:8080")
    assert head.line == "GET /caf%C3%A9/a%2Fb?x=1&y=?2 HTTP/1.1"
    assert head.fields == (
        ("Host", "Example.org:8080"),
        ("Accept", "text/html;q=0.9"),
        ("X-Empty", ""),
        ("cookie", "a=b"),
        ("X-Latin", "\xe9"),
        ("ACCEPT", "*/*"),
    )
    assert head.get("accept") == "text/html;q=0.9, */*"
    assert head.get("x-empty") == ""
    assert head.get("Accept") is None
    assert (head.length, head.keep_alive, head.expects_continue) == (0, True, False)
    assert data[head.size :] == b"the next"
    assert head.line.encode() + b"\r\n" + head.block + b"\r\n" == head.raw == data[: head.size]


@pytest.mark.parametrize(
    ("line", "path", "query", "host"),
    [
        ("GET / HTTP/1.1", "/", None, "h"),
        ("GET /? HTTP/1.1", "/", "", "h"),
        ("GET //a/../b HTTP/1.1", "//a/../b", None, "h"),
        ("OPTIONS * HTTP/1.1", "*", None, "h"),
        ("OPTIONS / HTTP/1.1", "/", None, "h"),
        ("GET http://b:81/a?c HTTP/1.1", "/a", "c", "b:81"),
        ("GET HTTPS://b HTTP/1.1", "/", None, "b"),
        ("GET http://b?c HTTP/1.1", "/", "c", "b"),
        ("OPTIONS http://b HTTP/1.1", "*", None, "b"),
        ("OPTIONS http://b? HTTP/1.1", "/", "", "b"),
        ("get /a HTTP/1.1", "/a", None, "h"),  # a method like any other; who knows none answers 501
        ("M-SEARCH! /a HTTP/1.1", "/a", None, "h"),
        ('GET /[]{}|\\^`"<> HTTP/1.1', '/[]{}|\\^`"<>', None, "h"),
        ("GET /%zz HTTP/1.1", "/%zz", None, "h"),  # who decodes it refuses it
    ],
)
def test_targets(line: str, path: str, query: str | None, host: str) -> None:
    head = read(f"{line}\r\nHost: h\r\n\r\n".encode("latin-1"))
    assert (head.line, head.path, head.query, head.host) == (line, path, query, host)
    assert (head.method, head.target) == tuple(line.split(" ")[:2])


@pytest.mark.parametrize(
    "host",
    [
        "h",
        "a.b.",
        ".a",
        "a_b",
        "-a-",
        "256.1.1.1",
        "h:",
        "1.2.3.4:",
        "a.b1.c2",
        "1a",
        "0x7f000001",
        "h:1",
        "h:65535",
        "h:080",
        "[::]",
        "[1:2:3:4:5:6:7:8]:80",
    ]
    + ["[::ffff:1.2.3.4]", "[1::8]", "[1:2:3:4:5:6:1.2.3.4]", "[::1:2:3:4:5:6:7]"],
)
def test_valid_hosts(host: str) -> None:
    assert read(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).host == host
    assert read(f"GET http://{host} HTTP/1.1\r\nHost: h\r\n\r\n".encode()).host == host


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "x, CLOSE ,y", False),
        ("1.1", "closed", True),
        ("1.1", "keep-alive\r\nConnection: close", False),
        ("1.2", None, True),
        ("1.0", None, False),
        ("1.0", "Keep-Alive", True),
        ("1.0", "keep-alive, close", False),
    ],
)
def test_keep_alive(version: str, connection: str | None, kept: bool) -> None:
    field = f"Connection: {connection}\r\n" if connection else ""
    head = read(f"GET / HTTP/{version}\r\nHost: h\r\n{field}\r\n".encode())
    assert head.keep_alive is kept
    assert head.has_connection is (connection is not None)


def test_a_head_without_fields() -> None:
    head = read(b"GET / HTTP/1.0\r\n\r\n")
    assert (head.minor, head.host, head.fields, head.block, head.size) == (0, None, (), b"", 18)
    assert read(b"GET / HTTP/1.0\r\nHost: \r\n\r\n").host is None


@pytest.mark.parametrize(
    ("fields", "length", "expects"),
    [
        ("", 0, False),
        ("Content-Length: 0", 0, False),
        ("Content-Length: 005", 5, False),
        ("Content-Length: 9223372036854775807", 2**63 - 1, False),
        ("Transfer-Encoding: Chunked", CHUNKED, False),
        ("Content-Length: 5\r\nExpect: 100-Continue", 5, True),
        ("Transfer-Encoding: chunked\r\nExpect: 100-continue", CHUNKED, True),
        ("Expect: 100-continue", 0, False),
    ],
)
def test_framing(fields: str, length: int, expects: bool) -> None:
    head = read(f"POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n".replace("\r\n\r\n", "\r\n").encode() + b"\r\n")
    assert (head.length, head.expects_continue) == (length, expects)


def test_http_1_0_expects_nothing() -> None:
    assert not read(b"PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: what\r\n\r\n").expects_continue


@pytest.mark.parametrize("count", [1, 2, 10])
def test_empty_lines_before_the_request_line_are_skipped(count: int) -> None:
    data = b"\r\n" * count + GET + b"\r\n"
    head = read(data + b"rest")
    assert head.size == len(data)
    assert head.path == "/"
    assert head.line == "GET / HTTP/1.1"
    assert outcome(data, previous=head) == facts(head)
    assert outcome(GET + b"\r\n", previous=head) == outcome(GET + b"\r\n")


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("localhost", True), ("LocalHost.:80", True), ("a.localhost", True), ("a.b.LOCALHOST.", True), ("box", True),
        ("box.:1", True), ("127.0.0.1", True), ("10.0.0.1:80", True), ("[::1]", True), ("[2001:db8::1]:80", True),
        ("www.example.org", False), ("localhost.example", False), ("a.localhost.example", False), ("127.1", False),
        ("127.0.0.1.example", False), ("a b", False), ("", False), ("notlocalhost.", True), ("a.notlocalhost", False),
    ],
)  # fmt: skip
def test_names_that_strangers_have_no_say_in(host: str, plain: bool) -> None:
    assert is_plain(host) is plain


# What is refused: request smuggling, response splitting, cache poisoning and routing around a
# proxy's rules begin with requests that two parsers read differently. As (name, bytes, status).

REFUSALS: list[tuple[str, bytes, int]] = [
    # lines (RFC 9112 2.2)
    ("request line ends in LF", b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
    ("everything ends in LF", b"GET / HTTP/1.1\nHost: h\n\n", 400),
    ("field ends in LF", b"GET / HTTP/1.1\r\nHost: h\n\r\n", 400),
    ("a field hides behind LF", GET + b"X: a\nContent-Length: 5\r\n\r\n", 400),
    ("a field hides behind CR", GET + b"X: a\rContent-Length: 5\r\n\r\n", 400),
    ("CR CR LF", GET + b"X: a\r\r\n\r\n", 400),
    ("CR in the request line", b"GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("CR alone as line end", b"GET / HTTP/1.1\rHost: h\r\r\n\r\n", 400),
    ("the empty line ends in LF", GET + b"\n", 400),
    ("LF before the request line", b"\n" + GET + b"\r\n", 400),
    ("CR before the request line", b"\r" + GET + b"\r\n", 400),
    ("too many empty lines", b"\r\n" * 11 + GET + b"\r\n", 400),
    # the request line (3)
    ("space before the method", b" " + GET + b"\r\n", 400),
    ("two spaces", b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("two spaces before the version", b"GET /  HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("space at the end", b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400),
    ("space in the target", b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("tabs", b"GET\t/\tHTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("vertical tab", b"GET /\x0bHTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("NUL in the target", b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("DEL in the target", b"GET /\x7f HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("control character in the query", b"GET /?\x01 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("NUL in the method", b"GE\0T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("method is no token", b"G@T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("method beyond ASCII", b"G\xc9T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("no method", b"/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("TLS to a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\r\n", 400),
    # versions (2.3)
    ("HTTP/0.9", b"GET /\r\n", 400),
    ("HTTP/0.9 by name", b"GET / HTTP/0.9\r\nHost: h\r\n\r\n", 400),
    ("HTTP/2.0", b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("version in lower case", b"GET / http/1.1\r\nHost: h\r\n\r\n", 400),
    ("version without minor", b"GET / HTTP/1\r\nHost: h\r\n\r\n", 400),
    ("version with more digits", b"GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400),
    ("version with other digits", "GET / HTTP/1.\xb9\r\nHost: h\r\n\r\n".encode("latin-1"), 400),
    ("another protocol", b"GET / ICAP/1.1\r\nHost: h\r\n\r\n", 400),
    # targets (3.2)
    ("fragment", b"GET /#a HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("fragment in the query", b"GET /?a#b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("no slash", b"GET a HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("authority without CONNECT", b"GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("asterisk without OPTIONS", b"GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("asterisk and more", b"OPTIONS *a HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("CONNECT", b"CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", 501),
    ("CONNECT of IPv6", b"CONNECT [::1]:443 HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    ("UTF-8 in the path", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("overlong UTF-8 in the path", b"GET /\xc0\xaf HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("UTF-8 in a URI", b"GET http://h/\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("hexadecimal IPv4 in a URI", b"GET http://0x7f.1/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("octal IPv4 in a URI", b"GET http://0177.0.0.1/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("short IPv4 in a URI", b"GET http://127.1/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("IPv4 as a number in a URI", b"GET http://2130706433/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("Content_Length", POST + b"Content_Length: 5\r\n\r\nhello", 400),
    ("Content_Length and Content-Length", POST + b"content_length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("Transfer_Encoding", POST + b"TRANSFER_ENCODING: chunked\r\n\r\n0\r\n\r\n", 400),
    ("CONNECT for a path", b"CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("CONNECT for a URI", b"CONNECT http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("CONNECT without port", b"CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("CONNECT without port, IPv6", b"CONNECT [::1] HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("another scheme", b"GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("URI without host", b"GET http:///a HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("URI with user", b"GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("URI with a bad host", b"GET http://a..b/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("URI with a bad port", b"GET http://a:x/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    ("URI and no Host", b"GET http://h/ HTTP/1.1\r\n\r\n", 400),
    ("URI and a bad Host", b"GET http://h/ HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    # fields (5)
    ("whitespace before the colon", GET + b"Content-Length : 5\r\n\r\n", 400),
    ("tab before the colon", GET + b"Transfer-Encoding\t: chunked\r\n\r\n", 400),
    ("folded line", GET + b"X: a\r\n b\r\n\r\n", 400),
    ("folded Transfer-Encoding", GET + b"Transfer-Encoding:\r\n chunked\r\n\r\n", 400),
    ("folded first line", b"GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400),
    ("line of whitespace", GET + b" \r\n\r\n", 400),
    ("no colon", GET + b"Content-Length 5\r\n\r\n", 400),
    ("no name", GET + b": a\r\n\r\n", 400),
    ("name in quotes", GET + b'"X": a\r\n\r\n', 400),
    ("name beyond ASCII", GET + b"X\xe9: a\r\n\r\n", 400),
    ("NUL in a name", GET + b"X\0: a\r\n\r\n", 400),
    ("NUL in a value", GET + b"X: a\0b\r\n\r\n", 400),
    ("vertical tab in a value", GET + b"Transfer-Encoding: \x0bchunked\r\n\r\n", 400),
    ("control character in a value", GET + b"X: \x1b[31m\r\n\r\n", 400),
    ("DEL in a value", GET + b"X: \x7f\r\n\r\n", 400),
    # Host (3.2)
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", GET + b"Host: h\r\n\r\n", 400),
    ("two Hosts, cases differ", GET + b"hOST: other\r\n\r\n", 400),
    ("two Hosts in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("empty Host", b"GET / HTTP/1.1\r\nHost: \r\n\r\n", 400),
    *(
        (f"Host: {host}", f"GET / HTTP/1.{minor}\r\nHost: {host}\r\n\r\n".encode("latin-1"), 400)
        for host in (
            "a/b",
            "u@b",
            "a b",
            "a,b",
            "a, a",
            "a:b",
            "1",
            "127.1",
            "0x7f.1",
            "127.0.0.0x1",
            "0177.0.0.1",
            "1.2.3.4.",
            "1.2.3.4.5",
            "a.1",
            "a.1b.",
            "0.0.0.0=5000",
            ":80",
            "a:0",
            "a:65536",
            "a:-1",
            "a:1:2",
        )
        + ("a..b", ".", "..", "a%41", "a\xe9", "a?b", "a#b", "a\\b", "::1", "[::1", "[zz]", "[1::2::3]", "[]")
        + (
            "[:]",
            "[:::]",
            "[1:2:3:4:5:6:7]",
            "[1:2:3:4:5:6:7:8:9]",
            "[::1.2.3]",
            "[::1.2.3.256]",
            "[::1.2.3.04]",
        )
        + ("[1.2.3.4::]", "[12345::]", "[v1.a]", "[fe80::1%25e]", "[::1]x", "h:\xb2", "[:1:2:3:4:5:6:7:8]")
        + ("[1:2:3:4::5:6:7:8]", "[1::2:3:4:5:6:1.2.3.4]")
        for minor in (0, 1)
    ),
    # Content-Length (6.2, 6.3)
    *(
        (f"Content-Length: {value}", POST + f"Content-Length: {value}\r\n\r\nhello".encode("latin-1"), 400)
        for value in (
            "",
            "+5",
            "-5",
            "0x5",
            "5.0",
            "5 5",
            "5;",
            "5,5",
            "5, 5",
            "5, 6",
            ",5",
            "\xb2",
            "five",
            "1_0",
        )
        + ("9223372036854775808", "18446744073709551621", "0" * 20, "9" * 5000)
    ),
    ("two equal Content-Length", POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("two Content-Length", POST + b"Content-Length: 5\r\ncontent-length: 6\r\n\r\nhello", 400),
    # Transfer-Encoding (6.1, 6.3)
    ("CL.TE", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("TE.CL", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("TE.CL with CL 0", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 400),
    ("TE.CL with an unknown coding", POST + b"Transfer-Encoding: x\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("TE in HTTP/1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("TE twice", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("TE twice, other", POST + b"Transfer-Encoding: chunked\r\nTransfer-encoding: identity\r\n\r\n", 400),
    *(
        (f"Transfer-Encoding: {value}", POST + f"Transfer-Encoding: {value}\r\n\r\n".encode("latin-1"), code)
        for value, code in [
            ("", 400),
            (",chunked", 400),
            ("chunked,", 400),
            ("chunked;a=b", 400),
            ('"chunked"', 400),
            ("chun ked", 400),
            ("chunked chunked", 400),
            ("chunked\xa0", 400),
            ("chunked, chunked", 400),
            ("chunked, gzip", 400),
            ("chunked, identity", 400),
            ("gzip, chunked", 501),
            ("identity, chunked", 501),
            ("identity", 400),
            ("gzip", 400),
            ("xchunked", 400),
            ("chunkedx", 400),
            ("\u017fchunked".replace("\u017f", "s"), 400),
        ]
    ),
    # Expect (RFC 9110 10.1.1)
    ("unknown expectation", POST + b"Expect: 200-ok\r\n\r\n", 417),
    ("two expectations", POST + b"Expect: 100-continue\r\nExpect: x\r\n\r\n", 417),
    # limits; httpd has 400 where RFC 6585 has 431
    ("request line too long", b"GET /" + b"a" * 8177 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 414),
    ("endless request line", b"GET /" + b"a" * 8200, 414),
    ("endless method", b"A" * 8191, 400),
    ("endless empty target", b"A " * 4096, 414),
    ("field too long", GET + b"X: " + b"a" * 8188 + b"\r\n\r\n", 400),
    ("endless field", GET + b"X: " + b"a" * 9000, 400),
    ("too many fields", GET + b"X: a\r\n" * 100 + b"\r\n", 400),
    ("endless fields", GET + b"X: a\r\n" * 100, 400),
]


@pytest.mark.parametrize(("data", "code"), [case[1:] for case in REFUSALS], ids=[case[0] for case in REFUSALS])
def test_what_is_ambiguous_is_refused(data: bytes, code: int) -> None:
    bytewise = fed([bytes([byte]) for byte in data])
    assert isinstance(bytewise, tuple)
    assert status(data) == code
    assert bytewise[0] == code


def test_a_refusal_tells_the_request_line() -> None:
    for data in (GET + b"X\r\n\r\n", GET + b"X: " + b"a" * 9000, b"\r\n" + GET + b"X\n"):
        with pytest.raises(RequestError) as caught:
            parse_head(data, LIMITS)
        assert caught.value.line == "GET / HTTP/1.1"
    with pytest.raises(RequestError) as caught:
        parse_head(b"GET /" + b"a" * 100_000, LIMITS)
    assert 8000 < len(caught.value.line) < 8300


@pytest.mark.parametrize("size", [1, 2, 517])
def test_a_greeting_of_tls_is_told_as_such(size: int) -> None:
    """At once, whether a byte in it looks like a line's end or not."""
    data = b"\x16\x03\x01\x02\x00" + b"\x01" * 512
    reader = HeadReader(LIMITS)
    with pytest.raises(RequestError, match="The client speaks TLS") as caught:
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])
    assert (caught.value.status, caught.value.line) == (400, "")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"X: a\nY: b\r\n", "a line ends in a bare LF"),
        (b"X: a\0\r\n", "NUL in a header field"),
        (b"X: a\rb\r\n", "bare CR in a header field"),
        (b" X: a\r\n", "a folded line, or whitespace before the first header field"),
        (b"X\r\n", "a header line without a colon"),
        (b": a\r\n", "a header field without a name"),
        (b"X : a\r\n", "whitespace between a header field's name and its colon"),
        (b"X(Y): a\r\n", "a header field's name is no token"),
        (b"X: \x01\r\n", "a control character in a header field"),
    ],
)
def test_the_log_can_tell_what_was_wrong(line: bytes, reason: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_head(GET + line + b"\r\n", LIMITS)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("line", "method", "target"),
    [
        ("HEAD /a?b HTTP/3.0", "HEAD", "/a?b"),
        ("GET  / HTTP/1.1", "GET", ""),
        ("nonsense", "nonsense", ""),
        (" x", "-", "x"),
        ("", "-", ""),
    ],
)
def test_a_head_stands_in_for_one_that_was_refused(line: str, method: str, target: str) -> None:
    head = refused(line)
    path, question, query = target.partition("?")
    assert (head.method, head.target, head.line) == (method, target, line)
    assert (head.path, head.query) == (path, query if question else None)
    assert (head.fields, head.block, head.host, head.length, head.keep_alive) == ((), b"", None, 0, False)


# Limits


def test_what_just_fits_is_let_through() -> None:
    assert len(read(b"GET /" + b"a" * 8176 + b" HTTP/1.1\r\nHost: h\r\n\r\n").line) == 8190
    assert len(read(GET + b"X: " + b"a" * 8187 + b"\r\n" + b"X: a\r\n" * 98 + b"\r\n").fields) == 100


def test_limits_can_be_set() -> None:
    data = b"GET /aaa HTTP/1.1\r\nHost: h\r\nX: aaaa\r\n\r\n"
    assert parse_head(data, Limits(17, 2, 7)) is not None
    assert status(data, Limits(16, 2, 7)) == 414
    assert status(data, Limits(17, 1, 7)) == 400
    assert status(data, Limits(17, 2, 6)) == 400
    many = GET + b"X: a\r\n" * 5000 + b"\r\n"
    assert parse_head(many, Limits(fields=0)) is not None


@given(st.data(), st.builds(Limits, st.integers(10, 20), st.integers(0, 3), st.integers(5, 12)))
def test_limits_hold_however_the_head_comes(data: st.DataObject, limits: Limits) -> None:
    head = data.draw(heads())
    whole = outcome(head, limits)
    cut = fed(data.draw(pieces(head)), limits)
    if isinstance(whole, tuple) and len(whole) == 2 and whole != cut:
        # A head may have several faults; which is met first may depend on where it was cut.
        assert isinstance(cut, tuple)
        assert cut[0] in (400, 414, 417, 501, 505)
    else:
        assert cut == whole


# Heads in pieces


@given(st.data(), broken(heads()))
def test_a_head_in_pieces_is_the_head_in_one(data: st.DataObject, head: bytes) -> None:
    whole = outcome(head + b"\r\n\r\n")
    cut = fed(data.draw(pieces(head + b"\r\n\r\n")))
    if isinstance(cut, tuple) and len(cut) > 2:
        assert isinstance(whole, tuple)
        assert cut == whole
    else:
        # What is refused in pieces is refused in one, with the status of one of its faults.
        assert isinstance(whole, tuple) == isinstance(cut, tuple)
        assert whole is None or (isinstance(whole, tuple) and len(whole) == 2)


@given(broken(heads()))
def test_what_is_refused_early_would_never_have_become_valid(head: bytes) -> None:
    whole = outcome(head)
    for size in range(len(head)):
        begin = outcome(head[:size])
        if isinstance(begin, tuple):
            assert isinstance(whole, tuple)
            assert whole[0] == begin[0] if len(begin) == 2 and len(whole) == 2 else begin == whole
            break


class Counting(bytearray):
    """Counts the bytes that it is searched through."""

    searched = 0

    def find(self, what: bytes, start: int = 0) -> int:  # type: ignore[override]
        found = super().find(what, start)
        self.searched += (len(self) if found < 0 else found) - start + 1
        return found


def test_a_slow_head_costs_no_more_than_its_bytes() -> None:
    reader = HeadReader(LIMITS)
    reader.buffer = Counting()
    data = GET + (b"X: " + b"a" * 8000 + b"\r\n") * 20 + b"\r\n"
    for byte in data[:-1]:
        assert reader.feed(bytes([byte])) is None
    assert reader.feed(data[-1:]) is not None
    assert reader.buffer.searched < 3 * len(data)


def test_a_reader_keeps_what_follows_the_head() -> None:
    reader = HeadReader(LIMITS)
    assert reader.feed(GET) is None
    head = reader.feed(b"\r\nthe body")
    assert head is not None
    assert reader.buffer[head.size :] == b"the body"


# Repeated heads


@pytest.mark.parametrize("framing", ["Content-Length: 3", "Transfer-Encoding: chunked"])
def test_a_head_that_comes_again_before_another_body_is_the_same(framing: str) -> None:
    raw = f"POST /f HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n".encode()
    head = parse_head(raw + b"a=1", LIMITS)
    assert head is not None
    assert parse_head(raw + b"b=2", LIMITS, head) is head
    assert parse_head(raw + b"b=2" + raw, LIMITS, head) is head
    assert parse_head(raw, LIMITS, head) is head
    assert parse_head(raw[:-2], LIMITS, head) is None
    other = raw.replace(b"/f", b"/g")
    assert outcome(other + b"c=3", previous=head) == outcome(other + b"c=3")


@given(broken(heads()), broken(heads()), st.booleans())
@example(GET + b"\r\n", b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", False)
@example(b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", False)
@example(
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    False,
)
def test_a_previous_head_changes_nothing(first: bytes, second: bytes, same_fields: bool) -> None:
    try:
        previous = parse_head(first, LIMITS)
    except RequestError:
        previous = None
    assume(previous is not None)
    if same_fields and previous is not None:
        second = second.lstrip(b"\r\n").partition(b"\r\n")[0] + b"\r\n" + previous.block + b"\r\nrest"
    assert outcome(second, previous=previous) == outcome(second)
    assert outcome(first, previous=previous) == outcome(first)


@given(broken(heads()), broken(heads()))
@example(GET + b"\r\n", b"GET / HTTP/1.0\r\nHost: h\r\n\r\n")
@example(
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
)
@example(b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n")
def test_blocks_that_are_known_change_nothing(first: bytes, second: bytes) -> None:
    blocks = Blocks()
    for data in (first, second, first, second):
        fields = data.lstrip(b"\r\n").partition(b"\r\n")[2]
        for line in (b"", b"PUT /x?y HTTP/1.1\r\n", b"GET /x HTTP/1.0\r\n"):
            again = line + fields if line else data
            assert outcome(again, blocks=blocks) == outcome(again)


def test_known_blocks_are_not_read_again_by_other_connections() -> None:
    blocks = Blocks()
    data = b"GET /a HTTP/1.1\r\nHost: h\r\nX: %d\r\n\r\n"
    one, other, again = (parse_head(data % number, LIMITS, None, blocks) for number in (1, 2, 1))
    assert one is not None
    assert other is not None
    assert again is not None
    assert again.fields is one.fields
    assert other.fields == (("Host", "h"), ("X", "2"))


def test_few_blocks_are_kept_and_no_long_ones() -> None:
    blocks = Blocks()
    for number in range(1000):
        read_again(b"X: %d\r\n" % number, blocks)
        assert len(blocks) <= 128
    assert len(blocks) > 0
    before = len(blocks)
    assert read_again(b"X: " + b"x" * 2048 + b"\r\n", blocks)
    assert len(blocks) == before


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The blocks of fields that are read, as they are."""
    reads: list[bytes] = []

    def counting(tail: bytes, minor: int, limits: Limits) -> Block:
        reads.append(tail)
        return read_block(tail, minor, limits)

    monkeypatch.setattr("mpserver.http1.blocks.read_block", counting)
    return reads


@pytest.mark.parametrize("first", [b"Host: h\r\n", b"A: b\r\nHost: h\r\n"])
def test_blocks_that_come_once_push_nothing_out(first: bytes, reads: list[bytes]) -> None:
    blocks = Blocks()
    for number in range(5000):
        for name in (b"once %d" % number, b"always"):
            assert parse_head(b"GET /a HTTP/1.1\r\n" + first + b"X: " + name + b"\r\n\r\n", LIMITS, None, blocks)
    assert sum(b"always" in tail for tail in reads) < 3
    assert len(blocks) < 100


def test_hosts_that_come_once_are_not_kept() -> None:
    blocks = Blocks()

    def ask(host: bytes) -> None:
        assert parse_head(b"GET /a HTTP/1.1\r\nHost: " + host + b"\r\nX: y\r\n\r\n", LIMITS, None, blocks)

    for number in range(1000):
        ask(b"once%d" % number)
    few = len(blocks)
    assert few < 30
    for host in (b"again", b"again", b"again"):
        ask(host)
    assert len(blocks) == few + 1


def read_again(fields: bytes, blocks: Blocks) -> Head | None:
    """A head with these fields and a host, twice: what is kept must not differ."""
    data = GET + fields + b"\r\n"
    assert outcome(data, blocks=blocks) == outcome(data, blocks=blocks) == outcome(data)
    return parse_head(data, LIMITS, None, blocks)


def test_repeated_fields_are_not_read_again() -> None:
    first = read(b"GET /a HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n")
    second = parse_head(b"GET /b HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n", LIMITS, first)
    assert second is not None
    assert second.path == "/b"
    assert second.fields is first.fields


# Against others


@given(broken(heads()))
def test_what_is_let_through_survives_a_round_trip(data: bytes) -> None:
    try:
        head = parse_head(data, LIMITS)
    except RequestError:
        head = None
    assume(head is not None)
    assert head is not None
    fields = "".join(f"{name}: {value}\r\n" for name, value in head.fields)
    again = read(f"{head.method} {head.target} HTTP/1.{head.minor}\r\n{fields}\r\n".encode("latin-1"))
    same = ("method", "target", "minor", "path", "query", "host", "length", "keep_alive", "expects_continue")
    assert [getattr(again, name) for name in same] == [getattr(head, name) for name in same]
    assert again.fields == head.fields


def ours(data: bytes) -> tuple[oracles.Reading, bytes] | None:
    """Our reading of a request and the bytes that it took, None if it is refused or not complete."""
    try:
        head = parse_head(data, LIMITS)
        if head is None:
            return None
        body = make_body(head)
        content = body.feed(data[head.size :])
    except RequestError:
        return None
    if not body.done:
        return None
    fields = [(name.lower(), value) for name, value in head.fields]
    trailers = [(name.lower(), value) for name, value in body.trailers]
    reading = oracles.Reading(head.method, head.target, fields, content, trailers)
    return reading, data[: len(data) - len(body.rest)]


def test_the_oracles_read_as_we_do() -> None:
    """That the comparison below compares something."""
    data = POST + b"Transfer-Encoding: chunked\r\nX: \xe9 \r\n\r\n5\r\nhello\r\n0\r\nY: z\r\n\r\n"
    taken = ours(data + b"the next")
    assert taken is not None
    assert taken[0].body == b"hello"
    assert taken == (oracles.llhttp(data), data)
    assert taken == (oracles.by_h11(data), data)


def llhttp_differs(data: bytes, reading: oracles.Reading) -> str | None:
    """Why llhttp may refuse what we take."""
    head = read(data)
    if head.method not in COMMON_METHODS:
        return "a method that it has not in its list"
    if not head.line.endswith(("HTTP/1.0", "HTTP/1.1")):
        return "a later version of HTTP/1"
    if not head.target.isascii():
        return "a target beyond ASCII"
    if re.search(rb"\n(?:transfer-encoding|content-length|connection):[^\n]*\t", head.raw.lower()):
        return "a tab around a value that it acts on"
    if "connect" in head.method.lower() or head.get("upgrade") is not None:
        return "what follows is another protocol"  # which we do not switch to
    return None


def h11_differs(data: bytes, reading: oracles.Reading) -> str | None:
    """Why h11 may refuse what we take."""
    if data.startswith(b"\r\n"):
        return "empty lines before the request line"
    if not reading.target.isascii():
        return "a target beyond ASCII"
    if reading.method == "CONNECT" or any(name == "upgrade" for name, _ in reading.fields):
        return "what follows is another protocol"
    return None


@given(broken(requests()))
def test_what_we_take_llhttp_reads_the_same(data: bytes) -> None:
    taken = ours(data)
    assume(taken is not None)
    assert taken is not None
    reading, message = taken
    if (difference := llhttp_differs(data, reading)) is not None:
        event(difference)
        return
    assert oracles.llhttp(message) == reading


@given(broken(requests()))
def test_what_we_take_h11_reads_the_same(data: bytes) -> None:
    taken = ours(data)
    assume(taken is not None)
    assert taken is not None
    reading, message = taken
    if (difference := h11_differs(data, reading)) is not None:
        event(difference)
        return
    # It tells this value in lower case.
    fields = [(name, value.lower() if name == "transfer-encoding" else value) for name, value in reading.fields]
    assert oracles.by_h11(message) == reading._replace(fields=fields)


@given(st.text(max_size=60))
def test_no_text_makes_the_field_reader_stumble(text: str) -> None:
    text = "".join(char for char in text if char <= "\xff") + "\r\n"
    try:
        pairs = read_fields(text, LIMITS)
    except RequestError as error:
        assert error.status == 400
    else:
        assert len(pairs) == text.count("\n")


def all_facts(head: Head) -> tuple[object, ...]:
    """All that is known of a head."""
    found = tuple(getattr(head, name) for name in Head.__slots__ if name not in ("like", "_block"))
    return *found, head.fields, head.block, head.merged(), head.field_block.odd, head.get("host"), head.get("x-a")


#: What comes behind the line that names the host.
RESTS = [
    b"",
    b"Accept: */*\r\n",
    b"X-A: 1\r\nConnection: close\r\nx-a: 2\r\nCookie: a=b\r\ncookie: c=d\r\n",
    b"Content-Length: 3\r\nExpect: 100-continue\r\n",
    b"If-None-Match: *\r\nTransfer-Encoding: chunked\r\n",
    "X-A: \u00e4\r\n".encode("latin-1") + "X-B: \u20ac\r\n".encode(),
    b"Host: other.test\r\n",
    b"Content-Length: 3\r\nContent-Length: 3\r\n",
    b"X-A : 1\r\n",
    b" folded\r\n",
]
HOSTS = ["a.test", "b.test:8080", "[::1]:80", "a.test", "", "a b", "x/y", "a..b", " a.test", "a.test ", "1.2", "a\tb"]


@pytest.mark.parametrize("rest", RESTS)
@pytest.mark.parametrize("minor", [1, 0])
def test_blocks_that_differ_in_the_host_alone(rest: bytes, minor: int) -> None:
    """What is remembered of one is what reading the other anew finds."""
    limits, blocks = Limits(8190, 100, 60), Blocks()
    previous: Head | None = None
    for host in [*HOSTS, "c" * 40, "d" * 55, "e" * 61]:
        raw = f"GET /x?y HTTP/1.{minor}\r\nHost: {host}\r\n".encode() + rest + b"\r\n"
        outcomes = []
        for before, remembered in ((None, None), (None, blocks), (previous, blocks)):
            try:
                head = parse_head(raw, limits, before, remembered)
                assert head is not None
                outcomes.append(all_facts(head))
                previous = head
            except RequestError as error:
                outcomes.append((error.status, error.reason, error.line))
        assert outcomes[0] == outcomes[1] == outcomes[2], host


def test_a_line_that_comes_again_with_other_fields() -> None:
    blocks = Blocks()
    for line in ("GET /a?b HTTP/1.1", "GET http://x.test/a?b HTTP/1.1", "OPTIONS * HTTP/1.1", "GET /a?b HTTP/1.0"):
        heads = [f"{line}\r\nHost: {name}.test\r\n\r\n".encode() for name in "xyz"]
        previous: Head | None = None
        for raw in heads:
            fresh = parse_head(raw, Limits())
            previous = parse_head(raw, Limits(), previous, blocks)
            assert fresh is not None and previous is not None
            assert all_facts(previous) == all_facts(fresh)


def test_hosts_in_turns_have_their_other_fields_read_once(reads: list[bytes]) -> None:
    known = Blocks()
    for number in range(1000):
        head = parse_head(f"GET / HTTP/1.1\r\nHost: h{number}.test\r\nA: b\r\n\r\n".encode(), LIMITS, None, known)
        assert head is not None and (head.host, head.get("host"), head.get("a")) == (f"h{number}.test",) * 2 + ("b",)
    assert len(reads) == 1
    assert len(known) <= 128
    assert head is not None
    head.field_block.told["a"] = "b"  # (what logs show of the other fields is of all of them)
    other = parse_head(b"GET / HTTP/1.1\r\nHost: other.test\r\nA: b\r\n\r\n", LIMITS, None, known)
    assert other is not None and other.field_block.told == other.like.told == {"a": "b"}


def test_a_block_is_made_for_another_host_when_it_is_asked_for() -> None:
    """Nobody looks at it for most requests: the fields of the head before count, but for the host."""
    known = Blocks()
    before = parse_head(b"GET / HTTP/1.1\r\nHost: a.test\r\nA: b\r\n\r\n", LIMITS, None, known)
    assert before is not None
    raw = b"GET / HTTP/1.1\r\nHost: other.test:81\r\nA: b\r\n\r\n"
    head = parse_head(raw, LIMITS, before, known)
    assert head is not None
    assert head.like is before.like
    assert (head.get("host"), head.get("a"), len(known)) == ("other.test:81", "b", 1)
    assert head.field_block is head.field_block is not before.field_block
    assert (head.get("host"), before.get("host")) == ("other.test:81", "a.test")
    third = parse_head(raw.replace(b"other.test:81", b"c.test"), LIMITS, head, known)
    assert third is not None
    assert (third.like, third.get("host"), third.merged()[1]["host"]) == (before.like, "c.test", "c.test")


#: What comes one after the other on a connection; each is read as it would be alone.
IN_TURNS = [
    b"GET /x HTTP/1.1\r\nHost: %s\r\nA: b\r\n\r\n",
    b"\r\nGET /x HTTP/1.1\r\nHost: %s\r\nA: b\r\n\r\n",
    b"\r\n\r\n\r\nGET /x HTTP/1.1\r\nHost: %s\r\nA: b\r\n\r\n",
    b"GET http://t.test/x HTTP/1.1\r\nHost: %s\r\nA: b\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: %s\r\nA: b\r\n\r\nGET /x HTTP/1.1\r\nHost: %s\r\nA: b\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: %s\r\n\r\nA: b\r\n\r\n",
    b"GET /x HTTP/1.0\r\nHost: %s\r\nA: b\r\n\r\n",
    b"GET /x HTTP/1.1\r\nhost: %s\r\nA: b\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: %s\r\nA: b\r\nHost: %s\r\nA: b\r\n\r\n",
]


@pytest.mark.parametrize("before", IN_TURNS)
@pytest.mark.parametrize("after", IN_TURNS)
def test_a_head_after_another_one_is_read_as_if_it_were_alone(before: bytes, after: bytes) -> None:
    blocks = Blocks()
    for hosts in ((b"a.test", b"b.test"), (b"a.test", b"a.test"), (b"a.test", b"b.test\r\nX: y"), (b"a.test", b"1.2")):
        try:
            previous = parse_head(before.replace(b"%s", hosts[0]), LIMITS, None, blocks)
        except RequestError:
            previous = None
        for host in (hosts[1], hosts[0], hosts[1]):
            raw = after.replace(b"%s", host)
            assert found(raw, previous, blocks) == found(raw)


def found(raw: bytes, previous: Head | None = None, blocks: Blocks | None = None) -> object:
    """All that is found in a head, or why it is refused."""
    try:
        head = parse_head(raw, LIMITS, previous, blocks)
    except RequestError as error:
        return error.status, error.reason, error.line
    return None if head is None else all_facts(head)


def test_a_head_that_names_another_host_is_taken_over_but_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks, raw = Blocks(), b"GET /x?y HTTP/1.1\r\nHost: %s.test\r\nA: b\r\n\r\n"
    head = parse_head(raw % b"first", LIMITS, None, blocks)
    monkeypatch.setattr("mpserver.http1.head.read_block", None)
    monkeypatch.setattr(Blocks, "read", None)
    for number in range(200):
        head = parse_head(raw % (b"h%d" % number), LIMITS, head, blocks)
        assert head is not None
        assert (head.path, head.query, head.host, head.get("a")) == ("/x", "y", f"h{number}.test", "b")
    assert len(blocks) <= 128
