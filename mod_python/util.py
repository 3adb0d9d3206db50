"""``mod_python.util``: form data and redirects (manual 4.6; api 3.5 1.9, 3.2).

Names and values of forms are str, wherever they come from: UTF-8, and latin-1 where they are not
UTF-8 (old pages send it, and nothing is lost by it). Uploaded files are bytes.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from io import StringIO
from types import FunctionType, MappingProxyType, MethodType
from urllib.parse import quote, unquote_to_bytes

from mpserver.api import constants
from mpserver.api.result import SERVER_RETURN
from mpserver.api.table import Table
from mpserver.typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from types import CodeType

    from mpserver.api.request import Request

__all__ = ["Field", "FieldStorage", "StringField", "apply_fs_data", "parse_qs", "parse_qsl", "redirect"]

#: How much of a body is read at once, in bytes.
readBlockSize = 65368

#: How many fields a form may have; PythonOption mod_python.util.max_fields says otherwise.
MAX_FIELDS = 10_000
#: How many bytes of a form are kept in memory (all but its files); PythonOption mod_python.util.max_text.
MAX_TEXT = 32 << 20
#: How many files a form may have, since each is an open one; PythonOption mod_python.util.max_files.
MAX_FILES = 256

#: Characters that a Location may hold as they are: all but the non-ASCII ones.
_ASCII = "".join(map(chr, range(128)))
#: Flag of a code object with a ``**kwargs`` parameter.
_VARKEYWORDS = 0x08

FileMaker = Callable[[str], IO[bytes]]
FieldMaker = Callable[[], IO[bytes]]


class Field:
    """One uploaded file (manual 4.6.3).

    ``file`` holds its bytes; it is closed when the field is no longer in use. ``filename`` is the
    name that the client gave, which must not be trusted as a path. ``type`` and ``type_options``
    come from its Content-Type, ``disposition`` and ``disposition_options`` from its
    Content-Disposition; ``headers`` is a table of its headers.
    """

    filename: str | None = None

    def __init__(
        self,
        name: str,
        file: IO[bytes] | None = None,
        ctype: str = "text/plain",
        type_options: Mapping[str, str] | None = None,
        disp: str | None = None,
        disp_options: Mapping[str, str] | None = None,
        headers: Table | None = None,
    ) -> None:
        self.name = name
        self.file = file
        self.type = ctype
        self.type_options = dict(type_options or {})
        self.disposition = disp
        self.disposition_options = dict(disp_options or {})
        self.headers = Table() if headers is None else headers
        if "filename" in self.disposition_options:
            self.filename = self.disposition_options["filename"]

    def __del__(self) -> None:
        # the manual's file_callback relies on it: its files are deleted when they are closed
        file = self.__dict__.get("file")
        if file is not None:
            file.close()

    @property
    def value(self) -> bytes:
        """All of the file, read into memory."""
        if self.file is None:
            return b""
        self.file.seek(0)
        data = self.file.read()
        self.file.seek(0)
        return data

    def __repr__(self) -> str:
        return f"Field({self.name!r}, {self.filename!r})"


class StringField(str):
    """One input of a form that is no file: a str with a field's attributes (manual 4.6.1)."""

    name = ""
    filename: None = None
    type = "text/plain"
    type_options: Mapping[str, str] = MappingProxyType({})
    disposition: str | None = None
    disposition_options: Mapping[str, str] = MappingProxyType({})

    def __new__(cls, value: str | bytes = "", name: str = "") -> StringField:
        field = str.__new__(cls, value if isinstance(value, str) else _text(value))
        if name:
            field.name = name
        return field

    @property
    def value(self) -> str:
        """The text, as a plain str."""
        return str.__str__(self)

    @cached_property
    def file(self) -> IO[Any]:
        """A file-like object of the text."""
        return StringIO(self.value)

    @cached_property
    def headers(self) -> Table:
        """The headers of a multipart field."""
        return Table()

    def __repr__(self) -> str:
        return f"Field({self.name!r}, {self.value!r})"


AnyField = Field | StringField


