"""Targets: RFC 9112 3.2, RFC 9110 4.2 and 7.1, RFC 3986."""

from __future__ import annotations

from rawhttp.case import Case, get, request, shown

FOUND = ("200",)
REFUSED = ("400",)
#: No target by the grammar; what can't be misread may be taken (RFC 9112 3.2: a server should refuse).
INVALID = ("400", "404", "403", "200")

CASES = (
    *(
        Case(f"target {shown(target)}", "RFC 9112 3.2.1", get(target=target), FOUND)
        for target in (
            b"/a", b"/a/b", b"/a?b", b"/?", b"/?a=b&c=d", b"/a%20b", b"/a;b=c", b"/a,b", b"/a:b", b"/a@b", b"/~a",
            b"/a'b", b"/(a)", b"/a!b*c", b"/a$b", b"/a+b", b"/a=b", b"/a&b", b"/?a?b", b"/?a/b", b"/?%00", b"/?%zz", b"/a/",
            b"/.a", b"/a..b", b"/-._~",
        )
    ),
    Case("target /a%2Fb", "RFC 3986 2.2", get(target=b"/a%2Fb"), ("404", "200", "400"),
         argued="AllowEncodedSlashes is Off, as in httpd"),
    *(
        Case(f"target {shown(target)}", "RFC 3986 6.2.2", get(target=target), ("200", "400", "404", "403"))
        for target in (b"//a", b"/a//b", b"/./a", b"/a/../b", b"/a/.", b"/a/..", b"/%2e/a", b"/a%2e%2e", b"/a/%2e%2e/b", b"/%41")
    ),
    *(
        Case(f"target {shown(target)}", "RFC 3986 5.2.4", get(target=target), ("400", "404", "403", "200"))
        for target in (b"/..", b"/../a", b"/a/../../b", b"/%2e%2e/a", b"/.%2e/a", b"/%2E%2E/%2E%2E/etc/passwd", b"/../../../etc/passwd")
    ),
    *(
        Case(f"target {shown(target)}", "RFC 3986 2.4", get(target=target), INVALID)
        for target in (b"/%", b"/%a", b"/%zz", b"/a%4", b"/%u0041")
    ),
    Case("target /%00", "RFC 3986 7.3", get(target=b"/%00"), ("404", "400", "403", "200")),
    Case("target /a%00.txt", "RFC 3986 7.3", get(target=b"/a%00.txt"), ("404", "400", "403", "200")),
    Case("target /a%0d%0ab", "RFC 3986 7.3", get(target=b"/a%0d%0ab"), ("200", "400", "403", "404")),
    *(
        Case(f"target {shown(target)}", "RFC 3629 3", get(target=target), INVALID)
        for target in (b"/%c0%af", b"/%e0%80%af", b"/%f0%80%80%af", b"/%c0%ae%c0%ae/a")
    ),
    *(
        Case(f"target {shown(target)}", "RFC 9112 3.2", get(target=target), ("200", "400"))
        for target in (b'/"', b"/<>", b"/\\", b"/^", b"/`", b"/{}", b"/|", b"/[]", b"/?[]{}|", b"/?\xc3\xa9")
    ),
    *(
        Case(f"target {shown(target)}", "RFC 9112 3.2", get(target=target), ("400", "404", "200"))
        for target in (b"/\xc3\xa9", b"/\xe9", b"/\xc0\xaf", b"/\xff\xfe")
    ),
    *(
        Case(f"target {shown(target)}", "RFC 9112 3.2", get(target=target), ("400", "404"))
        for target in (b"/\x00", b"/\x01", b"/a\x1b[31m", b"/\x7f", b"/?\x00", b"/?\x08")
    ),
    *(
        Case(f"target {shown(target)}", "RFC 9110 7.1", get(target=target), ("400", "200"))
        for target in (b"/#a", b"/?a#b", b"/a#", b"#")
    ),
    *(
        Case(f"target {shown(target)}", "RFC 9112 3.2", get(target=target), ("400", "404"))
        for target in (b"a", b"a/b", b"?a", b".", b"..", b"\\", b"%2f", b"~", b"*", b"*/", b"localhost:80", b"127.0.0.1", b"@", b";")
    ),
    Case("OPTIONS *a", "RFC 9112 3.2.4", request(b"OPTIONS *a HTTP/1.1"), ("400", "404")),
    Case("OPTIONS *?a", "RFC 9112 3.2.4", request(b"OPTIONS *?a HTTP/1.1"), ("400", "404")),
    *(
        Case(f"target {shown(target)}", "RFC 9112 3.2.2", get(target=target), FOUND)
        for target in (
            b"http://localhost/", b"http://localhost", b"http://localhost/a?b", b"http://localhost?a", b"HTTP://LOCALHOST/",
            b"http://localhost:80/", b"http://localhost:/", b"http://other.example/a", b"http://127.0.0.1/", b"http://[::1]:80/",
        )
    ),
    Case("target https://localhost/ without TLS", "RFC 9110 7.4", get(target=b"https://localhost/"), ("200", "400", "421", "403")),
    *(
        Case(f"target {shown(target)}", "RFC 9110 4.2", get(target=target), ("400", "404", "421"))
        for target in (
            b"http://", b"http:///a", b"http:/a", b"http:a", b"http:", b"http://a..b/", b"http://a b/", b"http://[::1/",
            b"http://a:x/", b"http://a:65536/", b"http://:80/", b"://localhost/", b"http//localhost/",
        )
    ),
    *(
        Case(f"target {shown(target)}", "RFC 9110 4.2.4", get(target=target), ("400", "200"))
        for target in (b"http://user@localhost/", b"http://user:secret@localhost/", b"http://@localhost/")
    ),
    *(
        Case(f"target {shown(target)}", "RFC 9110 7.4", get(target=target), ("400", "404", "421", "200"))
        for target in (b"ftp://localhost/", b"file:///etc/passwd", b"ws://localhost/", b"javascript:x", b"urn:a:b")
    ),
    *(
        Case(f"target {shown(target)}", "RFC 3986 7.4", get(target=target), ("400", "200", "421"))
        for target in (b"http://0x7f.1/", b"http://0177.0.0.1/", b"http://127.1/", b"http://2130706433/")
    ),
    Case("target http://localhost/#a", "RFC 9110 7.1", get(target=b"http://localhost/#a"), ("400", "200")),
    Case("the target's host beats another Host", "RFC 9112 3.2.2",
         b"GET http://localhost/ HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n", FOUND),
    Case("the target has a host, and there is no Host", "RFC 9112 3.2",
         b"GET http://localhost/ HTTP/1.1\r\nConnection: close\r\n\r\n", REFUSED),
    Case("the target has a host, and Host is malformed", "RFC 9112 3.2",
         b"GET http://localhost/ HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n", REFUSED),
)  # fmt: skip
