"""What a comparison is made of: a request as bytes, and how much of its answer is compared."""

from __future__ import annotations

import base64
from typing import NamedTuple
from urllib.parse import quote

PLAIN = "plain.test"


class Case(NamedTuple):
    """One comparison; ``heads`` has bit ``i`` set where response ``i`` answers HEAD."""

    group: str
    name: str
    data: bytes
    heads: int = 0
    #: Over TLS: the host that the greeting names, and whose certificate the client has ("": none); None: not over it.
    tls: tuple[str, str] | None = None
    #: What the configuration calls the port, where it is not the usual one.
    port: str = ""


def request(
    path: str,
    *,
    method: str = "GET",
    host: str = PLAIN,
    headers: tuple[str, ...] = (),
    body: bytes = b"",
    close: bool = True,
    code: str = "",
    do: str = "",
    auth: str = "",
    version: str = "1.1",
) -> bytes:
    """A request's bytes: ``code`` for the probe, ``do`` for the rules, ``auth`` as user:password."""
    lines = [f"{method} {path} HTTP/{version}"]
    if host:
        lines.append(f"Host: {host}")
    if code:
        lines.append(f"X-Code: {quote(code, safe=' ()[]=.,:')}")
    if do:
        lines.append(f"X-Do: {do}")
    if auth:
        lines.append("Authorization: Basic " + base64.b64encode(auth.encode("latin-1")).decode())
    if body and not any(line.lower().startswith(("content-length", "transfer-encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    lines += headers
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def case(group: str, name: str, path: str, **options: object) -> Case:
    """A comparison of one request."""
    data = request(path, **options)  # type: ignore[arg-type]
    return Case(group, name, data, int(options.get("method") == "HEAD"))


def marked(data: bytes, number: int) -> bytes:
    """The bytes with the case's number in every request, for the handlers' trace."""
    return data.replace(b"\r\nHost:", b"\r\nX-Case: %d\r\nHost:" % number)