class FieldStorage:
    """The form that a request brings (manual 4.6.1): a mapping of names to fields, and ``list`` of all.

    The fields of the query come first, then those of a POST's body, which is read to its end.
    A subscript gives the field, or a list of fields where a name has several.

    :param keep_blank_values: keep urlencoded fields without a value, too.
    :param strict_parsing: not in use (manual).
    :param file_callback: ``file_callback(filename)`` gives the binary file that takes an uploaded one.
    :param field_callback: ``field_callback()`` gives the binary file that takes another multipart field.
    :raises SERVER_RETURN: 411 without a length, 501 for an unknown type of form, 400 for a broken
        one, 413 for one that is larger than allowed.
    """

    def __init__(
        self,
        req: Request,
        keep_blank_values: int = 0,
        strict_parsing: int = 0,
        file_callback: FileMaker | None = None,
        field_callback: FieldMaker | None = None,
    ) -> None:
        self.list: list[AnyField] = []
        self._index: dict[str, AnyField | list[AnyField]] = {}
        self._indexed = 0
        query = req.args
        if query:
            self._add_pairs(req, _bytes(query), bool(keep_blank_values))
        if req.method == "POST":
            self._read(req, bool(keep_blank_values), file_callback, field_callback)

    # ---- where the fields come from

    def _read(self, req: Request, blank: bool, files: FileMaker | None, fields: FieldMaker | None) -> None:
        headers = req.headers_in
        length = headers.get("Content-Length")
        if "Transfer-Encoding" not in headers and (length is None or not length.isdecimal()):
            raise SERVER_RETURN(constants.HTTP_LENGTH_REQUIRED)
        content_type = headers.get("Content-Type") or "application/x-www-form-urlencoded"
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type == "application/x-www-form-urlencoded":
            limit = _limit(req.get_options(), "max_text", MAX_TEXT)
            pieces, size = [], 0
            for piece in _body(req):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    _refuse(
                        req, constants.HTTP_REQUEST_ENTITY_TOO_LARGE, f"a form of more than {limit} bytes"
                    )
            self._add_pairs(req, b"".join(pieces), blank)
        elif media_type.startswith("multipart/"):
            from mod_python import _multipart

            options = req.get_options()
            self.list += _multipart.read_fields(
                req,
                content_type,
                _body(req),
                _multipart.Limits(
                    _limit(options, "max_fields", MAX_FIELDS),
                    _limit(options, "max_text", MAX_TEXT),
                    _limit(options, "max_files", MAX_FILES),
                ),
                files,
                fields,
            )
        else:
            raise SERVER_RETURN(constants.HTTP_NOT_IMPLEMENTED)

    def _add_pairs(self, req: Request, data: bytes, blank: bool) -> None:
        if len(data) > MAX_FIELDS or req.method == "POST":
            limit = _limit(req.get_options(), "max_fields", MAX_FIELDS)
            if data.count(b"&") + data.count(b";") >= limit:
                _refuse(req, constants.HTTP_REQUEST_ENTITY_TOO_LARGE, f"a form of more than {limit} fields")
        for name, value in _pairs(data, blank):
            field = str.__new__(StringField, _text(value))  # (its own __new__ looks at what is known here)
            if name:
                field.name = _text(name)
            self.list.append(field)

    def _fields(self) -> dict[str, AnyField | list[AnyField]]:
        """The fields by name; made anew when the list grew or shrank."""
        if self._indexed != len(self.list):
            index: dict[str, AnyField | list[AnyField]] = {}
            for field in self.list:
                present = index.setdefault(field.name, field)
                if isinstance(present, list):
                    present.append(field)
                elif present is not field:
                    index[field.name] = [present, field]
            self._index, self._indexed = index, len(self.list)
        return self._index

    # ---- the mapping

    def __getitem__(self, name: str) -> AnyField | list[AnyField]:
        found = self._fields()[name]
        return list(found) if isinstance(found, list) else found

    def get(self, name: str, default: Any = None) -> Any:
        """The field or fields of a name, or the default."""
        found = self._fields().get(name, default)
        return list(found) if isinstance(found, list) and found is not default else found

    def getfirst(self, name: str, default: Any = None) -> Any:
        """The first field of a name, or the default."""
        found = self._fields().get(name, default)
        return found[0] if isinstance(found, list) and found is not default else found

    def getlist(self, name: str) -> list[AnyField]:
        """All fields of a name; an empty list if there are none."""
        found = self._fields().get(name)
        if found is None:
            return []
        return list(found) if isinstance(found, list) else [found]

    def keys(self) -> list[str]:
        """Each name once, in the order of the form."""
        return list(self._fields())

    def items(self) -> list[tuple[str, AnyField]]:
        """(name, field) of every field, in the order of the form."""
        return [(field.name, field) for field in self.list]

    def has_key(self, name: str) -> bool:
        """Whether there is a field of that name."""
        return name in self

    def __contains__(self, name: object) -> bool:
        return name in self._fields()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        """The number of names."""
        return len(self._fields())

    def __setitem__(self, name: str, value: str | bytes) -> None:
        """Replace all fields of a name by one."""
        field = _made(name, value)
        self.list = [other for other in self.list if other.name != name]
        self.list.append(field)
        self._indexed = -1

    def __delitem__(self, name: str) -> None:
        """Remove all fields of a name. :raises KeyError: there are none."""
        self._fields()[name]
        self.list = [other for other in self.list if other.name != name]
        self._indexed = -1

    def add_field(self, name: str, value: str | bytes) -> None:
        """Add a field to those that the name has."""
        self.list.append(_made(name, value))

    def clear(self) -> None:
        """Remove all fields."""
        self.list = []
        self._indexed = -1

    def __repr__(self) -> str:
        return f"FieldStorage({self.items()!r})"


def _made(name: object, value: object) -> StringField:
    if not isinstance(name, str):
        raise TypeError(f"the name of a field must be a string, not {type(name).__name__}")
    if not isinstance(value, str | bytes):
        raise TypeError(f"the value of a field must be a string, not {type(value).__name__}")
    return StringField(value, name)


