"""Tells how long a response may be kept: Expires and Cache-Control."""

from __future__ import annotations

from mpserver.api import constants
from mpserver.http1.dates import http_date
from mpserver.modules.expires import ACTIVE, BY_TYPE, DEFAULT, Lifetime
from mpserver.modules.hooks import Planning, Step
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


PLAIN = frozenset({"head"})


def head(planning: Planning) -> Step | None:
    """For every response but errors."""
    conf = planning.conf
    by_type, default = conf[BY_TYPE], conf[DEFAULT]
    if not conf[ACTIVE] or not (by_type or default is not None):
        return None

    def find(content_type: str | None) -> Lifetime | None:
        if content_type is None:
            return default
        kind = content_type.partition(";")[0].strip().lower()
        found = by_type.get(kind)
        if found is None:
            found = by_type.get(kind.partition("/")[0] + "/*", default)
        return found

    def tell(req: Request) -> int:
        if req.mp_status >= 400:
            return constants.OK
        lifetime = find(req.mp_content_type)
        if lifetime is None or _is_told(req):
            return constants.OK
        begin = req.mp_request_time
        if lifetime.since_change:
            if req.mp_stat is None:
                return constants.OK
            begin = req.mp_stat.st_mtime
        expires = max(int(begin) + lifetime.seconds, int(req.mp_request_time))
        age = f"max-age={expires - int(req.mp_request_time)}"
        table = req.headers_out
        present = table.get("Cache-Control")
        table["Cache-Control"] = age if present is None else f"{present}, {age}"
        table["Expires"] = http_date(expires)
        return constants.OK

    return tell


#: (a redirect is a page of the server's, whose type is text/html)
error_head = head


def _is_told(req: Request) -> bool:
    """Whether the response has an Expires: then somebody knows better."""
    tables = (req.mp_headers_out, req.mp_err_headers_out)
    return any(table is not None and "Expires" in table for table in tables)
