"""Header fields: RFC 9110 5, RFC 9112 5."""

from __future__ import annotations

from rawhttp.case import Case, get, shown

TAKEN = ("200",)
REFUSED = ("400",)
#: What the grammar does not have; a server may still leave the field out.
INVALID = ("400", "200")
#: Too many or too large: any 4xx does (RFC 9110 5.4), and RFC 6585 has one of its own.
LARGE = ("400", "431", "413", "414")

CASES = (
    *(
        Case(f"field {shown(field)}", "RFC 9112 5", get(field + b"\r\n"), TAKEN)
        for field in (
            b"X: a", b"X:a", b"X:", b"X: ", b"X:\ta\t", b"X:    a    ", b"x-y_z.~: a", b"!#$%&'*+-.^_`|~09: a", b"X: a: b", b"X: a,b",
            b"X: ,", b'X: "a\\"b"', b"X: (c)", b"X: {}[]<>@=?", b"X: a\tb", b"1: a",
        )
    ),
    Case("field 'X: \\xe9' (obs-text)", "RFC 9110 5.5", get(b"X: \xe9\r\n"), ("200", "400")),
    Case("field of UTF-8", "RFC 9110 5.5", get(b"X: \xc3\xa9\r\n"), ("200", "400")),
    Case("a field twice", "RFC 9110 5.3", get(b"X: a\r\nX: b\r\n"), TAKEN),
    Case("a name in other cases", "RFC 9110 5.1", get(b"cOnTeNt-LeNgTh: 5\r\n") + b"hello", ("200", "400"), echo=b"hello"),
    Case("Cookie twice", "RFC 6265 5.4", get(b"Cookie: a=b\r\nCookie: c=d\r\n"), ("200", "400")),
    *(
        Case(f"field {shown(field)}", "RFC 9112 5.1", get(field + b"\r\n"), REFUSED)
        for field in (b"X : a", b"X\t: a", b"Content-Length : 0", b"Transfer-Encoding : chunked", b"Host : other", b"X  : a")
    ),
    *(
        Case(f"name {shown(name)}", "RFC 9110 5.1", get(name + b": a\r\n"), INVALID)
        for name in (
            b"", b"X Y", b"X(", b"X)", b"X,", b"X/Y", b"X;", b"X<", b"X=", b"X>", b"X?", b"X@", b"X[", b"X\\", b"X]", b"X{", b"X}",
            b'"X"', b"X\xe9", b"X\x00Y", b"X\x01", b"X\x7f", b"\xef\xbb\xbfX", b"\x0bX", b"\x00",
        )
    ),
    Case("a line without colon", "RFC 9112 5", get(b"nothing\r\n"), INVALID),
    Case("Content-Length without colon", "RFC 9112 5", get(b"Content-Length 5\r\n"), INVALID),
    *(
        Case(f"value {shown(value)}", "RFC 9110 5.5", get(b"X: " + value + b"\r\n"), INVALID)
        for value in (b"a\x00b", b"\x00", b"a\x01b", b"\x08", b"\x0b", b"\x0c", b"\x1b[31m", b"\x7f", b"a\x1fb")
    ),
    Case("folded field", "RFC 9112 5.2", get(b"X: a\r\n b\r\n"), ("400", "200")),
    Case("field folded by a tab", "RFC 9112 5.2", get(b"X: a\r\n\tb\r\n"), ("400", "200")),
    Case("field folded to nothing", "RFC 9112 5.2", get(b"X: a\r\n \r\n"), ("400", "200")),
    Case("folded Host", "RFC 9112 5.2", b"GET / HTTP/1.1\r\nHost:\r\n localhost\r\nConnection: close\r\n\r\n", ("400", "200")),
    Case("folded Transfer-Encoding", "RFC 9112 5.2", get(b"Transfer-Encoding:\r\n chunked\r\n") + b"0\r\n\r\n", ("400", "200")),
    Case("folded Content-Length", "RFC 9112 5.2", get(b"Content-Length: 1\r\n 0\r\n"), ("400",)),
    Case("90 fields", "RFC 9110 5.4", get(b"X: a\r\n" * 90), TAKEN),
    Case("5000 fields", "RFC 9110 5.4", get(b"X: a\r\n" * 5000), LARGE),
    Case("a field of 8000 bytes", "RFC 9110 5.4", get(b"X: " + b"a" * 7990 + b"\r\n"), ("200", *LARGE)),
    Case("a field of 300000 bytes", "RFC 9110 5.4", get(b"X: " + b"a" * 300000 + b"\r\n"), LARGE),
    Case("a name of 300000 bytes", "RFC 9110 5.4", get(b"X" * 300000 + b": a\r\n"), LARGE),
    Case("a field of 300000 spaces", "RFC 9110 5.4", get(b"X:" + b" " * 300000 + b"\r\n"), (*LARGE, "200")),
)  # fmt: skip
