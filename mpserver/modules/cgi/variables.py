"""The variables of a CGI script (RFC 3875 section 4.1)."""

from __future__ import annotations

import os

from mpserver import lazyre
from mpserver.config.sections import merge
from mpserver.http1 import percent
from mpserver.modules import alias, core
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


#: Variables with what the client sent; all others are text of the server's.
SENT = lazyre.compile(r"(?:REDIRECT_)*(?:HTTP_|QUERY_STRING\Z|CONTENT_TYPE\Z|REQUEST_URI\Z)")


#: What a variable's name can't have.
UNSPEAKABLE = lazyre.compile(r"[^0-9A-Za-z_]")


#: Where programs are looked for, when the server itself was told nothing.
DEFAULT_PATH = "/bin:/usr/bin:/usr/local/bin"


def words(query: str | None) -> list[str]:
    """The arguments that a query without ``=`` gives (RFC 3875 4.4)."""
    if not query or "=" in query:
        return []
    encoded = query.encode("utf-8", "surrogateescape").split(b"+")
    return [os.fsdecode(percent.decode(word)) for word in encoded if b"%00" not in word]


def variables(req: Request) -> dict[bytes, bytes]:
    """The environment of a script: the request's variables, and no other."""
    env = req.subprocess_env
    env["PATH"] = DEFAULT_PATH
    req.mp_add_cgi_vars()
    found = alias.find(req.mp_uri, req.mp_server.conf)
    if found is not None and found.pattern is None:
        env["CONTEXT_PREFIX"], env["CONTEXT_DOCUMENT_ROOT"] = found.prefix, found.target
    if req.mp_path_info:
        env["PATH_TRANSLATED"] = translated(req, req.mp_path_info)
    if "TZ" in os.environ:
        env["TZ"] = os.environ["TZ"]
    return {UNSPEAKABLE.sub("_", name).encode(): encoded(name, value) for name, value in env.pairs() if name}


def translated(req: Request, path: str) -> str:
    """The file that a path of the server's would lead to."""
    server = req.mp_server
    conf = merge(server, path, (), None, "") if server.sections.locations else None
    found = alias.translate(path, server.conf, conf)
    return found[0] if found is not None else core.document_root(server.conf) + path


def encoded(name: str, value: str) -> bytes:
    """A variable's value as bytes: what the client sent as it came, the server's own text as file names are."""
    if SENT.match(name):
        return value.encode("latin-1", "replace").replace(b"\0", b"")
    return value.encode("utf-8", "surrogateescape").replace(b"\0", b"")
