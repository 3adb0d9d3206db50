"""What a server answers, for who tests it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """A response, read to its end."""

    status: int
    reason: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        """The body, in the charset that Content-Type names (UTF-8 where it names none)."""
        charset = http.client.HTTPMessage()
        charset["Content-Type"] = self.header("Content-Type") or "text/plain"
        return self.body.decode(charset.get_content_charset("utf-8"), "replace")

    def header(self, name: str) -> str | None:
        """The first header of a name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        """The body as JSON. :raises ValueError: it is none."""
        return json.loads(self.body)


class _Received:
    """What `http.client` reads a response from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> BytesIO:
        """The bytes as a file."""
        return BytesIO(self._data)


def parse(data: bytes, method: str) -> Reply:
    """The response in what was sent for a request with some method."""
    response = http.client.HTTPResponse(_Received(data), method=method)  # type: ignore[arg-type]  # (no socket)
    response.begin()
    return Reply(response.status, response.reason, response.getheaders(), response.read())
