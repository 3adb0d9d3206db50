"""``mod_python.util``: form data and redirects (manual 4.6; api 3.5 1.9, 3.2).

Names and values of forms are str, wherever they come from: UTF-8, and latin-1 where they are not
UTF-8 (old pages send it, and nothing is lost by it). Uploaded files are bytes.
"""

from __future__ import annotations

from mod_python._public import lazily
from mpserver import lazy
from mpserver.api import constants
from mpserver.api.constants import SERVER_RETURN
from mpserver.typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from mod_python._forms.call import apply_fs_data
    from mod_python._forms.fields import AnyField as AnyField
    from mod_python._forms.fields import Field, StringField
    from mod_python._forms.fields import FieldMaker as FieldMaker
    from mod_python._forms.fields import FileMaker as FileMaker
    from mod_python._forms.storage import MAX_FIELDS as MAX_FIELDS
    from mod_python._forms.storage import MAX_FILES as MAX_FILES
    from mod_python._forms.storage import MAX_TEXT as MAX_TEXT
    from mod_python._forms.storage import FieldStorage
    from mod_python._forms.storage import readBlockSize as readBlockSize
    from mpserver.api.request import Request

#: What comes with its first use: many handlers import this module, and few read forms.
_LATE = {
    "apache": "mod_python.apache",
    "_apache": "_apache",
    "apply_fs_data": "mod_python._forms.call:apply_fs_data",
    **{
        name: f"mod_python._forms.fields:{name}"
        for name in ("AnyField", "Field", "FieldMaker", "FileMaker", "StringField")
    },
    **{
        name: f"mod_python._forms.storage:{name}"
        for name in ("FieldStorage", "MAX_FIELDS", "MAX_FILES", "MAX_TEXT", "readBlockSize")
    },
}
__getattr__ = lazily(__name__, _LATE)


def __dir__() -> list[str]:
    """All names, also those that have not been used yet."""
    return sorted({*globals(), *_LATE})


_storage = lazy.module("mod_python._forms.storage")
_pages, _urls = lazy.module("mpserver.api.html_pages"), lazy.module("urllib.parse")

__all__ = ["Field", "FieldStorage", "StringField", "apply_fs_data", "parse_qs", "parse_qsl", "redirect"]


#: Characters that a Location may hold as they are: all but the non-ASCII ones.
_ASCII = "".join(map(chr, range(128)))


# ---- urlencoded data


def parse_qsl(qs: Any, keep_blank_values: int = 0, strict_parsing: int = 0) -> list[Any]:
    """The (name, value) pairs of a query string (manual 4.6.4): str of str, bytes of bytes.

    :param strict_parsing: not in use (manual).
    :raises TypeError: it is neither.
    """
    if isinstance(qs, bytes):
        return list(_storage.urlencoded(qs, bool(keep_blank_values)))
    if not isinstance(qs, str):
        raise TypeError(f"a query string is str or bytes, not {type(qs).__name__}")
    data = qs.encode("utf-8", "surrogateescape")
    return [
        (_storage.decoded(name), _storage.decoded(value))
        for name, value in _storage.urlencoded(data, bool(keep_blank_values))
    ]


def parse_qs(qs: Any, keep_blank_values: int = 0, strict_parsing: int = 0) -> dict[Any, list[Any]]:
    """The values of a query string in lists by name (manual 4.6.4)."""
    found: dict[Any, list[Any]] = {}
    for name, value in parse_qsl(qs, keep_blank_values, strict_parsing):
        found.setdefault(name, []).append(value)
    return found


# ---- redirects


def redirect(req: Request, location: str, permanent: int = 0, text: str | None = None) -> NoReturn:
    """Send the client to another location (manual 4.6.4).

    :param permanent: 301 instead of 302.
    :param text: the page for clients that don't follow, as HTML.
    :raises SERVER_RETURN: always, with apache.DONE.
    :raises IOError: the head was sent already.
    """
    if not isinstance(location, str):
        raise TypeError(f"location must be a string, not {type(location).__name__}")
    if req.sent_bodyct:
        raise OSError("Cannot redirect after headers have already been sent.")
    if not location.isascii():
        location = _urls.quote(location, safe=_ASCII)
    req.err_headers_out["Location"] = location
    req.status = constants.HTTP_MOVED_PERMANENTLY if permanent else constants.HTTP_MOVED_TEMPORARILY
    if text is None:
        shown = _pages.escaped(location)
        text = f'<p>This page is now at <a href="{shown}">{shown}</a>.</p>\n'
    if not req.mp_content_type_set:
        req.content_type = "text/html"
    req.write(text, 0)
    raise SERVER_RETURN(constants.DONE)
