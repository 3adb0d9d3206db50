"""Connections that are kept or not, pipelines, upgrades: RFC 9112 9, RFC 9110 7.6.1 and 7.8."""

from __future__ import annotations

from rawhttp.case import HIDDEN, HOST, LAST_HIDDEN, Case, get, request, shown

#: What is kept answers the next request, which is the last: 418 tells that it was seen.
KEPT = ("200 418",)
CLOSED = ("200",)


def _first(fields: bytes = b"", line: bytes = b"GET / HTTP/1.1") -> bytes:
    return line + b"\r\n" + HOST + fields + b"\r\n"


CASES = (
    Case("kept by default", "RFC 9112 9.3", _first() + LAST_HIDDEN, KEPT),
    Case("kept: Connection: keep-alive", "RFC 9112 9.3", _first(b"Connection: keep-alive\r\n") + LAST_HIDDEN, KEPT),
    Case("an option that nobody knows", "RFC 9110 7.6.1", _first(b"Connection: x\r\n") + LAST_HIDDEN, KEPT),
    *(
        Case(f"closed: {shown(field)}", "RFC 9112 9.6", _first(field + b"\r\n") + LAST_HIDDEN, CLOSED)
        for field in (
            b"Connection: close", b"connection: CLOSE", b"Connection: x, close", b"Connection: close, x", b"Connection: keep-alive, close",
            b"Connection: x\r\nConnection: close", b"Connection: ,close,", b"Connection:close",
        )
    ),
    *(
        Case(f"not closed: {shown(field)}", "RFC 9110 7.6.1", _first(field + b"\r\n") + LAST_HIDDEN, ("200 418", "200"))
        for field in (b"Connection: closed", b"Connection: xclose", b"Connection: clos", b"Proxy-Connection: close", b"Connection:")
    ),
    Case("HTTP/1.0 is closed", "RFC 9112 9.3", _first(line=b"GET / HTTP/1.0") + LAST_HIDDEN, CLOSED),
    Case("HTTP/1.0 is kept on demand", "RFC 9112 9.3",
         _first(b"Connection: keep-alive\r\n", b"GET / HTTP/1.0") + LAST_HIDDEN, ("200 418", "200")),
    Case("HTTP/1.0, keep-alive and close", "RFC 9112 9.3",
         _first(b"Connection: keep-alive, close\r\n", b"GET / HTTP/1.0") + LAST_HIDDEN, CLOSED),
    Case("Keep-Alive alone does not keep HTTP/1.0", "RFC 9112 9.3",
         _first(b"Keep-Alive: timeout=5\r\n", b"GET / HTTP/1.0") + LAST_HIDDEN, CLOSED),
    *(Case(f"{count} requests at once", "RFC 9112 9.3.2", _first() * (count - 1) + get(), (" ".join(["200"] * count),)) for count in (2, 5, 30)),
    Case("empty lines between requests", "RFC 9112 2.2", _first() + b"\r\n\r\n" + get(), ("200 200", "200 400")),
    Case("GET and HEAD at once", "RFC 9112 9.3.2",
         _first(line=b"HEAD / HTTP/1.1") + request(b"HEAD / HTTP/1.1"), ("200 200",), bodiless=True),
    *(
        Case(f"{told} after a good request", "RFC 9112 9.3.2", _first() + bad, ("200 400", "200 400 kept"))
        for told, bad in (
            ("nonsense", b"nonsense\r\n\r\n" + HIDDEN),
            ("no Host", b"GET / HTTP/1.1\r\n\r\n" + HIDDEN),
            ("a bad length", _first(b"Content-Length: x\r\n", b"POST / HTTP/1.1") + HIDDEN),
            ("a space before the colon", _first(b"X : a\r\n") + HIDDEN),
            ("NUL", b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN),
        )
    ),
    Case("nothing is read after a bad request", "RFC 9112 9.6", b"GET / HTTP/1.1\r\n\r\n" + HIDDEN, ("400",)),
    Case("nothing is read after a bad length", "RFC 9112 6.3", _first(b"Content-Length: x\r\n", b"POST / HTTP/1.1") + HIDDEN, ("400",)),
    Case("nothing is read after a bad chunk", "RFC 9112 7.1",
         _first(b"Transfer-Encoding: chunked\r\n", b"POST / HTTP/1.1") + b"x\r\n\r\n" + HIDDEN, ("400",)),
    Case("nothing is read after CONNECT", "RFC 9110 9.3.6",
         b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n" + HIDDEN, ("501", "400", "405", "404", "403", "none")),
    Case("a client that is done sending", "RFC 9112 9.6", _first(), ("200", "none"), ends=True),
    Case("the last answer tells that it is", "RFC 9112 9.6", get(), CLOSED, shows=rb"(?i)\r\nconnection: close\r\n"),
    Case("an answer has a date", "RFC 9110 6.6.1", get(), CLOSED,
         shows=rb"(?i)\r\ndate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n"),
    Case("HTTP/1.0 gets no chunks", "RFC 9112 6.1", b"GET / HTTP/1.0\r\n\r\n", CLOSED, shows=rb"(?is)^(?!.*\r\ntransfer-encoding:)"),
    *(
        Case(f"Upgrade: {shown(value)}", "RFC 9110 7.8", get(b"Upgrade: " + value + b"\r\n"), ("200", "400", "426"))
        for value in (b"websocket", b"h2c", b"HTTP/2.0", b"TLS/1.0", b"x/y, z", b"\"")
    ),
    Case("Upgrade: h2c with its settings", "RFC 9110 7.8",
         b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
         + LAST_HIDDEN, ("200 418", "200", "400")),
    Case("Upgrade of HTTP/1.0", "RFC 9110 7.8",
         b"GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", ("200", "400")),
    Case("Upgrade beside a body", "RFC 9110 7.8",
         request(b"POST / HTTP/1.1", b"Upgrade: h2c\r\nContent-Length: 5\r\n", b"hello"), ("200", "400"), echo=b"hello"),
    Case("Max-Forwards: 0", "RFC 9110 7.6.2", request(b"OPTIONS / HTTP/1.1", b"Max-Forwards: 0\r\n"), ("200", "204", "405", "501")),
    Case("Connection names a field that is needed", "RFC 9110 7.6.1", _first(b"Connection: close, host\r\n"), ("200", "400")),
    Case("TE without Connection", "RFC 9110 10.1.4", get(b"TE: trailers\r\n"), ("200",)),
)  # fmt: skip
