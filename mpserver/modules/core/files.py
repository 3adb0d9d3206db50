"""What is served where no other handler is: files, OPTIONS and TRACE.

httpd's default handler, and the TRACE of its core. A function gets the request
and returns a result: OK, DECLINED, DONE or the status to answer with. Facts are read from the
engine's side of the request (its underscored attributes): no wrapper is made for a static file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from stat import S_ISDIR, S_ISREG

from mpserver.api import constants, entity_tag
from mpserver.api.error_log import ERROR, INFO
from mpserver.api.response_head import LINE_END
from mpserver.api.table import HeaderTable
from mpserver.errors import ClientGone
from mpserver.http1 import conditions, ranges
from mpserver.http1.blocks import CONDITIONS
from mpserver.http1.dates import http_date
from mpserver.http1.wire import decoded
from mpserver.modules import core
from mpserver.modules.core import file_cache
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.parts import Part
    from mpserver.api.request import Request
    from mpserver.api.table import Table

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE

#: The methods of a static file, in the order of httpd's Allow; TRACE is added unless TraceEnable is Off.
METHODS = ("OPTIONS", "HEAD", "GET", "POST")

#: How names of source files end, in lower case.
SOURCES = (".py", ".pyc", ".pyo", ".psp", ".wsgi")

#: How long a body TraceEnable Extended sends back, in bytes.
TRACED = 1 << 16

#: Headers that TRACE does not send back (RFC 9110 9.3.8): a script could read them from the answer.
SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})


def handler(req: Request) -> int:
    """Serve the file of a request: GET, HEAD and POST (as httpd), OPTIONS; else 405 or 501."""
    method = req.mp_method
    page = req.mp_host.pages.of(req.mp_located)
    if page is not None and method == "GET" and _is_usual(req) and _send_page(req, page):
        return OK
    if method not in ("GET", "HEAD", "POST"):
        return _other_method(req, method)
    if req.mp_head.length:
        status = req.mp_discard_request_body()
        if status != OK:
            return status
    filename = req.mp_filename
    found = _stat(req)
    if found is None or filename is None:
        return _missing(req, 128)
    if not S_ISREG(found.st_mode):
        if S_ISDIR(found.st_mode):
            return _refuse(req, constants.HTTP_NOT_FOUND, f"Attempt to serve directory: {filename}", INFO, 129)
        return _refuse(req, constants.HTTP_FORBIDDEN, f"no regular file: {filename}", ERROR)
    if req.mp_plan.conf[core.SOURCE_PROTECTION] and _is_source(filename):
        why = f"source code is not served: {filename} has no handler here (SourceProtection Off sends it as it is)"
        return _refuse(req, constants.HTTP_FORBIDDEN, why, ERROR)
    if req.mp_path_info and not _takes_path_info(req):
        return _missing(req, 130)
    try:
        return _send(req, filename, found)
    except ClientGone:
        raise
    except OSError as error:
        if error.errno == errno.ENOENT:
            return _refuse(req, constants.HTTP_NOT_FOUND, f"File does not exist: {filename}", INFO, 128)
        why = f"file permissions deny server access: {filename} ({os.strerror(error.errno or 0)})"
        return _refuse(req, constants.HTTP_FORBIDDEN, why, ERROR, 132)


def _is_source(filename: str) -> bool:
    """Whether a file is the source of an application, or tells how things are configured."""
    name = filename.rpartition("/")[2].lower()
    return name.endswith(SOURCES) or name.startswith(".ht")


def send_kept(req: Request, page: file_cache.Page) -> bool:
    """Answer a request for a file that is kept, of which nobody has had a look but for what it is.

    :returns: False if it is not a usual one: then it has to go through its steps.
    """
    if req.mp_method != "GET" or req.mp_head.length or req.mp_plain_ending() != LINE_END:
        return False
    before = req.mp_handler
    req.mp_content_type, req.mp_handler = page.type, page.handler
    if _send_page(req, page):
        return True
    req.mp_content_type, req.mp_handler = None, before
    return False


def _send_page(req: Request, page: file_cache.Page) -> bool:
    """Send what is kept of a file. :returns: False if that has no answer to the request."""
    verdict, ranged = OK, False
    if req.mp_head.conditional:
        get = req.mp_head.get
        ranged = get("range") is not None
        if not req.mp_no_local_copy:
            verdict = conditions.evaluate("GET", get, page.etag, page.modified, req.mp_request_time)
    if verdict == constants.HTTP_NOT_MODIFIED:
        req.mp_finish_unmodified(page.unmodified)
    elif verdict or ranged or page.rest is None:
        return False
    else:
        req.mp_finish_page(page.rest, page.size)
    if req.mp_plan.has_end:
        req.mp_headers_out = HeaderTable.from_pairs(page.fields)
    return True


def _stat(req: Request) -> os.stat_result | None:
    """What stat says of the file: as the translation found it, unless a handler had a look at it or set another."""
    if req.mp_stat is not None and req.mp_finfo is None:
        found: os.stat_result = req.mp_stat
        return found
    if req.mp_filename is None:
        return None
    try:
        return os.stat(req.mp_filename)
    except (OSError, ValueError):
        return None


def _send(req: Request, filename: str, found: os.stat_result) -> int:
    """The file's validators, then what the request's conditions and ranges leave of it."""
    now = req.mp_request_time
    size = found.st_size
    req.mp_mtime = mtime = max(req.mp_mtime, found.st_mtime)
    plan = req.mp_plan
    etag = entity_tag.etag(plan.file_etag, filename, found)
    if etag is not None and now - found.st_mtime < file_cache.SETTLED and not plan.file_etag & entity_tag.DIGEST:
        etag = "W/" + etag
    validators = [("Last-Modified", http_date(min(mtime, now)))]
    if etag is not None:
        validators.append(("ETag", etag))
    validators.append(("Accept-Ranges", "bytes" if plan.range_limits.ranges else "none"))
    if req.mp_headers_out is None:
        req.mp_headers_out = HeaderTable.from_pairs(validators)  # a third of the time that setting them takes
    else:
        for name, value in validators:
            req.mp_headers_out[name] = value
    if req.mp_status == constants.HTTP_OK:  # an error document is sent as it is
        get = _fields(req)
        if not req.mp_no_local_copy:
            verdict = conditions.evaluate(req.mp_method, get, etag, mtime, now)
            if verdict:
                _check_readable(filename)
                if verdict == constants.HTTP_NOT_MODIFIED and _may_keep(req, found, validators):
                    req.mp_host.pages.keep(req, validators, None, size, etag, mtime, send_kept)
                req.mp_status = verdict
                return OK
        if req.mp_method == "GET":  # the only method with ranges (RFC 9110 14.2)
            wanted = get("range")
            if (
                wanted is not None
                and plan.range_limits.ranges
                and req.mp_chain is None
                and conditions.range_applies(get, etag, mtime, now)
            ):
                chosen = ranges.parse(wanted, size, plan.range_limits)
                if isinstance(chosen, list):
                    return _send_ranges(req, filename, chosen, size)
                if chosen is ranges.UNSATISFIABLE:
                    req.err_headers_out["Content-Range"] = ranges.unsatisfied_range(size)
                    return constants.HTTP_RANGE_NOT_SATISFIABLE
    if req.mp_header_only:
        req.mp_set_content_length(size)
    keeps = size <= file_cache.LONGEST and _may_keep(req, found, validators)
    req.mp_sendfile(filename)
    if keeps and len(req.mp_parts) == 1 and _length(req.mp_parts[0]) == size:
        req.mp_host.pages.keep(req, validators, req.mp_parts[0], size, etag, mtime, send_kept)
    return OK


def _may_keep(req: Request, found: os.stat_result, validators: Sequence[tuple[str, str]]) -> bool:
    """Whether this request's answer is that to all of its kind, as long as the file stays the same."""
    return (
        req.mp_method == "GET" and req.mp_mtime == found.st_mtime and file_cache.settled(found, req.mp_request_time)
        and _is_usual(req, validators)
    )  # fmt: skip


