"""The variables of a CGI script (RFC 3875 section 4.1)."""

from __future__ import annotations

import os

from mpserver import lazyre
from mpserver.api.sent_text import as_sent
from mpserver.config.sections import merge
from mpserver.http1 import percent
from mpserver.modules import alias, core
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


#: What a variable's name can't have.
UNSPEAKABLE = lazyre.compile(r"[^0-9A-Za-z_]")


#: Where programs are looked for, when the server itself was told nothing.
DEFAULT_PATH = "/bin:/usr/bin:/usr/local/bin"


def words(query: str | None) -> list[str]:
    """The arguments that a raw query without ``=`` gives (RFC 3875 4.4)."""
    if not query or "=" in query:
        return []
    found = query.encode("latin-1").split(b"+")
    return [os.fsdecode(percent.decode(word)) for word in found if b"%00" not in word]


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
    return {
        UNSPEAKABLE.sub("_", name).encode(): encoded(req, value)
        for name, value in env.pairs()
        if name and value is not None
    }


def translated(req: Request, path: str) -> str:
    """The file that a path of the server's would lead to."""
    server = req.mp_server
    conf = merge(server, path, (), None, "") if server.sections.locations else None
    found = alias.translate(path, server.conf, conf)
    return found[0] if found is not None else core.document_root(server.conf) + path


def encoded(req: Request, value: str | None) -> bytes:
    """A variable's value as bytes: what the client sent as it came, the server's own text as file names are."""
    return b"" if value is None else as_sent(req, value).encode("latin-1").replace(b"\0", b"")
