"""How differences from httpd's modules that are meant are named."""

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
#: Pages of the server, framed otherwise.
OF_PAGES: Exactly = {"framing": ("length", "length|close")}
OWN_TYPE = "text/html; charset=iso-8859-1"
