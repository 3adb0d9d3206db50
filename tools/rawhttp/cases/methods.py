"""Methods (RFC 9110 9, RFC 9112 3.1) and versions (RFC 9112 2.3)."""

from __future__ import annotations

from rawhttp.case import Case, get, request, shown

#: Whoever does not know a method may say so by either.
UNKNOWN = ("200", "501", "405", "400")

_CONNECT = ("501", "400", "405", "404", "403", "none")

CASES = (
    *(
        Case(f"method {method.decode()}", "RFC 9110 9", request(method + b" / HTTP/1.1"), UNKNOWN)
        for method in (b"OPTIONS", b"PUT", b"DELETE", b"PATCH", b"PROPFIND", b"M-SEARCH", b"BREW", b"get", b"G", b"A!#$%&'*+")
    ),
    Case("HEAD", "RFC 9110 9.3.2", request(b"HEAD / HTTP/1.1"), ("200",), bodiless=True),
    Case("HEAD of HTTP/1.0", "RFC 9110 9.3.2", b"HEAD / HTTP/1.0\r\n\r\n", ("200",), bodiless=True),
    Case("POST without a body", "RFC 9112 6.3", request(b"POST / HTTP/1.1"), ("200", "411"), echo=b""),
    Case("GET with a body", "RFC 9110 9.3.1", get(b"Content-Length: 5\r\n") + b"hello", ("200", "400"), echo=b"hello"),
    Case(
        "GET with a chunked body", "RFC 9110 9.3.1",
        get(b"Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\n0\r\n\r\n", ("200", "400"), echo=b"hello",
    ),
    Case(
        "DELETE with a body", "RFC 9110 9.3.5", request(b"DELETE / HTTP/1.1", b"Content-Length: 5\r\n", b"hello"), UNKNOWN
    ),
    Case("TRACE with a body", "RFC 9110 9.3.8", request(b"TRACE / HTTP/1.1", b"Content-Length: 5\r\n", b"hello"),
         ("413", "405", "400", "501", "200")),
    Case("OPTIONS *", "RFC 9110 9.3.7", request(b"OPTIONS * HTTP/1.1"), ("200", "204", "400", "405")),
    Case("OPTIONS * of HTTP/1.0", "RFC 9110 9.3.7", b"OPTIONS * HTTP/1.0\r\n\r\n", ("200", "204", "400", "405")),
    *(
        Case(f"CONNECT {target.decode()}", "RFC 9110 9.3.6", request(b"CONNECT " + target + b" HTTP/1.1"), _CONNECT)
        for target in (b"localhost:443", b"[::1]:443", b"127.0.0.1:80")
    ),
    *(
        Case(f"CONNECT {target.decode()}", "RFC 9112 3.2.3", request(b"CONNECT " + target + b" HTTP/1.1"), ("400", "405", "501"))
        for target in (b"/", b"*", b"localhost", b"localhost:", b"http://localhost/", b"localhost:80/x", b"[::1]", b"localhost:x")
    ),
    *(
        Case(f"method {shown(method)}", "RFC 9110 5.6.2", request(method + b" / HTTP/1.1"), ("400", "501", "405"))
        for method in (
            b"G@T", b"G(T", b"G,T", b"G/T", b"G:T", b"G;T", b"G<T", b"G=T", b"G?T", b"G[T", b"G\\T", b"G{T", b'"GET"', b"G\xc9T",
            b"GE\x00T", b"GE\x7fT", b"GE\x01T",
        )
    ),
    *(
        Case(f"version HTTP/{version.decode()}", "RFC 9112 2.3", get(version=version), accepted)
        for version, accepted in (
            (b"1.2", ("200", "505")),
            (b"1.9", ("200", "505")),
            (b"2.0", ("505", "400")),
            (b"3.1", ("505", "400")),
            (b"9.9", ("505", "400")),
            (b"0.9", ("400", "505")),
        )
    ),
    *(
        Case(f"version {shown(version)}", "RFC 9112 2.3", request(b"GET / " + version), ("400", "505"))
        for version in (
            b"http/1.1", b"Http/1.1", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/11", b"HTTP/1.1.1",
            b"HTTP/1,1", b"HTTP/-1.1", b"HTTP/+1.1", b"HTTP/a.b", b"HTTP/1.x", b"HTTP /1.1", b"HTTP/1 .1", b"HTTP", b"HTTP/",
            b"HTTP/1.\xb9", b"HTTPS/1.1", b"ICAP/1.0", b"RTSP/1.0", b"XHTTP/1.1", b"HTTP/1.1;a", b"SIP/2.0",
        )
    ),
    Case("the preface of HTTP/2", "RFC 9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ("505", "400", "none"), ends=True),
)  # fmt: skip
