"""Differences from httpd's mod_proxy, mod_ssl and mod_wsgi that are meant: see `comparing.deliberate_httpd`."""

from __future__ import annotations

from comparing.deliberate_exactly import FRAMED, OF_A_FILE, OF_PAGES, OWN_TYPE, Exactly

LENGTHS = (r"\d+", r"\d+")
#: What the server behind got differs; so does the length of what it says of that.
TOLD: Exactly = {**FRAMED, "content-length": (r"\d+", r"\d*")}


def told(ours: str, theirs: str) -> Exactly:
    """A difference in what the server behind got: patterns for what is between the lines that are the same."""
    return {**TOLD, "body": (rf"(?s).*{ours}.*", rf"(?s).*{theirs}.*")}


REFUSED: Exactly = {
    "status": ("HTTP/1.1 502 Bad Gateway", r"HTTP/1.1 (200 OK|50[02] .*)"), "content-type": (OWN_TYPE, ".*"),
    "body": ("a page: 502 Bad Gateway / Bad Gateway", "(?s).*"), **dict.fromkeys(FRAMED, (".*", ".*")),
}  # fmt: skip
KEPT_ALIVE = "connections to servers behind are kept wherever they may be, for rules and patterns, too"
WHOLE = "what is no answer is none, and not one of HTTP/0.9 or without an end"

