"""Chunked bodies: RFC 9112 7.1."""

from __future__ import annotations

from rawhttp.case import LAST_HIDDEN, Case, chunked, shown

READ = ("200",)
REFUSED = ("400",)
#: The grammar allows whitespace here for the sake of old senders; readers that took it were deceived by it.
_WHITESPACE = "readers disagree about whitespace here, which requests were smuggled by"
_END = b"0\r\n\r\n"


def _size(size: bytes) -> bytes:
    return chunked(size + b"\r\nhello\r\n" + _END)


CASES = (
    Case("one chunk", "RFC 9112 7.1", _size(b"5"), READ, echo=b"hello"),
    Case("several chunks", "RFC 9112 7.1", chunked(b"1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n" + _END), READ, echo=b"hello"),
    Case("no chunk", "RFC 9112 7.1", chunked(_END), READ, echo=b""),
    Case("a chunk of CRLF", "RFC 9112 7.1", chunked(b"2\r\n\r\n\r\n" + _END), READ, echo=b"\r\n"),
    Case("a chunk that looks like an end", "RFC 9112 7.1", chunked(b"5\r\n0\r\n\r\n\r\n" + _END), READ, echo=_END),
    Case("letters as digits", "RFC 9112 7.1", chunked(b"a\r\n0123456789\r\nB\r\n01234567890\r\n" + _END), READ),
    Case("zeros before a size", "RFC 9112 7.1", _size(b"0005"), READ, echo=b"hello"),
    Case("zeros as the last size", "RFC 9112 7.1", chunked(b"000\r\n\r\n"), READ, echo=b""),
    Case("a thousand chunks of a byte", "RFC 9112 7.1", chunked(b"1\r\na\r\n" * 1000 + _END), READ, echo=b"a" * 1000),
    Case("bytes after the last chunk", "RFC 9112 7.1", chunked(_END + LAST_HIDDEN), READ),
    *(
        Case(f"size {shown(size)}", "RFC 9112 7.1", _size(size), REFUSED)
        for size in (
            b"", b"g", b"-5", b"+5", b"0x5", b"5h", b"5.", b"5,", b"5_", b"\xb2", b"5\x00", b"\x0b5", b"5 5", b"five", b"x5", b"'5'", b"$5",
        )
    ),
    *(
        Case(f"size {shown(size)}", "RFC 9112 7.1", _size(size), ("400", "413"))
        for size in (
            b"8000000000000000", b"ffffffffffffffff", b"fffffffffffffffff", b"10000000000000005", b"100000000000000005", b"f" * 5000,
        )
    ),
    Case("a size of 17 digits that is small", "RFC 9112 7.1", _size(b"0" * 16 + b"5"), ("400", "200")),
    *(
        Case(f"size {shown(size)}", "RFC 9112 7.1.1", _size(size), ("400", "200"), argued=_WHITESPACE)
        for size in (b" 5", b"5 ", b"5\t", b"5 ;a", b"5; a", b"5;a =b", b"5;a= b")
    ),
    *(
        Case(f"extension {shown(size)}", "RFC 9112 7.1.1", _size(size), READ, echo=b"hello")
        for size in (b"5;a", b"5;a=b", b'5;a="b"', b'5;a="b;c=\\"d"', b"5;a;b;c", b"5;a=b;c=d", b'5;a=""', b"5;" + b"a" * 100)
    ),
    *(
        Case(f"extension {shown(size)}", "RFC 9112 7.1.1", _size(size), ("400", "200"))
        for size in (b"5;", b"5;;", b"5;=b", b"5;a=", b'5;a="', b"5;a=b=c", b"5;(a)", b"5;a\x00", b"5;a\x01", b"5:a", b"5;\xe9")
    ),
    *(
        Case(f"an extension with {shown(end)}", "RFC 9112 7.1.1",
             chunked(b"5;a" + end + b"b\r\nhello\r\n" + _END), ("400",))
        for end in (b"\r", b"\n")
    ),
    Case("an extension of 64 KiB", "RFC 9112 7.1.1", _size(b"5;" + b"a" * 65536), ("400", "413", "200", "431")),
    Case("extensions of 2 MB in all", "RFC 9112 7.1.1",
         chunked((b"1;" + b"a" * 2000 + b"\r\na\r\n") * 1000 + _END), ("400", "413", "200")),
    Case("an extension of the last chunk", "RFC 9112 7.1.1", chunked(b"0;a=b\r\n\r\n"), READ, echo=b""),
    *(
        Case(told, "RFC 9112 7.1", chunked(body), accepted)
        for told, body, accepted in (
            ("a size ends in LF", b"5\nhello\r\n" + _END, ("400", "200")),
            ("a size ends in CR", b"5\rhello\r\n" + _END, ("400",)),
            ("a size ends in CR CR LF", b"5\r\r\nhello\r\n" + _END, ("400",)),
            ("a chunk ends in LF", b"5\r\nhello\n" + _END, ("400", "200")),
            ("a chunk ends in CR", b"5\r\nhello\r" + _END, ("400",)),
            ("a chunk ends in nothing", b"5\r\nhello" + _END, ("400",)),
            ("a chunk ends in LF CR", b"5\r\nhello\n\r" + _END, ("400",)),
            ("a chunk is longer than its size", b"4\r\nhello\r\n" + _END, ("400",)),
            ("a chunk is shorter than its size", b"6\r\nhello\r\n" + _END, ("400",)),
            ("the last line ends in LF", b"0\r\n\n", ("400", "200")),
            ("all lines of the body end in LF", b"5\nhello\n0\n\n", ("400", "200")),
            ("an empty line before the size", b"\r\n5\r\nhello\r\n" + _END, ("400",)),
            ("no hexadecimal at all", b"hello\r\n", ("400",)),
            ("two CRLF after a chunk", b"5\r\nhello\r\n\r\n" + _END, ("400",)),
        )
    ),
    *(
        Case(f"the body ends {told}", "RFC 9112 8", chunked(body), ("400", "none", "408"), ends=True)
        for told, body in (
            ("before a size", b""), ("within a size", b"5"), ("after a size", b"5\r\n"), ("within a chunk", b"5\r\nhel"),
            ("after a chunk", b"5\r\nhello\r\n"), ("before the last line", b"0\r\n"), ("within a trailer", b"0\r\nX: a"),
        )
    ),
    *(
        Case(f"trailer {shown(field)}", "RFC 9112 7.1.2", chunked(b"0\r\n" + field + b"\r\n\r\n"), READ)
        for field in (b"X: a", b"X:a", b"X:", b"X: a\r\nY: b", b"ETag: \"a\"")
    ),
    *(
        Case(f"trailer {shown(field)}", "RFC 9112 7.1.2", chunked(b"0\r\n" + field + b"\r\n\r\n"), ("400", "200"))
        for field in (b"X : a", b"nothing", b": a", b"X\x00: a", b"X: a\x00", b" X: a", b"X: a\r\n b", b"X: a\n")
    ),
    *(
        Case(f"trailer {shown(field)}", "RFC 9110 6.5.1", chunked(b"0\r\n" + field + b"\r\n\r\n"), ("400", "200"))
        for field in (b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: other", b"Connection: keep-alive", b"Trailer: X")
    ),
    Case("5000 trailers", "RFC 9112 7.1.2", chunked(b"0\r\n" + b"X: a\r\n" * 5000 + b"\r\n"), ("400", "413", "431", "200")),
    Case("a trailer of 300000 bytes", "RFC 9112 7.1.2",
         chunked(b"0\r\nX: " + b"a" * 300000 + b"\r\n\r\n"), ("400", "413", "431", "200")),
    Case("a request hides in a trailer", "RFC 9112 7.1.2", chunked(b"0\r\n" + LAST_HIDDEN), ("400", "200")),
)  # fmt: skip
