"""Text of a request as the bytes that came: for CGI's and WSGI's variables, and for logs.

What applications see is `mpserver.http1.wire.decoded`, from which alone nobody could tell whether an ``é`` came as
UTF-8 or as latin-1.
"""

from __future__ import annotations

from mpserver.api import cgi_variables
from mpserver.http1.wire import decoded, encoded, is_latin, shown
from mpserver.typing import TYPE_CHECKING

__all__ = ["as_sent", "encoded", "query_bytes"]

if TYPE_CHECKING:
    from mpserver.api.request_config import RequestConfig


def as_sent(req: RequestConfig, text: str) -> str:
    """The bytes of a text, each as one character: those that the request has it from, else UTF-8."""
    if text.isascii():
        return text
    return text if is_latin(text) and text in _latin(req) else encoded(text)


def query_bytes(req: RequestConfig) -> bytes:
    """The query, whose parts need not have the same encoding; empty without one.

    :param req: a request, or an application's object that stands for one, with ``args``.
    """
    args = req.args
    if not args:
        return b""
    if args.isascii():
        return args.encode("ascii")
    raw: str | None = getattr(req, "mp_args", None)
    if raw is None or decoded(raw) != args:  # (it has args of its own)
        raw = args if is_latin(args) else encoded(args)
    try:
        return raw.encode("latin-1")
    except UnicodeEncodeError:
        return raw.encode("utf-8", "surrogateescape")


def _latin(req: RequestConfig) -> set[str]:
    """All of a request, and of those that were redirected to it, that is not UTF-8."""
    head = req.mp_head
    head.merged()
    found = set(head.field_block.odd)
    one: RequestConfig | None = req
    while one is not None:
        raw = (one.mp_args, one.mp_target, cgi_variables.request_uri(one), head.line)
        found |= {text for text in raw if text is not None and is_latin(text)}
        paths = (one.mp_uri, one.mp_path_info or "", cgi_variables.script_name(one))
        found |= {text for text, path in zip(map(shown, paths), paths, strict=True) if text != path}
        one = one.mp_prev
    return found
