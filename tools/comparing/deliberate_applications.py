"""Differences that are meant in what whole applications rely on; see `comparing.deliberate`."""

from __future__ import annotations

FRAME = "framing transfer-encoding content-length"
ASCII = "bytes beyond ASCII are %-encoded in paths, or refused with 400; there any go, though nobody tells which file they mean"
LATIN = "what is not UTF-8 is read as ISO-8859-1, everywhere; there it is a UnicodeDecodeError, or ends the process"
NAMED = "arguments may be given by the names that the manual has"
LOOKED = "the form that is chosen is looked at twice, forms in the order of their names; its ETag is the file's (there its end is missing)"
ELSEWHERE = "what belongs to another interpreter is served after the handler that redirects to it has returned; there within the call"

#: As `comparing.deliberate.DELIBERATE`.
OF_APPLICATIONS: tuple[tuple[str, str, str], ...] = (
    (
        r"^state of a connection: notes, there and back",
        "",
        "the published one ends its process with a segmentation fault",
    ),
    (r"^WSGI: .*Ã©", "", ASCII),
    (r"^text: (escaped, )?not UTF-8", "body", LATIN),
    (
        r"^text: .*content_type = 'text/\\\\xe9'",
        "",
        "a media type may have any character of ISO-8859-1; there it is a 500",
    ),
    (
        r"^interpreters of phases: /dd2/$",
        "trace",
        "a look-up is translated in the interpreter of its request; there in that of the directive",
    ),
    (r"^redirects between interpreters: .* to /dd2/", "trace", ELSEWHERE),
    (
        r"^framing: .* HTTP/1\.0",
        "framing transfer-encoding",
        "a client of HTTP/1.0 gets what an application sends in chunks without them; there chunks that it can't know",
    ),
    (
        r"^error documents after a body",
        "body",
        "remaining, read_length and read_body tell what was read so far; there they tell of its buffer",
    ),
    (
        r"^a user of an earlier phase: /user/x ''",
        "www-authenticate",
        "a 401 has a challenge (RFC 9110 15.5.2), as httpd adds it with mod_auth_basic",
    ),
    (r"^look-ups: /(all/lookups/index|views/)", "etag trace", LOOKED),
    (r"^look-ups: /ssi/", FRAME, "a body that nobody flushed has its length up to 64 KiB; there up to 8000 bytes"),
    (
        r"^what was sent: (an error|a file|a failure)",
        "trace",
        "_bytes_queued counts all of the body, whoever made it; the pages of errors have words of their own",
    ),
    (
        r"^redirects: (twice|prev writes after)",
        "rest",
        "what is written after a complete response is dropped; there it goes onto the connection and spoils the next one",
    ),
    (
        r"^objects: .*req\.filename = ",
        "body",
        "finfo is that of the file that filename names now; there that of the one it named first",
    ),
    (
        r"^objects: .*'ServerRoot'",
        "body",
        "config_tree() has the ServerRoot that was written; there it is read before, as LoadModule is",
    ),
    (
        r"^objects: .*(callable=|len=|var_name=|key=|qs=|htype=|new_uri=|uri=|message=|string=)",
        "",
        NAMED,
    ),
    (
        r"^a body that stops",
        "",
        "a body is taken in before its handler runs: one that stops is a 408, unless RequestBodyStreaming is On",
    ),
    (
        r"^publisher: (keys|values|generator|mapped|/publisher/m\.py/keys)",
        f"{FRAME} body",
        "the publisher streams iterators and views of mappings; there their repr() is sent",
    ),
    (
        r"^publisher: echo\?what=%FF",
        "body content-length",
        "what is not UTF-8 in a form is read as ISO-8859-1, so nothing is lost; there it becomes U+FFFD",
    ),
    (
        r"^WSGI: ",
        f"{FRAME} body content-type",
        (
            "environ has bytes as ISO-8859-1 (PEP 3333), and the application's Content-Type holds; there it has UTF-8, and "
            "a directory's type wins"
        ),
    ),
)