def _length(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else -1


def _is_usual(req: Request, validators: Sequence[tuple[str, str]] = ()) -> bool:
    """Whether a request asks for the located file as it is, but for conditions and Range, and no handler changed it.

    :param validators: headers that were set already.
    """
    headers = req.mp_headers_out
    return (
        not req.mp_head.length and not req.mp_path_info and not req.mp_parts and not req.mp_started
        and (validators or not req.mp_mtime)
        and req.mp_stat is not None and req.mp_finfo is None and not req.mp_added
        and (req.mp_table_in is None or _is_unconditional(req, req.mp_table_in))
        and (
            req.mp_chain is None and req.mp_ending_but_fixed() == LINE_END
            if headers is None
            else _is_plain_but(req, headers, validators)
        )
    )  # fmt: skip


def _is_unconditional(req: Request, headers: Table) -> bool:
    """Whether a request, whose headers somebody has looked at or changed, has no conditions, and had none."""
    return not req.mp_head.conditional and not any(name in headers for name in CONDITIONS)


def _is_plain_but(req: Request, headers: Table, validators: Sequence[tuple[str, str]]) -> bool:
    """Whether a request is plain but for headers that were set already."""
    req.mp_headers_out = None
    plain = req.mp_chain is None and req.mp_ending_but_fixed() == LINE_END
    req.mp_headers_out = headers
    return plain and list(headers.pairs()) == list(validators)


def _send_ranges(req: Request, filename: str, chosen: list[ranges.Range], size: int) -> int:
    """206 with one range, or with several in parts."""
    req.mp_status = constants.HTTP_PARTIAL_CONTENT
    if len(chosen) == 1:
        start, end = chosen[0]
        req.headers_out["Content-Range"] = ranges.content_range(chosen[0], size)
        req.mp_sendfile(filename, start, end - start + 1)
        return OK
    _check_readable(filename)  # before the first part: the response may be on its way after it
    frame = ranges.multipart(chosen, size, req.mp_content_type, os.urandom(12).hex())
    req.mp_set_content_length(frame.length)
    req.mp_content_type = frame.content_type
    for head, (start, end) in zip(frame.heads, chosen, strict=True):
        req.mp_write(head, 0)
        req.mp_sendfile(filename, start, end - start + 1)
    req.mp_write(frame.end, 0)
    return OK


def _check_readable(filename: str) -> None:
    """:raises PermissionError: it can't be opened; `Request.sendfile` would say so, but is not called yet."""
    if not os.access(filename, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), filename)


