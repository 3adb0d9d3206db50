"""Differences from httpd's modules that are meant: see `comparing.deliberate`.

Each names what may differ, and how: patterns for all that this server says, and for all that httpd says ("" for nothing).
"""

from __future__ import annotations

from collections.abc import Mapping

#: By the name of what differs, the patterns for ours and theirs.
Exactly = Mapping[str, tuple[str, str]]

#: The same body, framed otherwise.
FRAMED: Exactly = {
    "framing": ("length", "chunked"),
    "transfer-encoding": ("", "chunked"),
    "content-length": (r"\d+", ""),
}
#: The same the other way round: either server may be the sooner.
REFRAMED: Exactly = {name: (theirs, ours) for name, (ours, theirs) in FRAMED.items()}
#: A body that one of them has compressed.
COMPRESSED: Exactly = {
    **FRAMED, "body": ("(?s).*", "(?s).*"), "content-encoding": ("", "gzip"), "vary": ("", "Accept-Encoding")
}  # fmt: skip
#: What httpd tells of a file in its answer, where ours is a page of the server's own.
OF_A_FILE: Exactly = {
    "accept-ranges": ("", "bytes"), "etag": ("", '"[0-9a-f]+-[0-9a-f]+"'), "last-modified": ("", r"[A-Z].* GMT"),
    "content-length": ("", r"\d+"),
}  # fmt: skip
FORBIDDEN: Exactly = {
    **OF_A_FILE,
    "status": ("HTTP/1.1 403 Forbidden", "HTTP/1.1 200 OK"),
    "body": ("a page: 403 Forbidden / Forbidden", "(?s).+"),
}
OWN_TYPE = "text/html; charset=iso-8859-1"

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
        r"^autoindex: (plain|fancy|signs): (GET|HEAD) /[a-z]+/",
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
)
