"""The Host field: RFC 9110 7.2, RFC 9112 3.2, RFC 3986 3.2.2."""

from __future__ import annotations

from rawhttp.case import Case, get, shown

REFUSED = ("400",)

_NAMES = "no system of names knows sub-delims and %-escapes, and readers disagree about them"
_NUMBERS = "others take such a name for an IPv4 address, each for another one"


def _named(host: bytes, version: bytes = b"1.1") -> bytes:
    return b"GET / HTTP/" + version + b"\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"


CASES = (
    *(
        Case(f"Host: {shown(host)}", "RFC 9110 7.2", _named(host), ("200",))
        for host in (
            b"localhost", b"LOCALHOST", b"localhost:80", b"localhost:65535", b"localhost:", b"localhost:0080", b"www.example.org",
            b"www.example.org.", b"a-b.example", b"xn--bcher-kva.example", b"127.0.0.1", b"127.0.0.1:8080", b"[::1]", b"[::1]:80",
            b"[::ffff:1.2.3.4]", b"[1:2:3:4:5:6:7:8]", b"a_b.example", b"1a", b"0x7f000001",
        )
    ),
    Case("Host: localhost, in HTTP/1.0", "RFC 9110 7.2", _named(b"localhost", b"1.0"), ("200",)),
    Case("no Host in HTTP/1.0", "RFC 9112 3.2", b"GET / HTTP/1.0\r\n\r\n", ("200",)),
    Case("an empty Host in HTTP/1.0", "RFC 9112 3.2", _named(b"", b"1.0"), ("200", "400")),
    Case("no Host", "RFC 9112 3.2", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", REFUSED),
    Case("an empty Host", "RFC 9112 3.2", _named(b""), ("400", "200")),
    Case("a Host of spaces", "RFC 9112 3.2", _named(b"   "), ("400", "200")),
    *(
        Case(f"two Host fields, the second {shown(field)}", "RFC 9112 3.2", get(field + b"\r\n"), REFUSED)
        for field in (b"Host: localhost", b"Host: other", b"hOST: other", b"Host:", b"HOST: localhost")
    ),
    Case("two Host fields in HTTP/1.0", "RFC 9112 3.2", get(b"Host: other\r\n", version=b"1.0"), REFUSED),
    *(
        Case(f"Host: {shown(host)}{told}", "RFC 9112 3.2", _named(host, version), REFUSED)
        for host in (
            b"a/b", b"user@b", b"a b", b"a,b", b"a, a", b"a:b", b"a:-1", b"a:1:2", b"a:80:", b"a:80/x", b"a?b", b"a#b", b"a\\b",
            b"::1", b"[::1", b"[zz]", b"[1::2::3]", b"[]", b"[::1]x", b"[1:2:3]", b"[12345::]", b"[::1.2.3.256]", b"<a>", b'"a"',
            b"a\x01b", b"a\x00b", b"a{b}", b"http://a/", b"a^b", b"a|b", b"a`b",
        )
        for version, told in ((b"1.1", ""), *(((b"1.0", ", in HTTP/1.0"),) if host in (b"a b", b"a:b", b"a/b") else ()))
    ),
    *(
        Case(f"Host: {shown(host)}", "RFC 3986 3.2.2", _named(host), ("400", "200"), argued=_NAMES)
        for host in (b"0.0.0.0=5000", b"a!b", b"a$b", b"a&b", b"a'b", b"a(b)", b"a*b", b"a+b", b"a;b", b"a=b", b"a~b", b"a%41", b"[v1.a]")
    ),
    *(
        Case(f"Host: {shown(host)}", "RFC 3986 7.4", _named(host), ("400", "200"), argued=_NUMBERS)
        for host in (b"1", b"127.1", b"0x7f.1", b"0177.0.0.1", b"1.2.3.4.5", b"a.1", b"127.0.0.0x1")
    ),
    *(
        Case(f"Host: {shown(host)}", "RFC 3986 3.2.3", _named(host), ("400", "200"))
        for host in (b"a:0", b"a:65536", b"a:99999", b"a:000000000080")
    ),
    *(
        Case(f"Host: {shown(host)}", "RFC 3986 3.2.2", _named(host), ("400", "200"))
        for host in (b".", b"..", b"a..b", b":80", b"\xc3\xa9.example", b"a\xe9")
    ),
)  # fmt: skip
