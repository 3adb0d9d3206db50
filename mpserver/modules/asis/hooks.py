"""The handler send-as-is."""

from __future__ import annotations

from collections.abc import Mapping
from stat import S_ISREG

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.modules.asis import HANDLER
from mpserver.modules.hooks import Planning, Step
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request


def handlers(_planning: Planning) -> Mapping[str, Step]:
    """The one for such files."""
    return {HANDLER: handler}


def handler(req: Request) -> int:
    """Send a file whose headers stand at its beginning, as those of a CGI script."""
    from mpserver.modules.cgi.exchange import BLANK, MOST_HEADERS, no_head, set_headers  # (few configurations have any)

    found, filename = req.mp_stat, req.mp_filename
    if req.mp_method not in ("GET", "HEAD"):
        return constants.DECLINED
    if found is None or filename is None or not S_ISREG(found.st_mode):
        return _refused(req, constants.HTTP_NOT_FOUND, "File does not exist")
    try:
        with open(filename, "rb") as file:
            beginning = file.read(MOST_HEADERS)
    except OSError:
        return _refused(req, constants.HTTP_FORBIDDEN, "file permissions deny server access")
    blank = BLANK.search(beginning)
    if blank is None:
        return no_head(req, beginning)
    status = set_headers(req, beginning[: blank.start()])
    if status != constants.OK:
        return status
    location = req.mp_headers_out.get("Location") if req.mp_headers_out is not None else None
    if location is not None and location.startswith("/") and req.mp_status == constants.HTTP_OK:
        del req.headers_out["Location"]
        req.mp_internal_redirect(location)
        return constants.OK
    rest = found.st_size - blank.end()
    if rest > 0:
        req.mp_sendfile(filename, blank.end(), rest)
    return constants.OK


def _refused(req: Request, status: int, why: str) -> int:
    req.mp_log.log(ERROR, f"{why}: {req.mp_filename}", module="asis", about=req)
    return status
