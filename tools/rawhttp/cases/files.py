"""Conditions (RFC 9110 13) and ranges (RFC 9110 14), of a file of 100 digits."""

from __future__ import annotations

from rawhttp.case import Case, request, shown

_GET = b"GET /file.txt HTTP/1.1"
_OLD = b"Sat, 01 Jan 2000 00:00:00 GMT"
#: After the file was written, by the server's clock.
_NEW = b"Tue, 01 Jan 2024 00:00:00 GMT"


def _ask(fields: bytes, line: bytes = _GET) -> bytes:
    return request(line, fields)


CASES = tuple(
    Case(name, f"RFC 9110 {section}", _ask(fields, line), accepted, shows=shows, files=True, bodiless=line.startswith(b"HEAD"))
    for name, section, line, fields, accepted, shows in (
        ("the file", "15.3.1", _GET, b"", ("200",), rb"\r\n\r\n(0123456789){10}$"),
        ("HEAD of the file", "9.3.2", b"HEAD /file.txt HTTP/1.1", b"", ("200",), rb"(?i)content-length: 100\r\n"),
        ("a file that is not there", "15.5.5", b"GET /nofile.txt HTTP/1.1", b"", ("404",), None),
        ("POST to a file", "9.3.3", b"POST /file.txt HTTP/1.1", b"Content-Length: 0\r\n", ("200", "405"), None),
        ("PUT to a file", "15.5.6", b"PUT /file.txt HTTP/1.1", b"Content-Length: 0\r\n", ("405", "501"), None),
        ("DELETE of a file", "15.5.6", b"DELETE /file.txt HTTP/1.1", b"", ("405", "501"), None),
        ("a method that nobody knows", "9.1", b"BREW /file.txt HTTP/1.1", b"", ("501", "405"), None),
        ("405 tells what is allowed", "15.5.6", b"PUT /file.txt HTTP/1.1", b"Content-Length: 0\r\n", ("405",), rb"(?i)\r\nallow: .*GET"),
        *(
            (f"Range: {shown(value)}", "14.2", _GET, b"Range: " + value + b"\r\n", ("206", "200"), shows)
            for value, shows in (
                (b"bytes=0-9", rb"(?i)content-range: bytes 0-9/100\r\n(?s:.*)\r\n0123456789$"),
                (b"bytes=95-", rb"(?i)content-range: bytes 95-99/100\r\n(?s:.*)\r\n56789$"),
                (b"bytes=-5", rb"(?i)content-range: bytes 95-99/100\r\n"),
                (b"bytes=-500", rb"(?i)content-range: bytes 0-99/100\r\n"),
                (b"bytes=0-0", rb"(?i)content-range: bytes 0-0/100\r\n"),
                (b"bytes=99-500", rb"(?i)content-range: bytes 99-99/100\r\n"),
                (b"bytes=0-9223372036854775807", rb"(?i)content-range: bytes 0-99/100\r\n"),
                (b"bytes=0-1,4-5", rb"(?i)content-type: multipart/byteranges; boundary="),
                (b"bytes=0-1,500-", rb"(?i)content-range: bytes 0-1/100\r\n"),
            )
        ),
        *(
            (f"Range: {shown(value)}", "15.5.17", _GET, b"Range: " + value + b"\r\n", ("416", "200"), None)
            for value in (b"bytes=100-", b"bytes=500-600", b"bytes=200-,300-")
        ),
        ("Range: bytes=-0", "15.5.17", _GET, b"Range: bytes=-0\r\n", ("200", "416"), None),
        *(
            (f"Range: {shown(value)}", "14.2", _GET, b"Range: " + value + b"\r\n", ("200", "400", "416"), None)
            for value in (
                b"bytes=9-0", b"bytes=", b"bytes", b"bytes=a-b", b"bytes=1", b"bytes=-", b"bytes=--5", b"lines=0-9", b"bytes=+1-2",
                b"bytes=0-1;2-3", b"bytes=0x1-2", b"",
            )
        ),
        ("Range of HEAD", "14.2", b"HEAD /file.txt HTTP/1.1", b"Range: bytes=0-9\r\n", ("200", "206"), None),
        ("1000 ranges", "14.2", _GET, b"Range: bytes=" + b",".join(b"%d-%d" % (at % 100, at % 100) for at in range(1000)) + b"\r\n",
         ("200", "206", "416", "400"), None),
        ("ranges that overlap", "14.2", _GET, b"Range: bytes=" + b",".join([b"0-"] * 50) + b"\r\n", ("200", "206", "416", "400"), None),
        ("If-Modified-Since, long ago", "13.1.3", _GET, b"If-Modified-Since: " + _OLD + b"\r\n", ("200",), None),
        ("If-Modified-Since, later", "13.1.3", _GET, b"If-Modified-Since: " + _NEW + b"\r\n", ("304", "200"), None),
        ("If-Modified-Since, no date", "13.1.3", _GET, b"If-Modified-Since: yesterday\r\n", ("200",), None),
        ("If-Modified-Since of POST", "13.1.3", b"PUT /file.txt HTTP/1.1", b"Content-Length: 0\r\nIf-Modified-Since: " + _NEW + b"\r\n",
         ("405", "501"), None),
        ("If-Unmodified-Since, long ago", "13.1.4", _GET, b"If-Unmodified-Since: " + _OLD + b"\r\n", ("412",), None),
        ("If-Unmodified-Since, later", "13.1.4", _GET, b"If-Unmodified-Since: " + _NEW + b"\r\n", ("200",), None),
        ("If-None-Match: *", "13.1.2", _GET, b"If-None-Match: *\r\n", ("304",), None),
        ("If-None-Match of another", "13.1.2", _GET, b'If-None-Match: "x"\r\n', ("200",), None),
        ("If-None-Match beats If-Modified-Since", "13.2.2", _GET, b'If-None-Match: "x"\r\nIf-Modified-Since: ' + _NEW + b"\r\n",
         ("200",), None),
        ("If-Match: *", "13.1.1", _GET, b"If-Match: *\r\n", ("200",), None),
        ("If-Match of another", "13.1.1", _GET, b'If-Match: "x"\r\n', ("412",), None),
        ("If-Match of a weak one", "13.1.1", _GET, b'If-Match: W/"x"\r\n', ("412",), None),
        ("If-Range of another", "13.1.5", _GET, b'If-Range: "x"\r\nRange: bytes=0-9\r\n', ("200",), None),
        ("If-Range, long ago", "13.1.5", _GET, b"If-Range: " + _OLD + b"\r\nRange: bytes=0-9\r\n", ("200",), None),
        ("304 of HEAD", "13.1.2", b"HEAD /file.txt HTTP/1.1", b"If-None-Match: *\r\n", ("304",), None),
    )
)  # fmt: skip
