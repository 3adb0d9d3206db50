"""What the cases are asked of, as a WSGI application: bodies come back, /hidden is 418.

/unread reads nothing, and a broken body is 400.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """Answer 200 with the request's body."""
    path = environ["PATH_INFO"]
    status, body = "418 I'm a teapot" if path == "/hidden" else "200 OK", b""
    try:
        if path != "/unread":
            body = environ["wsgi.input"].read()
    except OSError:
        status = "400 Bad Request"
    start_response(status, [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]
