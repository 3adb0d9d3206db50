"""What a request's URI says: its parts, its directory, its entity tag."""

from __future__ import annotations

import os
from collections.abc import Callable

from mpserver import lazyre
from mpserver.http1.dates import parse_date
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.table import Table


#: host[:port] of an authority.
AUTHORITY = lazyre.compile(
    r"(?:(?P<user>[^@:]*)(?::(?P<password>[^@]*))?@)?(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>\d*))?"
)


def parsed_uri(target: str, decoded: str | None) -> tuple[str | int | None, ...]:
    """A target's parts in the order of URI_*; ``decoded``: its path, where that is known already."""
    scheme: str | None
    scheme, found, rest = target.partition("://")
    user = password = host = hostinfo = port = None
    if found:
        hostinfo, slash, rest = rest.partition("/")
        rest = slash + rest
        match = AUTHORITY.match(hostinfo)
        if match:
            user, password, host = match["user"], match["password"], match["host"]
            port = int(match["port"]) if match["port"] else None
    else:
        scheme, rest = None, target
    rest, hash_mark, fragment = rest.partition("#")
    path, question, query = rest.partition("?")
    if decoded is not None and path:
        path = decoded
    return (
        scheme, hostinfo, user, password, host, port, path,
        query if question else None, fragment if hash_mark else None,
    )  # fmt: skip


def directory(path: str) -> str:
    """An absolute directory with a trailing slash."""
    path = os.path.abspath(path)
    return path if path.endswith("/") else path + "/"


def conditions(
    evaluate: Callable[..., int],
    method: str,
    headers: Table,
    etag: str | None,
    modified: str | None,
    mtime: float,
) -> int:
    """The verdict of RFC 9110 13.2.2 on the request's headers and the response's validators."""
    seconds = parse_date(modified) if modified else (mtime or None)
    return evaluate(method, headers.get, etag, seconds)
