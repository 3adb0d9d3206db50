"""Bodies, whatever frames them, and 100 Continue: RFC 9110 10.1.1, RFC 9112 6.3 and 9.3."""

from __future__ import annotations

from rawhttp.case import HIDDEN, HOST, Case, get, post

_LENGTH = b"Content-Length: 5\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_EXPECT = b"Expect: 100-continue\r\n"
#: The whole body came along, so that the 100 may be left out.
CONTINUED = ("200", "100 200")
#: An expectation that nobody knows may be refused, or passed over (RFC 9110 10.1.1).
UNKNOWN = ("417", "200", "100 200")

CASES = (
    Case("Expect with a body of known length", "RFC 9110 10.1.1", post(_LENGTH + _EXPECT, b"hello"), CONTINUED, echo=b"hello"),
    Case("Expect with a chunked body", "RFC 9110 10.1.1", post(_CHUNKED + _EXPECT, b"5\r\nhello\r\n0\r\n\r\n"), CONTINUED, echo=b"hello"),
    Case("Expect in other cases", "RFC 9110 10.1.1", post(_LENGTH + b"EXPECT: 100-Continue\r\n", b"hello"), CONTINUED, echo=b"hello"),
    Case("Expect without a body", "RFC 9110 10.1.1", get(_EXPECT), CONTINUED),
    Case("Expect with a body of length 0", "RFC 9110 10.1.1", post(b"Content-Length: 0\r\n" + _EXPECT), ("200", "100 200")),
    Case("Expect of HTTP/1.0", "RFC 9110 10.1.1",
         b"POST / HTTP/1.0\r\n" + _LENGTH + _EXPECT + b"\r\nhello", ("200",), echo=b"hello"),
    Case("Expect: something", "RFC 9110 10.1.1", post(_LENGTH + b"Expect: something\r\n", b"hello"), UNKNOWN),
    Case("Expect: 100-continue, something", "RFC 9110 10.1.1", post(_LENGTH + b"Expect: 100-continue, x\r\n", b"hello"), UNKNOWN),
    Case("Expect, and framing that is refused", "RFC 9110 10.1.1", post(b"Content-Length: x\r\n" + _EXPECT, b"hello"), ("400",)),
    Case("two bodies of known length", "RFC 9112 9.3.2",
         b"POST / HTTP/1.1\r\n" + HOST + _LENGTH + b"\r\nhello" + post(_LENGTH, b"world"), ("200 200",), echo=b"world"),
    Case("a chunked body, then one of known length", "RFC 9112 9.3.2",
         b"POST / HTTP/1.1\r\n" + HOST + _CHUNKED + b"\r\n5\r\nhello\r\n0\r\n\r\n" + post(_LENGTH, b"world"), ("200 200",), echo=b"world"),
    Case("a request within a body", "RFC 9112 6.3",
         post(b"Content-Length: %d\r\n" % len(HIDDEN), HIDDEN), ("200",), echo=HIDDEN),
    Case("a request within a chunk", "RFC 9112 6.3",
         post(_CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)), ("200",), echo=HIDDEN),
    Case("a request within a GET's body", "RFC 9112 6.3",
         b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN + get(), ("200 200", "400")),
    Case("a body that no application reads", "RFC 9112 9.3",
         b"POST /unread HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN + get(), ("200 200", "200")),
    Case("a chunked body that no application reads", "RFC 9112 9.3",
         b"POST /unread HTTP/1.1\r\n" + HOST + _CHUNKED + b"\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN) + get(), ("200 200", "200")),
    Case("a malformed chunked body that no application reads", "RFC 9112 9.3",
         b"POST /unread HTTP/1.1\r\n" + HOST + _CHUNKED + b"\r\nx\r\n" + HIDDEN, ("400", "200", "200 400")),
    Case("a body of 100000 bytes", "RFC 9112 6.2", post(b"Content-Length: 100000\r\n", b"a" * 100000), ("200",), echo=b"a" * 100000),
    Case("a chunk of 100000 bytes", "RFC 9112 7.1",
         post(_CHUNKED, b"186a0\r\n" + b"a" * 100000 + b"\r\n0\r\n\r\n"), ("200",), echo=b"a" * 100000),
)  # fmt: skip