OF_PROXIES: tuple[tuple[str, Exactly, str], ...] = (
    (r"^proxy: plain: GET /m/", told("connection: Keep-Alive", "connection: close"), KEPT_ALIVE),
    (
        r"^proxy: by rules: GET /esc/",
        told("GET /ruled/a%25b HTTP/1.1\nconnection: Keep-Alive", "GET /ruled/a%b HTTP/1.1\nconnection: close"),
        "what goes on is a URL, whatever the flag NE says",
    ),
    (r"^proxy: by rules: ", told("connection: Keep-Alive", "connection: close"), KEPT_ALIVE),
    (
        r"^proxy: parameters: GET /new/x\?q=1$",
        told("GET /new/x HTTP/1.1\nconnection: Keep-Alive", r"GET /new/x\?q=1 HTTP/1.1\nconnection: close"),
        "noquery takes the query away, as the manual says; the end of a connection that is used once is not announced",
    ),
    (
        r"^proxy: (plain|environment): POST /back/(pieces/)?x Transfer-Encoding: chunked ",
        told(r"transfer-encoding: chunked\n.*\(chunked\)", r"content-length: \d\n.*\(length\)"),
        "a body in chunks goes on in chunks, however short; there with its length where it is over at once",
    ),
    (
        r"^proxy: fields of requests: GET /back/x Range: ",
        {
            "status": ("HTTP/1.1 200 OK", "HTTP/1.1 206 Partial Content"), "content-range": ("", r"bytes 0-1/\d+"),
            "content-length": LENGTHS, "body": ("(?s)GET .*range: bytes=0-1.*", "GE"),
        },
        "ranges are for the server behind to serve (RFC 9110 14.2)",
    ),
    (
        r"^proxy: fields of requests: GET /back/x Expect: ",
        told("connection: Keep-Alive\nhost", "connection: Keep-Alive\nexpect: 100-continue\nhost"),
        "this server asks for the body itself, also where there is none",
    ),
    (
        r"^proxy: fields of requests: POST /back/x Expect: 100-continue body$",
        {
            **OF_PAGES, "status": ("HTTP/1.1 200 OK", "HTTP/1.1 503 Proxy Error"),
            "content-type": ("text/plain", OWN_TYPE), "content-length": (r"\d+", ""),
            "body": (r"(?s)POST .*\(length\) body\n", "a page: 503 Proxy Error / Proxy Error"),
        },
        "this server asks for the body itself; there that waits for a server behind that does not",
    ),
    (
        r"^proxy: environment: POST /back/old-one/x Expect: ",
        dict.fromkeys(
            (
                "responses", "status", "framing", "content-type", "content-length", "connection", "2: status",
                "2: framing", "2: content-type", "2: content-length", "2: connection",
            ),
            (".*", ".*"),
        )
        | {
            "body": (r"(?s)POST /back/old-one/x HTTP/1.0.*\(length\) body\n", ""),
            "2: body": ("", r"(?s)POST /back/old-one/x HTTP/1.0.*\(length\) body\n"),
        },
        "who has sent the body is not asked for it any more (RFC 9110 10.1.1)",
    ),
    (
        r"^proxy: via: GET /back/x HTTP/1.0$",
        {"via": ("1.1 proxy-via.test", "1.0 proxy-via.test")},
        "an answer has the version that it came with (RFC 9110 7.6.3); there that of the client",
    ),
    (
        r"^(proxy: (how often|answers|environment)|ssl: servers behind): ",
        {
            "status": (r"HTTP/1.1 (400|502) (Bad Request|Bad Gateway)", r"HTTP/1.1 (400|502) Proxy Error"),
            "body": (r"a page: .*", r"a page: (400|502) Proxy Error / Proxy Error"),
        },
        "a status has its usual words",
    ),
    (
        r"^proxy: .*(GET|HEAD) /back/twice",
        {"vary": (r"A \| B", "A,B")},
        "fields of an answer stay as many as they are",
    ),
    (
        r"^proxy: answers: GET /back/chunks HTTP/1.0$",
        {"framing": ("length", "close"), "content-length": ("5", "")},
        "what is whole at once has its length, for clients of HTTP/1.0, too",
    ),
    (r"^proxy: .*GET /back/(garbage|nothing)$", REFUSED, WHOLE),
    (r"^proxy: FastCGI: GET /fcgi/(broken|nothing)$", REFUSED, WHOLE),
    (
        r"^proxy: (errors|some errors) have pages of their own: ",
        {"body": (r"a page: (\d+) .*", r"a page: \d+ As told / As told")},
        "a page has the usual words of its status, whatever the server behind calls that",
    ),
    (
        r"^proxy: errors have pages of their own: GET /back/status418$",
        {
            "status": ("HTTP/1.1 418 As told", "HTTP/1.1 302 Found"), "location": ("", "http://out.test/sorry"),
            "body": ("a page: 418 .*", "a page: 302 Found / Found"),
        },
        "a status that httpd does not know has no ErrorDocument of 500",
    ),
    (
        r"^proxy: parameters: CONNECT ",
        {
            "status": ("HTTP/1.1 501 Not Implemented", "HTTP/1.1 405 Method Not Allowed"), "allow": (".*", ".*"),
            "body": ("a page: 501 .*", "a page: 405 .*"),
        },
        "nobody makes tunnels here",
    ),
    (
        r"^proxy: FastCGI: ",
        {
            **TOLD,
            "body": (
                r"(?s)(?!.*TRANSFER_ENCODING).*\nSCRIPT_FILENAME=(/srv/|ROOT).*",
                r"(?s).*\nSCRIPT_FILENAME=proxy:fcgi://127.0.0.1:FCGI(/srv/|ROOT).*",
            ),
        },
        "SCRIPT_FILENAME is the file's path alone, which is what PHP-FPM makes of the other",
    ),
    (
        r"^proxy: FastCGI: GET /fcgi/away$",
        {
            "status": ("HTTP/1.1 302 Found", "HTTP/1.1 200 OK"),
            **dict.fromkeys((*FRAMED, "content-length"), (".*", ".*")),  # (it may be over with its head, or later)
        },
        "a Location without a status is a redirect (RFC 3875 6.2.3)",
    ),
    (
        r"^proxy: FastCGI: .*/fcgi/override/status",
        {"x-a": ("", "1")},
        "the server's own page has no headers of the answer that it replaces",
    ),
    (
        r"^ssl: certificates of clients: GET /style.css$|^ssl: not here: GET /neg/doc.html.en$",
        {
            **OF_A_FILE, "status": ("HTTP/1.1 403 Forbidden", "HTTP/1.1 200 OK"),
            "content-type": (OWN_TYPE, "text/(css|html)"), "body": ("a page: 403 Forbidden / Forbidden", "(?s).+"),
        },
        "SSLRequire holds without TLS, and with StrictRequire whatever Satisfy says, as the manual says",
    ),
    (
        r"^ssl: servers behind (of strangers|that are not the right ones): ",
        {
            "status": ("HTTP/1.1 502 Bad Gateway", "HTTP/1.1 500 Proxy Error"),
            "body": ("a page: 502 .*", "a page: 500 Proxy Error / Proxy Error"),
        },
        "what fails is the server behind (RFC 9110 15.6.3)",
    ),
    (
        r"^wsgi: settings: POST /app/x Transfer-Encoding: ",
        {"content-length": LENGTHS, "body": ("(?s).*CONTENT_LENGTH=7\n.*b'body-on'\n", r"(?s).*b'body-on'\n")},
        "a body in chunks is taken in as a whole, and has its CONTENT_LENGTH (docs/wsgi.md)",
    ),
)  # fmt: skip
