"""Differences from httpd's modules that are meant: see `comparing.deliberate`."""

from __future__ import annotations

OF_HTTPD: tuple[tuple[str, str, str], ...] = (
    (
        r"^(?!deflate)|^deflate: GET /cgi/",
        "framing transfer-encoding content-length",
        "what scripts and filters write has its length where it is over at once; there it depends on when it comes",
    ),
    (
        r"^deflate: GET /cgi/",
        "framing transfer-encoding content-length body content-encoding vary",
        "a short body is not compressed where it is whole at once, which depends on when the script ends",
    ),
    (
        r"rewrite: plain rules: .* /(perm|temp)$",
        "",
        "R without L: a redirect stays one when later rules change where to; there it is the page, with its status",
    ),
    (
        r"access: requirements: POST /vhosts",
        "",
        "access to the index of a directory is decided by its own request, a GET; there by that for the directory",
    ),
    (
        r"^htaccess: GET /htaccess/\.htaccess",
        "",
        "what begins with .ht is not sent, whether a Files section says so or not (SourceProtection)",
    ),
    (r"/cookie$", "set-cookie", "the time at which it was asked"),
    (r"^autoindex", "", "listings have a page of their own, in UTF-8 (docs/programs-and-pages.md)"),
    (r"^negotiation", "etag", "a variant has the entity tag of its file; there another one where it was chosen"),
    (
        r"mime: GET /list/one\.txt",
        "content-type",
        "RemoveType takes AddType's away; there that of TypesConfig with it",
    ),
    (
        r"ranges and conditions: GET /big.txt Range: bytes=9000-",
        "framing content-range",
        "416 tells how long the file is (RFC 9110 15.5.17)",
    ),
    (r"ranges and conditions: HEAD", "", "ranges are for GET alone (RFC 9110 14.2)"),
    (r"^include: HEAD", "content-length", "a page is put together for HEAD, too, so that its length is known"),
    (
        r"^filters: GET /ssi",
        "",
        "a page is put together first, and whole bodies of up to 68 bytes are not compressed",
    ),
)
