"""How long a body is: RFC 9110 8.6, RFC 9112 6."""

from __future__ import annotations

from rawhttp.case import LAST_HIDDEN, Case, post, shown

REFUSED = ("400",)
#: A length beyond what can be counted, or beyond a limit.
HUGE = ("400", "413", "431")

_CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
#: Refused, or read by the coding alone with the connection closed after it.
BOTH = ("400", "200")


def _length(value: bytes, body: bytes = b"hello") -> bytes:
    return post(b"Content-Length: " + value + b"\r\n", body)


def _coding(value: bytes, body: bytes = _CHUNKS) -> bytes:
    return post(b"Transfer-Encoding: " + value + b"\r\n", body)


LENGTHS = (
    Case("Content-Length: 5", "RFC 9112 6.2", _length(b"5"), ("200",), echo=b"hello"),
    Case("Content-Length: 0", "RFC 9112 6.2", _length(b"0", b""), ("200",), echo=b""),
    Case("Content-Length: 005", "RFC 9110 8.6", _length(b"005"), ("200", "400"), echo=b"hello"),
    Case("Content-Length with spaces around", "RFC 9110 8.6", _length(b"  5  "), ("200",), echo=b"hello"),
    Case("Content-Length of HTTP/1.0", "RFC 9112 6.2",
         b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", ("200",), echo=b"hello"),
    Case("more bytes than Content-Length", "RFC 9112 6.3", _length(b"5", b"helloworld"), ("200",), echo=b"hello"),
    Case("a request hides behind Content-Length: 0", "RFC 9112 6.3", _length(b"0", LAST_HIDDEN), ("200",)),
    *(
        Case(f"Content-Length: {shown(value)}", "RFC 9110 8.6", _length(value), REFUSED)
        for value in (
            b"", b"+5", b"-5", b"-0", b"0x5", b"5h", b"5.0", b"5e0", b"5 5", b"5;", b"five", b"\xb2", b"1_0", b"'5'", b'"5"', b"5,",
            b",5", b"5,6", b"5, 6", b"5 ,5x", b"\x005", b"5\x00", b"\x0b5", b"(5)",
        )
    ),
    *(
        Case(f"Content-Length: {shown(value)}", "RFC 9110 8.6", _length(value), ("400", "200"), echo=b"hello")
        for value in (b"5,5", b"5, 5", b"5 , 5")
    ),
    *(
        Case(f"Content-Length: {shown(value)}", "RFC 9110 8.6", _length(value), HUGE)
        for value in (
            b"9223372036854775808", b"18446744073709551615", b"18446744073709551621", b"99999999999999999999999", b"9" * 5000,
        )
    ),
    Case("Content-Length: 25 digits of 0", "RFC 9110 8.6", _length(b"0" * 25, b""), ("400", "200")),
    Case("two equal Content-Length", "RFC 9110 8.6", post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello"),
         ("400", "200"), echo=b"hello"),
    *(
        Case(f"two Content-Length, {told}", "RFC 9112 6.3", post(fields, b"hello" + LAST_HIDDEN), REFUSED)
        for told, fields in (
            ("5 and 6", b"Content-Length: 5\r\nContent-Length: 6\r\n"),
            ("6 and 5", b"Content-Length: 6\r\ncontent-length: 5\r\n"),
            ("5 and nothing", b"Content-Length: 5\r\nContent-Length:\r\n"),
            ("5 and -5", b"Content-Length: 5\r\nContent-Length: -5\r\n"),
            ("5 and 05x", b"Content-Length: 5\r\nContent-Length: 05x\r\n"),
        )
    ),
    *(
        Case(f"{name.decode()} without Content-Length", "RFC 9110 5.1",
             post(name + b": 5\r\n", LAST_HIDDEN), ("400", "200"), argued="gateways take it for Content-Length")
        for name in (b"Content_Length", b"CONTENT_LENGTH")
    ),
    Case("Content_Length beside Content-Length", "RFC 9110 5.1",
         post(b"Content_Length: 50\r\nContent-Length: 5\r\n", b"hello"), ("400", "200"), argued="gateways take it for Content-Length"),
    *(
        Case(f"{name.decode()}: 5 beside no other length", "RFC 9110 5.1", post(name + b": 5\r\n", LAST_HIDDEN), ("200", "400"))
        for name in (b"Content-Lengt", b"Content-Lengthx", b"X-Content-Length", b"ContentLength")
    ),
    Case("a body that ends early", "RFC 9112 8", _length(b"10", b"hello"), ("400", "none", "408"), ends=True),
    Case("a body that never comes", "RFC 9112 8", _length(b"10", b""), ("400", "none", "408"), ends=True),
)  # fmt: skip

CODINGS = (
    Case("Transfer-Encoding: chunked", "RFC 9112 7.1", _coding(b"chunked"), ("200",), echo=b"hello"),
    Case("Transfer-Encoding: Chunked", "RFC 9112 7", _coding(b"Chunked"), ("200",), echo=b"hello"),
    Case("Transfer-Encoding: CHUNKED", "RFC 9112 7", _coding(b"CHUNKED"), ("200",), echo=b"hello"),
    Case("Transfer-Encoding with spaces around", "RFC 9112 5", _coding(b" chunked "), ("200",), echo=b"hello"),
    *(
        Case(f"Transfer-Encoding: {shown(value)}", "RFC 9112 6.3", _coding(value), ("400", "501"))
        for value in (
            b"gzip", b"identity", b"x", b"xchunked", b"chunkedx", b"chunked, gzip", b"chunked, identity", b"chunked, chunked", b"chun ked",
            b"chunked chunked", b'"chunked"', b"chunked;a=b", b"chunked\xa0", b"chunked\x00", b"\x0bchunked", b"[chunked]", b"chunked;",
            b"0", b"chunke", b"deflate, x",
        )
    ),
    *(
        Case(f"Transfer-Encoding: {shown(value)}", "RFC 9110 5.6.1", _coding(value), ("400", "200", "501"))
        for value in (b"", b",", b",chunked", b"chunked,")
    ),
    *(
        Case(f"Transfer-Encoding: {shown(value)}", "RFC 9112 6.1", _coding(value), ("501", "400", "200"))
        for value in (b"gzip, chunked", b"deflate, chunked", b"identity, chunked", b"x, y, chunked")
    ),
    *(
        Case(f"two Transfer-Encoding, {told}", "RFC 9112 6.3", post(fields, _CHUNKS + LAST_HIDDEN), ("400", "501"))
        for told, fields in (
            ("chunked and chunked", _CHUNKED * 2),
            ("chunked and identity", _CHUNKED + b"Transfer-Encoding: identity\r\n"),
            ("chunked and x", _CHUNKED + b"Transfer-encoding: x\r\n"),
        )
    ),
    *(
        Case(f"two Transfer-Encoding, {told}", "RFC 9112 6.3", post(fields, _CHUNKS), ("400", "501", "200"))
        for told, fields in (
            ("identity and chunked", b"Transfer-Encoding: identity\r\n" + _CHUNKED),
            ("nothing and chunked", b"Transfer-Encoding:\r\n" + _CHUNKED),
        )
    ),
    *(
        Case(f"Transfer-Encoding and Content-Length, {told}", "RFC 9112 6.3", post(fields, body), BOTH)
        for told, fields, body in (
            ("length first", b"Content-Length: 5\r\n" + _CHUNKED, b"0\r\n\r\n" + LAST_HIDDEN),
            ("coding first", _CHUNKED + b"Content-Length: 5\r\n", b"0\r\n\r\n" + LAST_HIDDEN),
            ("length 0", b"Content-Length: 0\r\n" + _CHUNKED, _CHUNKS),
            ("a long one", b"Content-Length: 500\r\n" + _CHUNKED, _CHUNKS + LAST_HIDDEN),
            ("the right one", b"Content-Length: 15\r\n" + _CHUNKED, _CHUNKS),
        )
    ),
    *(
        Case(f"Content-Length: 5 and Transfer-Encoding: {shown(value)}", "RFC 9112 6.3",
             post(b"Content-Length: 5\r\nTransfer-Encoding: " + value + b"\r\n", b"hello" + LAST_HIDDEN), ("400", "501"))
        for value in (b"x", b"identity", b"chunked, x", b"xchunked")
    ),
    *(
        Case(f"{told} of HTTP/1.0", "RFC 9112 6.1",
             b"POST / HTTP/1.0\r\n" + fields + b"\r\n" + _CHUNKS + LAST_HIDDEN, ("400", "200", "501"))
        for told, fields in (
            ("Transfer-Encoding: chunked", _CHUNKED),
            ("Transfer-Encoding: chunked, kept,", _CHUNKED + b"Connection: keep-alive\r\n"),
            ("Transfer-Encoding and Content-Length", _CHUNKED + b"Content-Length: 5\r\n"),
        )
    ),
    *(
        Case(f"{name.decode()}: chunked", "RFC 9110 5.1", post(name + b": chunked\r\n", LAST_HIDDEN), accepted, argued=argued)
        for name, accepted, argued in (
            (b"Transfer_Encoding", ("400", "200"), "gateways take it for Transfer-Encoding"),
            (b"Transfer-Encodin", ("200", "400"), ""),
            (b"X-Transfer-Encoding", ("200", "400"), ""),
            (b"Content-Transfer-Encoding", ("200", "400"), ""),
            (b"TE", ("200", "400"), ""),
        )
    ),
)  # fmt: skip
