"""What a request for a directory is answered with: the slash that its name lacks, or its index file."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.api import constants
from mpserver.config.settings import Conf
from mpserver.http1.percent import encode_path, sendable
from mpserver.modules.core.options import Option, effective
from mpserver.modules.dir import (
    AUTOINDEX,
    DIRECTORY_CHECK_HANDLER,
    DIRECTORY_INDEX,
    DIRECTORY_SLASH,
    FALLBACK,
    INDEX_REDIRECT,
)
from mpserver.modules.hooks import Planning, Step, go_on
from mpserver.modules.known import Order
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

OK, DECLINED, DONE = constants.OK, constants.DECLINED, constants.DONE

#: The handler that directories have (DirectoryCheckHandler lets index files go on beside it only).
DIRECTORY_HANDLER = "httpd/unix-directory"

#: (in httpd, too, what is not there may get a handler by any other fixup)
ORDER = {"fixups": Order.LAST}

#: Serves another URI path (encoded) in place of the request: DONE or OK, else its status.
Look = Callable[[str], int]


def directory(planning: Planning) -> Step:
    """The slash that is missing, or the index file of a directory, which has a plan of its own."""
    conf, look_up = planning.conf, planning.engine.look_up
    sole = len(conf[DIRECTORY_INDEX]) == 1
    moved = conf[INDEX_REDIRECT]
    # (only who names mod_autoindex somehow has it: without it a directory is nothing that can be served)
    listed = effective(conf) & Option.INDEXES or AUTOINDEX in planning.engine.loaded

    def serve(req: Request) -> int:
        found: list[int] = []

        def look(uri: str) -> int:
            if moved:
                looked = req.mp_plan.subrequests.look_at(req, uri)
                if looked.is_file:
                    # (without the query, as in httpd)
                    req.headers_out["Location"] = sendable(req.mp_construct_url(uri))
                    return moved
            status = look_up(req, uri if req.mp_args is None else f"{uri}?{req.mp_args}", sole)
            if status != OK:
                return status
            found.append(req.mp_plan.content(req))
            return DONE

        result = serve_directory(req, conf, look)
        if found:
            return found[0]
        if result == DECLINED and listed and req.mp_handler is None:
            req.mp_handler = DIRECTORY_HANDLER
        return result

    return serve


def serve_directory(req: Request, conf: Conf, look: Look) -> int:
    """A request for a directory: the redirect to its name with a slash, or its index file.

    :param look: tries an index file; 404 lets the next one come.
    :returns: DECLINED if there is neither.
    """
    if req.mp_path_info:
        return DECLINED
    if not req.mp_uri.endswith("/"):
        return redirect_to_slash(req) if conf[DIRECTORY_SLASH] else DECLINED
    if conf[DIRECTORY_CHECK_HANDLER] and req.mp_handler not in (None, DIRECTORY_HANDLER):
        return DECLINED
    names = conf[DIRECTORY_INDEX]
    # (as in httpd it takes no directory's place where no index is looked for)
    return find_index(req, (*names, conf[FALLBACK]) if conf[FALLBACK] and names else names, look)


def fixups(planning: Planning) -> Step | None:
    """FallbackResource, for files that are not there and that no handler was found for."""
    fallback, look_up = planning.conf[FALLBACK], planning.engine.look_up
    if not fallback:
        return None

    def fall_back(req: Request) -> int:
        if req.mp_stat is not None or req.mp_filename is None or req.mp_handler is not None:
            return DECLINED
        uri = fallback if fallback.startswith("/") else encode_path(req.mp_uri[: req.mp_uri.rfind("/") + 1]) + fallback
        status = look_up(req, uri if req.mp_args is None else f"{uri}?{req.mp_args}", True)
        if status == constants.HTTP_NOT_FOUND:
            return DECLINED
        return go_on(req, status)

    return fall_back


def redirect_to_slash(req: Request) -> int:
    """301 to the directory's name with a slash, the query kept."""
    target = encode_path(req.mp_uri) + "/"
    if req.mp_args:
        target += "?" + req.mp_args
    req.headers_out["Location"] = req.mp_construct_url(target)
    return constants.HTTP_MOVED_PERMANENTLY


def find_index(req: Request, names: tuple[str, ...], look: Look) -> int:
    """The first index file that can be served takes the request's place.

    :returns: what ``look`` says of it; else the last error but 404 (so that no listing shows what a
        broken index should hide); DECLINED if none exists.
    """
    base, args = encode_path(req.mp_uri), req.mp_args
    first, error = req.mp_tried
    for number, name in enumerate(names[first:], first):
        if number:
            req.mp_tried = number, error  # (should it go on in another interpreter)
        path, question, query = name.partition("?")
        if question:
            req.mp_args = query if args is None else f"{query}&{args}"
        result = look(path if path.startswith("/") else base + path)
        if result in (OK, DONE) or 300 <= result < 400:
            return result
        req.mp_args = args
        if result != constants.HTTP_NOT_FOUND:
            error = result
    return error
