"""Differences from httpd's modules that are meant: see `comparing.deliberate`.

Each names what may differ, and how: patterns for all that this server says, and for all that httpd says ("" for nothing).
"""

from __future__ import annotations

from comparing.deliberate_exactly import COMPRESSED, FRAMED, OF_A_FILE, OWN_TYPE, REFRAMED, Exactly
from comparing.deliberate_proxy import OF_PROXIES

FORBIDDEN: Exactly = {
    **OF_A_FILE,
    "status": ("HTTP/1.1 403 Forbidden", "HTTP/1.1 200 OK"),
    "body": ("a page: 403 Forbidden / Forbidden", "(?s).+"),
}

#: What a listing's page is told to be.
OF_A_LISTING: Exactly = {
    **FRAMED, "content-type": ("text/html; charset=UTF-8", "text/html;charset=(ISO-8859-1|UTF-8)")
}  # fmt: skip

OF_HTTPD: tuple[tuple[str, Exactly, str], ...] = (
    (
        r"^autoindex: signs: GET /list/sub/$",
        {
            **OF_A_LISTING,
            "body": (
                r"a listing: Index of /list/sub / \?C=N;O=D \?C=D;O=A /list/ x\.txt / Name Description .*",
                r"a listing: Index of /list/sub / /list/ x\.txt / Parent Directory x\.txt",
            ),
        },
        "options with signs of a section in another add to those around, as the manual says; there they take their place",
    ),
    (
        r"^autoindex: (plain|fancy|signs|pictures and words): (GET|HEAD) /[a-z]+/",
        OF_A_LISTING,
        "listings have a page of their own, in UTF-8 (docs/programs-and-pages.md), with its length",
    ),
    *(
        (
            r"^(?!deflate|autoindex|filters)",
            exactly,
            "what scripts and filters write has its length where it is over at once, which depends on when it comes",
        )
        for exactly in (FRAMED, REFRAMED)
    ),
    *(
        (
            r"^deflate: GET /cgi/",
            exactly,
            "a short body is not compressed where it is whole at once, which depends on when the script ends",
        )
        for exactly in (COMPRESSED, {name: (theirs, ours) for name, (ours, theirs) in COMPRESSED.items()})
    ),
    (
        r"^rewrite: plain rules: (GET|HEAD|POST) /(perm|temp)$",
        {
            **OF_A_FILE,
            "location": ("/page.txt", ""),
            "content-type": (OWN_TYPE, "text/plain"),
            "body": ("a page: 30(1 Moved Permanently / Moved Permanently|2 Found / Found)", "the page\n"),
        },
        "R without L: a redirect stays one when later rules change where to; there it is the page, with its status",
    ),
    (
        r"^access: requirements: POST /vhosts/one\.test/$",
        {**FORBIDDEN, "content-type": (OWN_TYPE, "text/html")},
        "access to the index of a directory is decided by its own request, a GET; there by that for the directory",
    ),
    (
        r"^htaccess: GET /htaccess/\.htaccess$",
        {**FORBIDDEN, "content-type": (OWN_TYPE, ""), "x-from": ("", "htaccess")},
        "what begins with .ht is not sent, whether a Files section says so or not (SourceProtection)",
    ),
    (
        r"^negotiation: ",
        {"etag": ('"[0-9a-f]+-[0-9a-f]+"', '"[0-9a-f]+-[0-9a-f]+;[0-9a-f-]+')},
        "a variant has the entity tag of its file; there another one where it was chosen, without its closing quote",
    ),
    (
        r"^negotiation: what old proxies may not keep: .* HTTP/1.0 ",
        {"etag": (".*", ".*"), "expires": ("DATE", "")},
        "CacheNegotiatedDocs Off keeps old proxies from what was chosen, as the manual says",
    ),
    (
        r"^core: entity tags: GET /list/two.txt$",
        {"etag": ("", '"4-[0-9a-f]+"')},
        "FileETag with a sign: what takes away all of the others leaves nothing; there the default",
    ),
    (
        r"^core: long bodies: POST /",
        {"framing": ("length", "close")},
        "pages of the server have their length where the connection ends, too",
    ),
    (
        r"^core: ranges: GET /(style.css|a/b/deep.txt) Range: bytes=4-4,(2-2,)?0-0$",
        {
            "status": ("HTTP/1.1 200 OK", "HTTP/1.1 206 Partial Content"),
            "content-length": (r"\d", r"\d+"),
            "content-type": (r"text/\w+", r"multipart/byteranges; boundary=N"),
            "body": ("(?s).{5,7}", "(?s).*Content-range: .*"),
        },
        "each range that begins before the one before it is a reversal (MaxRangeReversals)",
    ),
    (
        r"^core: ranges: ",
        {"content-length": (r"\d+", r"\d+"), "body": (r"(?s).*Content-Range: .*", r"(?s).*Content-range: .*")},
        "parts of ranges have their fields in the usual capitals, and a longer boundary",
    ),
    (
        r"^deflate: (levels|small windows): GET /big.txt Accept-Encoding: gzip$",
        {"body": (r"(?s)\x1f\\x8b\x08\x00{5}[\x02\x04]\x03.*", r"(?s)\x1f\\x8b\x08\x00{6}\x03.*")},
        "gzip's head says how much was compressed (RFC 1952 2.3.1: XFL)",
    ),
    (
        r"^brotli: GET /big.txt Accept-Encoding: br$",
        {"body": ("(?s).+", "(?s).+"), "content-length": (r"\d+", r"\d+"), "trace": (r"\d+", r"\d+")},
        "versions of Brotli compress a little otherwise",
    ),
    (
        r"^remoteip: the PROXY protocol: PROXY UNKNOWN ",
        dict.fromkeys((*FRAMED, "status", "content-type", "connection"), (".*", ""))
        | {"responses": ("1", "0"), "body": ("(?s)auth= type= user= addr=127.0.0.1 .*", "")},
        "who says UNKNOWN is the client itself, as the protocol has it",
    ),
    (
        r"^mime: GET /list/one\.txt$",
        {"content-type": ("text/plain; charset=iso-8859-2", "")},
        "RemoveType takes AddType's away; there that of TypesConfig with it",
    ),
    (
        r"^core: ranges and conditions: GET /big.txt Range: bytes=9000-$",
        {"framing": ("length", "close"), "content-range": (r"bytes \*/5000", "")},
        "416 tells how long the file is (RFC 9110 15.5.17)",
    ),
    (
        r"^core: ranges and conditions: HEAD /big.txt Range: bytes=0-9$",
        {
            "status": ("HTTP/1.1 200 OK", "HTTP/1.1 206 Partial Content"),
            "content-length": ("5000", "10"),
            "content-range": ("", "bytes 0-9/5000"),
        },
        "ranges are for GET alone (RFC 9110 14.2)",
    ),
    (
        r"^include: HEAD /ssi\.shtml$",
        {"content-length": (r"\d+", "")},
        "a page is put together for HEAD, too, so that its length is known",
    ),
    (
        r"^filters: GET /ssi\.shtml( Accept-Encoding: gzip)?$",
        {
            **FRAMED,
            "content-length": (r"\d+", r"\d*"),
            "content-encoding": ("", "gzip"),
            "vary": ("", "Accept-Encoding"),
            "body": ("(?s).{1,68}", "(?s).+"),
        },
        "a page is put together first, and whole bodies of up to 68 bytes are not compressed",
    ),
    *OF_PROXIES,
)
