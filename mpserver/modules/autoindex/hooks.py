"""The handler of directories: their listings, where Options Indexes lets them be seen."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator, Mapping

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.modules import autoindex
from mpserver.modules.autoindex import Shown
from mpserver.modules.core.options import Option, effective
from mpserver.modules.dir import DIRECTORY_INDEX
from mpserver.modules.dir.hooks import DIRECTORY_HANDLER
from mpserver.modules.hooks import Planning, Step
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.settings import Conf
    from mpserver.modules.autoindex.entries import Entry
    from mpserver.modules.autoindex.page import Look
    from mpserver.modules.autoindex.query import Query

OK, DECLINED = constants.OK, constants.DECLINED


def handlers(planning: Planning) -> Mapping[str, Step]:
    """The one for directories."""
    conf = planning.conf
    listed = bool(effective(conf) & Option.INDEXES)

    def handler(req: Request) -> int:
        if req.mp_method not in ("GET", "HEAD"):
            return DECLINED
        return serve(req, conf) if listed else _refuse(req, conf)

    return {DIRECTORY_HANDLER: handler}


def _refuse(req: Request, conf: Conf) -> int:
    indexes = conf[DIRECTORY_INDEX]
    names = ",".join(indexes) or "none"
    text = (
        f"Cannot serve directory {req.mp_filename}: No matching DirectoryIndex ({names}) found, and server-generated "
        "directory index forbidden by Options directive"
    )
    req.mp_log.log(ERROR, text, module="autoindex", about=req, number=1276)
    return constants.HTTP_FORBIDDEN


def serve(req: Request, conf: Conf) -> int:
    """Answer with the listing. :returns: OK, or the status why there is none."""
    from mpserver.modules.autoindex import entries, query  # (few requests are for listings)

    if req.mp_head.length:
        status = req.mp_discard_request_body()
        if status != OK:
            return status
    shown = conf[autoindex.OPTIONS].effective
    asked = query.read(req.mp_args, shown, conf[autoindex.ORDER])
    ignored, descriptions = conf[autoindex.IGNORE].names, conf[autoindex.DESCRIPTIONS]
    try:
        found = entries.found(req, shown, asked, ignored, descriptions)
        modified = os.stat(req.mp_filename or "/").st_mtime
    except OSError as error:
        text = f"Can't open directory for index: {req.mp_filename} ({error.strerror})"
        req.mp_log.log(ERROR, text, module="autoindex", about=req, number=1275)
        return constants.HTTP_FORBIDDEN
    found = entries.in_order(found, shown, asked)
    charset = conf[autoindex.CHARSET]
    req.mp_content_type = f"{conf[autoindex.TYPE]}; charset={charset}"
    if shown & Shown.TRACK_MODIFIED:
        req.mp_mtime = max(req.mp_mtime, modified)
        req.set_last_modified()
        # (it changes with its order, and with what is in it)
        facts = hash((tuple((entry.name, entry.size, entry.modified) for entry in found), asked))
        req.headers_out["ETag"] = f'W/"{facts & 0xFFFFFFFFFFFFFFFF:x}"'
        status = req.meets_conditions()
        if status != OK:
            return status
    try:
        codecs.lookup(charset)
    except LookupError:
        charset = "UTF-8"
    for piece in _pieces(req, conf, found, asked, charset):
        req.mp_write(piece, 0)
    return OK


def _pieces(req: Request, conf: Conf, found: list[Entry], asked: Query, charset: str) -> Iterator[bytes]:
    """The page, piece by piece."""
    from mpserver.api.cgi_variables import signature
    from mpserver.modules.autoindex import page, surroundings

    look = _look(conf)
    header = surroundings.part(req, conf[autoindex.HEADER])
    readme = surroundings.part(req, conf[autoindex.README])
    # (a page of HTML at the top may bring the whole frame)
    framed = not (header.is_html and look.shown & Shown.NO_PREAMBLE)
    texts: list[str] = []
    if framed:
        texts.append(page.preamble(req.mp_uri, look))
    if not header.is_html:
        texts.append(page.title(req.mp_uri))
    yield "".join(texts).encode(charset, "xmlcharrefreplace")
    yield header.content
    parent = None
    if req.mp_uri != "/" and not _is_ignored("..", conf):
        parent = surroundings.parent(req.mp_uri)
    if asked.fancy:
        chosen = surroundings.Icons(req, conf)
        by_entry = {entry.name: chosen.of(entry) for entry in found}
        listing = page.table(found, parent, look, asked, by_entry, chosen.parent())
    else:
        listing = page.plain(found, parent)
    yield "".join(listing).encode(charset, "xmlcharrefreplace")
    yield readme.content
    if not readme.content:
        yield signature(req).encode(charset, "xmlcharrefreplace")
    if not (readme.is_html and look.shown & Shown.NO_PREAMBLE):
        yield b"</body>\n</html>\n"


def _is_ignored(name: str, conf: Conf) -> bool:
    from mpserver.modules.autoindex.entries import matcher

    return any(matcher(pattern)(name) for pattern in conf[autoindex.IGNORE].names)


def _look(conf: Conf) -> Look:
    from mpserver.modules.autoindex.page import Look

    return Look(
        conf[autoindex.OPTIONS].effective,
        conf[autoindex.CHARSET],
        conf[autoindex.NAME_WIDTH],
        conf[autoindex.DESCRIPTION_WIDTH],
        conf[autoindex.ICON_WIDTH],
        conf[autoindex.ICON_HEIGHT],
        conf[autoindex.STYLE_SHEET],
        conf[autoindex.HEAD_INSERT],
    )