def _fields(req: Request) -> conditions.Get:
    """How to look up request headers: in the head, or in the table where a handler may have changed it."""
    table = req.mp_table_in
    if table is None:
        return req.mp_head.get

    def get(name: str) -> str | None:
        if name not in table:
            return None
        value = table[name]
        return value if isinstance(value, str) else ", ".join(value)

    return get


def _takes_path_info(req: Request) -> bool:
    """Whether a path that goes on behind the file's name is accepted (AcceptPathInfo, or a handler's wish)."""
    if req.mp_used_path_info != constants.AP_REQ_DEFAULT_PATH_INFO:
        return req.mp_used_path_info == constants.AP_REQ_ACCEPT_PATH_INFO
    return req.mp_plan.conf[core.ACCEPT_PATH_INFO] is True


def _other_method(req: Request, method: str) -> int:
    """OPTIONS, the methods that are known but not for files, and those that nobody knows."""
    if method == "OPTIONS":
        return options(req)
    req.mp_allow_methods(METHODS)
    if method not in constants.METHOD_NUMBERS:
        return _refuse(
            req, constants.HTTP_NOT_IMPLEMENTED, f"Invalid method in request {decoded(req.mp_head.line)}", ERROR, 135
        )
    return constants.HTTP_METHOD_NOT_ALLOWED


def options(req: Request) -> int:
    """OPTIONS (RFC 9110 9.3.7): the methods, and no body. ``OPTIONS *`` is answered without any."""
    if req.mp_head.path != "*":
        from mpserver.modules.core import errorpage  # (few ask)

        errorpage.tell_methods(req, (*METHODS, *req.mp_allowed_methods))
    req.mp_set_content_length(0)
    return OK


def trace(req: Request) -> int:
    """TRACE (RFC 9110 9.3.8): the request's head goes back as a message. httpd does it before any handler runs.

    :returns: DONE, or 413: such a request has no body.
    """
    conf = req.mp_host.server.conf
    if not core.traces(conf):
        return _refuse(req, constants.HTTP_METHOD_NOT_ALLOWED, "TRACE is forbidden by TraceEnable", INFO, 1594)
    body = b""
    if req.mp_head.length:
        if conf[core.TRACE_ENABLE] == "extended":
            body = req.read(TRACED + 1)
        if not 0 < len(body) <= TRACED:
            text = f"TRACE with a body is not allowed: {req.mp_uri}"
            return _refuse(req, constants.HTTP_REQUEST_ENTITY_TOO_LARGE, text, INFO, 1595)
    lines: dict[str, str] = {}
    for name, value in req.mp_head.fields:
        key = name.lower()
        if key not in SECRET:
            lines[key] = f"{lines[key]}, {value}" if key in lines else f"{name}: {value}"
    req.mp_content_type = "message/http"
    text = "\r\n".join((req.mp_head.line, *lines.values(), "", ""))
    req.mp_write(text.encode("latin-1") + body, 0)
    return DONE


def _whole_name(req: Request) -> str:
    return (req.mp_filename or "") + (req.mp_path_info or "") or req.mp_uri


def _missing(req: Request, number: int) -> int:
    """404, for there is no such file; few logs take so much."""
    if req.mp_log.enabled(INFO):
        _refuse(req, constants.HTTP_NOT_FOUND, f"File does not exist: {_whole_name(req)}", INFO, number)
    return constants.HTTP_NOT_FOUND


def _refuse(req: Request, status: int, reason: str, level: int, number: int | None = None) -> int:
    """Log why, and answer with a status."""
    log: Any = req.mp_log
    if log.enabled(level):
        log.log(level, reason, about=req, number=number)
    return status
