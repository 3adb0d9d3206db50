"""The core's part in requests: DocumentRoot, SetHandler and its kin, filters, files, links, TRACE."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.api import constants
from mpserver.config.entries import FILES
from mpserver.config.sections import captures
from mpserver.config.server import SERVER_SCHEME, Server
from mpserver.config.settings import Conf
from mpserver.http1.ranges import Limits
from mpserver.modules import core
from mpserver.modules.core.options import OPTIONS, Option, effective
from mpserver.modules.hooks import (
    ANY_HANDLER,
    TRACE_HANDLER,
    Filters,
    Insertion,
    Planning,
    Step,
    Translation,
    Translator,
)
from mpserver.modules.known import Order
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.output_filters import OutputFactory
    from mpserver.api.request import Request

#: What AddDefaultCharset is for.
DEFAULT_CHARSET_FOR = ("text/plain", "text/html")

#: (httpd's core_override_type is the very first fixup)
ORDER = {"translate_path": Order.LAST, "fixups": Order.FIRST}

PLAIN = frozenset({"map_to_storage", "fixups", "head"})


def set_up(planning: Planning) -> None:
    """What applications ask of the core's settings."""
    conf, plan = planning.conf, planning.plan
    plan.document_root = core.document_root(planning.server.conf)
    lookups, canonical = conf[core.HOSTNAME_LOOKUPS], conf[core.USE_CANONICAL_NAME]
    plan.hostname_lookups = "" if lookups == "off" else lookups
    plan.canonical_name = "" if canonical == "off" else canonical
    plan.pass_auth = conf[core.CGI_PASS_AUTH]
    plan.limit_body = conf[core.LIMIT_REQUEST_BODY]
    plan.body_room, plan.streams = core.body_room(conf), conf[core.REQUEST_BODY_STREAMING]
    plan.file_etag = conf[core.FILE_ETAG].effective
    plan.range_limits = Limits(conf[core.MAX_RANGES], conf[core.MAX_RANGE_OVERLAPS], conf[core.MAX_RANGE_REVERSALS])
    plan.physical_port, plan.scheme = conf[core.USE_CANONICAL_PHYSICAL_PORT], planning.server.conf[SERVER_SCHEME]
    plan.signature = conf[core.SERVER_SIGNATURE]
    plan.reads_files = not conf[core.ENABLE_SENDFILE]
    plan.error_documents = conf[core.ERROR_DOCUMENT]


def translate_path(_server: Server) -> Translator:
    """DocumentRoot, for what no other module has translated."""
    return _in_document_root


def _in_document_root(path: str, _conf: Conf, server: Server) -> Translation:
    return Translation(core.document_root(server.conf).removesuffix("/") + path)


def map_to_storage(planning: Planning) -> Step | None:
    """Symbolic links, where not all of a server's sections follow them; what named groups of sections have matched."""
    links, groups = _links(planning), _groups(planning)
    if links is None or groups is None:
        return links or groups

    def both(req: Request) -> int:
        groups(req)
        return links(req)

    return both


def _groups(planning: Planning) -> Step | None:
    """The variables ``MATCH_NAME`` of the groups of DirectoryMatch, FilesMatch and LocationMatch."""
    server, conf = planning.server, planning.conf
    sections = server.sections
    entries = (*sections.directory_matches, *sections.locations, *conf[FILES])
    if not any(entry.may_name and entry.regex is not None and entry.regex.groupindex for entry in entries):
        return None

    def name(req: Request) -> int:
        name_groups(req, server, conf, req.mp_uri, req.mp_filename)
        return constants.DECLINED

    return name


def name_groups(req: Request, server: Server, conf: Conf, uri: str, filename: str | None) -> None:
    """Tell in the request's environment what named groups of sections have matched: ``MATCH_NAME``."""
    directory, slash, base = (filename or "").rpartition("/")
    for variable, value in captures(server, conf, uri, directory + slash, base).items():
        req.subprocess_env[variable] = value


def _links(planning: Planning) -> Step | None:
    sections = planning.server.sections
    closed = [entry for entry in (*sections.directories, *sections.directory_matches) if _is_closed(entry.conf)]
    everywhere = _is_closed(planning.conf)
    if not closed and not everywhere:
        return None
    from mpserver.modules.core import symlinks  # (few have such sections)

    look = symlinks.step(planning.server, planning.engine.htaccess)
    if everywhere or sections.overrides or not all(entry.is_plain for entry in closed):
        return look
    inside = tuple(entry.pattern for entry in closed)

    def look_inside(req: Request) -> int:
        # (what lies in no such directory passes none of them)
        return look(req) if (req.mp_filename or "").startswith(inside) else constants.OK

    return look_inside


def _is_closed(conf: Conf) -> bool:
    """Whether a section says that links are not followed, or only those of their owners."""
    return OPTIONS in conf and not effective(conf) & Option.LINKS


def fixups(planning: Planning) -> Step | None:
    """ForceType, SetHandler and AcceptPathInfo beat what was found."""
    conf = planning.conf
    forced, handler, accept = conf[core.FORCE_TYPE], conf[core.SET_HANDLER], conf[core.ACCEPT_PATH_INFO]
    if forced is None and accept is None:
        if handler is None:
            return None

        def set_handler(req: Request) -> int:
            req.mp_handler = handler
            return constants.OK

        return set_handler

    wish = constants.AP_REQ_ACCEPT_PATH_INFO if accept else constants.AP_REQ_REJECT_PATH_INFO

    def override(req: Request) -> int:
        if forced is not None:
            req.mp_content_type = forced
        if handler is not None:
            req.mp_handler = handler
        if accept is not None:
            req.mp_used_path_info = wish
        return constants.OK

    return override


def head(planning: Planning) -> Step | None:
    """AddDefaultCharset: text/html and text/plain get it, unless they have a charset."""
    charset = planning.conf[core.ADD_DEFAULT_CHARSET]
    if charset is None:
        return None

    def add(req: Request) -> int:
        media, semicolon, parameters = (req.mp_content_type or "").partition(";")
        if media.strip().lower() in DEFAULT_CHARSET_FOR and "charset=" not in parameters.lower():
            req.mp_content_type = f"{media.strip()}; charset={charset}{semicolon}{parameters}"
        return constants.OK

    return add


error_head = head


def insert_filter(planning: Planning) -> Insertion | None:
    """SetOutputFilter and SetInputFilter."""
    output, body = names(planning.conf[core.SET_OUTPUT_FILTER]), names(planning.conf[core.SET_INPUT_FILTER])
    if not output and not body:
        return None

    def insert(req: Request, filters: Filters) -> None:
        for name in output:
            filters.add_output(req, name)
        if req.mp_input is not None:
            for name in body:
                filters.add_input(req, name)

    return Insertion((*output, *body), insert)


def names(text: str | None) -> tuple[str, ...]:
    """The names of filters, which semicolons separate."""
    return tuple(text.split(";")) if text else ()


def output_filters(_planning: Planning) -> Mapping[str, OutputFactory]:
    """What is there in any case, at the end of all chains, under the names that it has in httpd."""
    from mpserver.api.output_filters import OutputFilter  # (few responses run through filters)

    return {"content_length": OutputFilter, "byterange": OutputFilter}


def handlers(_planning: Planning) -> Mapping[str, Step]:
    """What serves files, and TRACE."""
    from mpserver.modules.core import files  # (many applications have none)

    return {ANY_HANDLER: files.handler, TRACE_HANDLER: files.trace}
