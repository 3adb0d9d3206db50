"""The CGI environment of a request; every application loads it."""

from __future__ import annotations

from mpserver.api.table import Table as table
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def build_cgi_env(req: Request) -> table:
    """The CGI environment of a request (RFC 3875), credentials included, as a table of its own.

    ``req.subprocess_env`` is filled with the CGI variables on the way.
    """
    req.add_cgi_vars()
    env = req.subprocess_env.copy()
    env["GATEWAY_INTERFACE"] = "Python-CGI/1.1"
    credentials = req.headers_in.get("Authorization")
    if credentials is not None:
        env["HTTP_AUTHORIZATION"] = credentials
    return env
