"""What a response's head and framing consist of (RFC 9110 sections 6 and 15, RFC 9112 sections 4, 6, 7 and 9)."""

from __future__ import annotations

from collections.abc import Iterable

from mpserver import lazyre
from mpserver.http1.fields import is_token

# RFC 9110 15, RFC 2518/4918, RFC 6585, RFC 7725, RFC 8470, RFC 2774, RFC 2295, RFC 5842, RFC 7538, RFC 8297:
# the registered statuses.
REASONS: dict[int, str] = {
    100: "Continue",
    101: "Switching Protocols",
    102: "Processing",
    103: "Early Hints",
    200: "OK",
    201: "Created",
    202: "Accepted",
    203: "Non-Authoritative Information",
    204: "No Content",
    205: "Reset Content",
    206: "Partial Content",
    207: "Multi-Status",
    208: "Already Reported",
    226: "IM Used",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    305: "Use Proxy",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Requested Range Not Satisfiable",
    417: "Expectation Failed",
    418: "I'm A Teapot",
    421: "Misdirected Request",
    422: "Unprocessable Entity",
    423: "Locked",
    424: "Failed Dependency",
    425: "Too Early",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    451: "Unavailable For Legal Reasons",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
    506: "Variant Also Negotiates",
    507: "Insufficient Storage",
    508: "Loop Detected",
    510: "Not Extended",
    511: "Network Authentication Required",
}

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

_USUAL_LINES = {status: f"HTTP/1.1 {status} {reason}\r\n".encode() for status, reason in REASONS.items()}

# What can't be part of a value: it would end the field, or can't be sent in latin-1.
_find_unsendable = lazyre.now("[^\x01-\x09\x0b\x0c\x0e-\xff]").search


def status_line(minor: int, status: int, text: str | None = None) -> bytes:
    """RFC 9112 4: status-line = HTTP-version SP status-code SP [ reason-phrase ], with its CRLF.

    ``text`` replaces the phrase. ``minor`` is the server's version, 1 also in answers to HTTP/1.0
    (RFC 9110 6.2). Raises ValueError for a status that has not three digits, and for a text that
    can't be sent.
    """
    if minor and text is None and status in _USUAL_LINES:
        return _USUAL_LINES[status]
    if not 100 <= status <= 999:
        raise ValueError(f"{status} is no HTTP status")
    phrase = REASONS.get(status, "") if text is None else text
    if _find_unsendable(phrase):
        raise ValueError(f"the text of a status can't be sent: {phrase!r}")
    return f"HTTP/1.{minor} {status} {phrase}\r\n".encode("latin-1")


def check_field(name: str, value: str) -> None:
    """Raise ValueError if this header field can't be sent.

    The name has to be a token (RFC 9110 5.1), the value may not hold CR, LF and NUL, which would
    let it end the field (5.5), nor characters beyond latin-1.
    """
    if not is_token(name):
        raise ValueError(f"a header field can't have this name: {name!r}")
    if _find_unsendable(value):
        raise ValueError(f"CR, LF, NUL or a character beyond latin-1 in the value of header field {name}: {value!r}")


def field_lines(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The fields as they are sent, each with its CRLF, without the empty line.

    The last gate against response splitting: ValueError should a value have come here that
    check_field refuses. Names are not looked at again, as long as they can't end a line.
    """
    pairs = tuple(pairs)
    text = "".join([f"{name}: {value}\r\n" for name, value in pairs])
    if text.count("\n") != len(pairs) or text.count("\r") != len(pairs) or "\0" in text or not text.isascii():
        for name, value in pairs:
            check_field(name, value)
    return text.encode("latin-1")


def chunked_beginning(head: bytes, body: bytes | None) -> bytes:
    """The beginning of a response whose length nobody knows yet: ``head`` without framing and the empty line.

    ``body`` is not empty; None: ``head`` is all, as it is sent.
    """
    if body is None:
        return head
    return b"%bTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (head, len(body), body)