def _body(req: Request) -> Iterator[bytes]:
    """The request's body, piece by piece."""
    while piece := req.read(readBlockSize):
        yield piece


def _limit(options: Table, name: str, default: int) -> int:
    """A limit, by PythonOption where there is one."""
    value: str | None = options.get(f"mod_python.util.{name}")
    return int(value) if value is not None and value.isdecimal() else default


def _refuse(req: Request, status: int, reason: str) -> NoReturn:
    """Answer with a status, and tell the log why."""
    req.log_error(f"mod_python.util: refused {reason}", constants.APLOG_WARNING)
    raise SERVER_RETURN(status)


# ---- urlencoded data


def _text(data: bytes) -> str:
    """Bytes of a form as text: UTF-8, or else latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _bytes(text: str) -> bytes:
    """The bytes that a query was read from (as latin-1), or stands for (UTF-8)."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape")


def _pairs(data: bytes, blank: bool) -> Iterator[tuple[bytes, bytes]]:
    """Names and values of urlencoded data, decoded; ``&`` and ``;`` both separate."""
    for part in data.replace(b"+", b" ").replace(b";", b"&").split(b"&"):
        name, equals, value = part.partition(b"=")
        if value or (blank and (name or equals)):
            if b"%" in value:
                value = unquote_to_bytes(value)
            if b"%" in name:
                name = unquote_to_bytes(name)
            yield name, value


def parse_qsl(qs: Any, keep_blank_values: int = 0, strict_parsing: int = 0) -> list[Any]:
    """The (name, value) pairs of a query string (manual 4.6.4): str of str, bytes of bytes.

    :param strict_parsing: not in use (manual).
    """
    if isinstance(qs, bytes):
        return list(_pairs(qs, bool(keep_blank_values)))
    data = qs.encode("utf-8", "surrogateescape")
    return [(_text(name), _text(value)) for name, value in _pairs(data, bool(keep_blank_values))]


def parse_qs(qs: Any, keep_blank_values: int = 0, strict_parsing: int = 0) -> dict[Any, list[Any]]:
    """The values of a query string in lists by name (manual 4.6.4)."""
    found: dict[Any, list[Any]] = {}
    for name, value in parse_qsl(qs, keep_blank_values, strict_parsing):
        found.setdefault(name, []).append(value)
    return found


# ---- calling with a form's fields


def _code(target: Any) -> tuple[CodeType, int] | None:
    """The code that a call of the object runs, and how many of its parameters are bound already.

    None where it is not Python's: a builtin, a partial...
    """
    if type(target) is FunctionType:
        return target.__code__, 0
    if type(target) is MethodType:
        inner = _code(target.__func__)
        return None if inner is None else (inner[0], inner[1] + 1)
    owner, method = (target, "__init__") if isinstance(target, type) else (type(target), "__call__")
    entry = getattr(owner, method, None)
    return (entry.__code__, 1) if type(entry) is FunctionType else None


def _signature(target: Any) -> tuple[tuple[str, ...], bool]:
    """The same for what is not Python's: the names that fields may fill, and whether any name may."""
    import inspect

    try:
        parameters = inspect.signature(target).parameters.values()
    except ValueError:
        return (), False
    named = tuple(p.name for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return named, any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)


def apply_fs_data(target: Any, fs: FieldStorage, **args: Any) -> Any:
    """Call an object with those fields of a form that its parameters name (api 3.5 3.2).

    A repeated field gives a list, a file its `Field`, any other its text. ``args`` are offered by
    name in the same way, and no field of the form takes the place of one of them. Keyword-only
    parameters are not filled.

    :returns: what the call returns.
    """
    found = _code(target)
    bound: tuple[str, ...] = ()
    positional: tuple[str, ...] = ()
    if found is None:
        expected, any_name = _signature(target)
    else:
        code, count = found
        names = code.co_varnames
        bound, expected = names[:count], names[count : code.co_argcount]
        any_name = bool(code.co_flags & _VARKEYWORDS)
        positional = names[count : code.co_posonlyargcount]
    values: dict[str, Any] = {}
    if fs.list:
        repeated: set[str] = set()
        for field in fs.list:
            name = field.name
            if name not in args and (name in expected or (any_name and name not in bound)):
                value = field if isinstance(field, Field) else field.value
                if name not in values:
                    values[name] = value
                elif name in repeated:
                    values[name].append(value)
                else:
                    values[name] = [values[name], value]
                    repeated.add(name)
    values.update({name: value for name, value in args.items() if name in expected or any_name})
    if not positional:
        return target(**values)
    first = []
    for name in positional:
        if name not in values:
            break
        first.append(values.pop(name))
    return target(*first, **values)


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
        location = quote(location, safe=_ASCII)
    req.err_headers_out["Location"] = location
    req.status = constants.HTTP_MOVED_PERMANENTLY if permanent else constants.HTTP_MOVED_TEMPORARILY
    if text is None:
        text = f'<p>This page is now at <a href="{html.escape(location)}">{html.escape(location)}</a>.</p>\n'
    if not req._content_type_set:
        req.content_type = "text/html"
    req.write(text, 0)
    raise SERVER_RETURN(constants.DONE)
