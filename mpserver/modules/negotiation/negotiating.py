"""The steps of requests that lead to one of several forms of a document."""

from __future__ import annotations

import os
from collections.abc import Sequence
from stat import S_ISREG

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.config.settings import Conf
from mpserver.http1.html import escape
from mpserver.http1.percent import encode_path
from mpserver.modules.hooks import Planning, Step, go_on
from mpserver.modules.mime import MULTIVIEWS_MATCH
from mpserver.modules.mime.hooks import knows
from mpserver.modules.negotiation import CACHE_DOCUMENTS, FALL_BACK, FORCE_LANGUAGE, LANGUAGE_PRIORITY, PREFER
from mpserver.modules.negotiation.choosing import Variant, Wishes, choose, items, varies
from mpserver.modules.negotiation.type_map import read
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

OK, DECLINED = constants.OK, constants.DECLINED

#: The longest type map that is read, in bytes.
LONGEST_MAP = 1 << 20


def multi_views(planning: Planning) -> Step:
    """Looks for the forms of what is not there: files whose names go on after its own."""
    conf, look_up = planning.conf, planning.engine.look_up
    caches = planning.server.conf[CACHE_DOCUMENTS]

    def negotiate(req: Request) -> int:
        if req.mp_stat is not None or req.mp_filename is None:
            return DECLINED
        variants = _in_directory(req, conf)
        if not variants:
            return DECLINED
        best = _choose(req, conf, variants)
        if best is None:
            return constants.HTTP_NOT_ACCEPTABLE
        args = req.mp_args
        folder = _without_info(req).rpartition("/")[0]
        uri = encode_path(f"{folder}/{best.name}{req.mp_path_info or ''}")
        plain = not req.mp_path_info
        status = look_up(req, uri if args is None else f"{uri}?{args}", True)
        if status != OK:
            return status
        if plain:
            _tell(req, variants, best)
            if not caches and not req.mp_head.minor and len(variants) > 1:
                req.mp_no_cache = 1
        return _fix_up(req) or go_on(req, status)

    return negotiate


def _fix_up(req: Request) -> int:
    """The last changes to what a request has become: to the look-up they were not the request's own.

    :returns: OK, or how they end it.
    """
    for step in req.mp_plan.phases_of(req).fixups:
        result: int = step(req)
        if result not in (OK, DECLINED):
            return result
    return OK


def _without_info(req: Request) -> str:
    """The path of a request without what follows its file."""
    info = req.mp_path_info or ""
    return req.mp_uri[: len(req.mp_uri) - len(info)] if info and req.mp_uri.endswith(info) else req.mp_uri


def _in_directory(req: Request, conf: Conf) -> list[Variant]:
    """The files whose names begin with that of a request, as the client may have them, sorted by their names."""
    directory, _, base = (req.mp_filename or "").rpartition("/")
    if not base:
        return []
    try:
        names = sorted(name for name in os.listdir(directory or "/") if name.startswith(base + "."))
    except OSError:
        return []
    folder = encode_path(_without_info(req).rpartition("/")[0])
    variants = []
    for name in names:
        if not knows(name[len(base) :], conf, conf[MULTIVIEWS_MATCH]):
            continue
        looked = req.mp_plan.subrequests.look_at(req, f"{folder}/{encode_path(name)}")
        if not looked.is_file or looked.stat is None or not (looked.media or looked.handler):
            continue
        media, _, parameters = (looked.media or looked.handler or "").partition(";")
        charset = parameters.partition("charset=")[2].partition(";")[0].strip().lower()
        variants.append(
            Variant(
                name,
                media.strip().lower(),
                tuple(language.lower() for language in looked.languages),
                (looked.encoding or "").lower(),
                charset,
                looked.stat.st_size,
            )
        )
    return variants


