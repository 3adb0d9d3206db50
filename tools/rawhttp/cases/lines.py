"""Ends of lines, and the request line: RFC 9112 2.2 and 3."""

from __future__ import annotations

from rawhttp.case import HOST, Case, get, shown

REFUSED = ("400",)
#: A single LF may be taken for the end of a line.
BARE_LF = ("400", "200")
#: A bare CR is invalid, or read as a space.
BARE_CR = ("400", "200")
#: A request line may be parsed leniently, by its whitespace.
LENIENT = ("400", "200")

_CLOSE = b"Connection: close\r\n"

CASES = (
    Case("a plain request", "RFC 9112 2.1", get(), ("200",)),
    *(
        Case(f"{count} empty lines before the request line", "RFC 9112 2.2", b"\r\n" * count + get(), ("200", *more))
        for count, more in ((1, ()), (2, ("400",)), (10, ("400",)))
    ),
    Case("a hundred empty lines before the request line", "RFC 9112 2.2", b"\r\n" * 100 + get(), ("400", "200")),
    Case("an empty line of LF before the request line", "RFC 9112 2.2", b"\n" + get(), BARE_LF),
    Case("CR before the request line", "RFC 9112 2.2", b"\r" + get(), BARE_CR),
    Case("the request line ends in LF", "RFC 9112 2.2", b"GET / HTTP/1.1\n" + HOST + _CLOSE + b"\r\n", BARE_LF),
    Case("all lines end in LF", "RFC 9112 2.2", get().replace(b"\r", b""), BARE_LF),
    Case("a field ends in LF", "RFC 9112 2.2", get(b"X: a\n"), BARE_LF),
    Case("the empty line ends in LF", "RFC 9112 2.2", get()[:-2] + b"\n", BARE_LF),
    Case("a field's line ends in CR CR LF", "RFC 9112 2.2", get(b"X: a\r\r\n"), BARE_CR),
    Case("the request line ends in CR CR LF", "RFC 9112 2.2", b"GET / HTTP/1.1\r\r\n" + get()[16:], BARE_CR),
    Case("all lines end in CR", "RFC 9112 2.2", get().replace(b"\n", b""), ("none", "400"), ends=True),
    Case("lines end in LF CR", "RFC 9112 2.2", get().replace(b"\r\n", b"\n\r"), ("400",), ends=True),
    Case("CR in the target", "RFC 9112 2.2", get(target=b"/a\rb"), BARE_CR),
    Case("CR before the version", "RFC 9112 2.2", b"GET /\rHTTP/1.1" + get()[14:], LENIENT),
    Case("CR within a field's value", "RFC 9112 2.2", get(b"X: a\rb\r\n"), BARE_CR),
    Case("CR within a field's name", "RFC 9112 2.2", get(b"X\rY: a\r\n"), REFUSED),
    Case("a field hides behind CR", "RFC 9112 2.2", get(b"X: a\rContent-Length: 5\r\n"), BARE_CR),
    *(
        Case(f"{name} before the first field", "RFC 9112 2.2", b"GET / HTTP/1.1\r\n" + white + get()[16:], LENIENT)
        for name, white in (("a space", b" "), ("a tab", b"\t"), ("a line of spaces", b"  \r\n"))
    ),
    *(
        Case(f"request line {shown(line)}", "RFC 9112 3", line + get()[14:], accepted)
        for line, accepted in (
            (b" GET / HTTP/1.1", LENIENT),
            (b"\tGET / HTTP/1.1", LENIENT),
            (b"GET  / HTTP/1.1", LENIENT),
            (b"GET /  HTTP/1.1", LENIENT),
            (b"GET / HTTP/1.1 ", LENIENT),
            (b"GET / HTTP/1.1\t", LENIENT),
            (b"GET\t/\tHTTP/1.1", LENIENT),
            (b"GET\x0b/ HTTP/1.1", LENIENT),
            (b"GET /\x0cHTTP/1.1", LENIENT),
            (b"GET\xa0/\xa0HTTP/1.1", REFUSED),
            (b"GET /a b HTTP/1.1", REFUSED),
            (b"GET / HTTP/1.1 x", REFUSED),
            (b"GET HTTP/1.1", REFUSED),
            (b"GET  HTTP/1.1", ("400", "none")),
            (b"/ HTTP/1.1", REFUSED),
            (b"GET", ("400", "none")),
            (b"GET ", ("400", "none")),
            (b"HTTP/1.1 200 OK", ("400", "405", "501")),
            (b"Host: localhost", ("400", "none")),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ("400", "none")),
            (b"GET / HTTP/1.1\x00", REFUSED),
            (b"\x00GET / HTTP/1.1", ("400", "501")),
            (b"\xef\xbb\xbfGET / HTTP/1.1", ("400", "501")),
            (b"{}", ("400", "none")),
        )
    ),
    Case("HTTP/0.9", "RFC 9112 3", b"GET /\r\n", ("400", "none", "505", "0.9"), ends=True),
    Case("HTTP/0.9 and no more", "RFC 9112 3", b"GET /\n", ("400", "none", "505", "0.9"), ends=True),
    Case("nothing at all", "RFC 9112 9.5", b"", ("none",), ends=True),
    Case("half a request line", "RFC 9112 8", b"GET / HT", ("none", "400"), ends=True),
    Case("half a head", "RFC 9112 8", get()[:-2], ("400", "none"), ends=True),
    Case("half a field", "RFC 9112 8", get()[:-10], ("400", "none"), ends=True),
    Case("empty lines alone", "RFC 9112 2.2", b"\r\n\r\n", ("none", "400"), ends=True),
    Case("a request line of 8000 bytes", "RFC 9112 3", get(target=b"/?" + b"a" * 7985), ("200",)),
    Case("a target of 200000 bytes", "RFC 9112 3", get(target=b"/" + b"a" * 200000), ("414",)),
    Case("a query of 200000 bytes", "RFC 9112 3", get(target=b"/?" + b"a" * 200000), ("414",)),
    Case("a method of 20000 letters", "RFC 9112 3", b"A" * 20000 + b" / HTTP/1.1" + get()[14:], ("400", "501", "414")),
    Case("a version of 20000 digits", "RFC 9112 3", get(version=b"1" * 20000), ("414", "400", "505")),
)