def type_map(planning: Planning) -> Step:
    """The handler of files that list the forms of a document."""
    conf, look_up = planning.conf, planning.engine.look_up

    def handler(req: Request) -> int:
        if req.mp_stat is None or req.mp_filename is None or not S_ISREG(req.mp_stat.st_mode):
            return DECLINED
        try:
            with open(req.mp_filename, "rb") as file:
                variants = read(file.read(LONGEST_MAP))
        except OSError as error:
            return _failed(req, f"cannot access type map file: {req.mp_filename} ({error.strerror})", 403)
        except ValueError as error:
            return _failed(req, f"type map file {req.mp_filename}: {error}", 500)
        variants = [_measured(req, variant) for variant in variants]
        if not variants:
            return _failed(req, f"type map file {req.mp_filename} lists no form of a document", 404)
        best = _choose(req, conf, variants)
        if best is None:
            return constants.HTTP_NOT_ACCEPTABLE
        if best.body is not None:
            return _send_body(req, variants, best)
        args, folder = req.mp_args, encode_path(_without_info(req).rpartition("/")[0])
        uri = (best.name if best.name.startswith("/") else f"{folder}/{best.name}") + encode_path(
            req.mp_path_info or ""
        )
        status = look_up(req, uri if args is None else f"{uri}?{args}", True)
        if status != OK:
            return status
        _tell(req, variants, best)
        return go_on(req, status)

    return handler


def _measured(req: Request, variant: Variant) -> Variant:
    """A form with the length of its file, if the map does not tell it."""
    if variant.length >= 0 or variant.body is not None or "/" in variant.name:
        return variant
    try:
        path = os.path.join(os.path.dirname(req.mp_filename or ""), variant.name)
        return variant._replace(length=os.stat(path).st_size)
    except (OSError, ValueError):
        return variant


def _send_body(req: Request, variants: Sequence[Variant], best: Variant) -> int:
    """A form that lies in the map itself."""
    _vary(req, varies(variants))
    req.mp_content_type = f"{best.media}; charset={best.charset}" if best.charset else best.media
    req.mp_content_languages = best.languages
    req.mp_content_encoding = best.encoding or None
    req.mp_write(best.body or b"", 0)
    return OK


def _failed(req: Request, text: str, status: int) -> int:
    req.mp_log.log(ERROR, text, module="negotiation", about=req)
    return status


def _choose(req: Request, conf: Conf, variants: Sequence[Variant]) -> Variant | None:
    """The best form; if there is none, the client will be told of all."""
    force, priority = conf[FORCE_LANGUAGE], conf[LANGUAGE_PRIORITY]
    best = choose(
        variants,
        Wishes(req.mp_head.get if req.mp_table_in is None else req.mp_table_in.get),
        priority,
        prefer=PREFER in force,
        fall_back=FALL_BACK in force,
    )
    if best is None:
        req.err_headers_out["Alternates"] = ", ".join(map(_alternate, variants))
        req.err_headers_out["TCN"] = "list"
        _vary(req, ["negotiate", *varies(variants)], error=True)
        links = "".join(
            f'<li><a href="{escape(variant.name)}">{escape(variant.name)}</a>, {escape(_facts(variant))}</li>\n'
            for variant in variants
        )
        req.notes["variant-list"] = f"Available variants:\n<ul>\n{links}</ul>\n"
    return best


def _facts(variant: Variant) -> str:
    facts = [f"type {variant.media}"]
    if variant.languages:
        facts.append(f"language {', '.join(variant.languages)}")
    if variant.charset:
        facts.append(f"charset {variant.charset}")
    if variant.encoding:
        facts.append(f"encoding {variant.encoding}")
    return ", ".join(facts)


def _alternate(variant: Variant) -> str:
    """A form as RFC 2295 tells it."""
    facts = "".join(f" {{{fact}}}" for fact in _facts(variant).split(", "))
    length = f" {{length {variant.length}}}" if variant.length >= 0 else ""
    name = encode_path(variant.name).replace('"', "%22")
    return f'{{"{name}" {variant.quality:g}{facts}{length}}}'


def _tell(req: Request, variants: Sequence[Variant], best: Variant) -> None:
    """The headers of a response that was chosen; those of RFC 2295 for GET and HEAD alone."""
    plain = best.encoding.removeprefix("x-")
    accepted = items(req.mp_head.get("accept-encoding")) or ()
    if plain != best.encoding and any(item.value == plain for item in accepted):
        req.mp_content_encoding = plain  # (as the client calls it)
    transparent = req.mp_method in ("GET", "HEAD") and not any(variant.body is not None for variant in variants)
    # (in the table that an internal redirect leaves as it is: Action has a script answer for the variant)
    _vary(req, ["negotiate", *varies(variants)] if transparent else varies(variants), error=True)
    if transparent:
        req.err_headers_out["TCN"] = "choice"
        req.err_headers_out["Content-Location"] = encode_path(best.name)


def _vary(req: Request, names: Sequence[str], *, error: bool = False) -> None:
    if names:
        table = req.err_headers_out if error else req.headers_out
        table.add("Vary", ",".join(names))
