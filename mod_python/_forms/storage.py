"""The fields of a request: its query and its body (manual 4.6.1)."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from mod_python._forms.fields import FieldList, StringField, decoded, indexed, refuse
from mod_python._public import current_value
from mpserver.api import constants
from mpserver.api.constants import SERVER_RETURN
from mpserver.api.sent_text import query_bytes
from mpserver.api.table import Table
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mod_python._forms.fields import AnyField, FieldMaker, FileMaker
    from mpserver.api.request import Request


#: The module that has these constants for applications, which may set them there.
PUBLIC = "mod_python.util"


#: How much of a body is read at once, in bytes.
readBlockSize = 65368


#: How many fields a form may have; PythonOption mod_python.util.max_fields says otherwise.
MAX_FIELDS = 10_000


#: How many bytes of a form are kept in memory (all but its files); PythonOption mod_python.util.max_text.
MAX_TEXT = 32 << 20


#: How many files a form may have, since each is an open one; PythonOption mod_python.util.max_files.
MAX_FILES = 256


class FieldStorage:
    """The form that a request brings (manual 4.6.1): a mapping of names to fields, and ``list`` of all.

    The fields of the query come first, then those of a POST's body, which is read to its end.
    A subscript gives the field, or a list of fields where a name has several.

    :param keep_blank_values: keep urlencoded fields without a value, too.
    :param strict_parsing: not in use (manual).
    :param file_callback: ``file_callback(filename)`` gives the binary file that takes an uploaded one.
    :param field_callback: ``field_callback()`` gives the binary file that takes another multipart field.
        What can't be called is as good as none.
    :raises SERVER_RETURN: 411 without a length, 501 for an unknown type of form, 400 for a broken
        one, 413 for one that is larger than allowed.
    """

    __module__ = "mod_python.util"  # (where applications find it: its name in pickles and messages)

    def __init__(
        self,
        req: Request,
        keep_blank_values: int = 0,
        strict_parsing: int = 0,
        file_callback: FileMaker | None = None,
        field_callback: FieldMaker | None = None,
    ) -> None:
        self.list: list[AnyField] = FieldList()
        query = query_bytes(req)
        posted = req.method == "POST"
        if query:
            self._add_pairs(req, query, bool(keep_blank_values), posted)
        if posted:
            self._read(req, bool(keep_blank_values), file_callback, field_callback)

    # ---- where the fields come from

    def _read(self, req: Request, blank: bool, files: FileMaker | None, fields: FieldMaker | None) -> None:
        headers = req.headers_in
        length = headers.get("Content-Length")
        if (length is None or not length.isdecimal()) and "Transfer-Encoding" not in headers:
            raise SERVER_RETURN(constants.HTTP_LENGTH_REQUIRED)
        content_type = headers.get("Content-Type") or "application/x-www-form-urlencoded"
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type == "application/x-www-form-urlencoded":
            limit = _limit(req.get_options(), "max_text", current_value(PUBLIC, "MAX_TEXT", MAX_TEXT))
            pieces, size = [], 0
            for piece in _body(req):
                pieces.append(piece)
                size += len(piece)
                if size > limit:
                    refuse(req, constants.HTTP_REQUEST_ENTITY_TOO_LARGE, f"a form of more than {limit} bytes")
            self._add_pairs(req, b"".join(pieces), blank, True)
        elif media_type.startswith("multipart/"):
            from mod_python._forms import multipart

            options = req.get_options()
            self.list += multipart.read_fields(
                req,
                content_type,
                _body(req),
                multipart.FormLimits(
                    _limit(options, "max_fields", current_value(PUBLIC, "MAX_FIELDS", MAX_FIELDS)),
                    _limit(options, "max_text", current_value(PUBLIC, "MAX_TEXT", MAX_TEXT)),
                    _limit(options, "max_files", current_value(PUBLIC, "MAX_FILES", MAX_FILES)),
                ),
                files if callable(files) else None,
                fields if callable(fields) else None,
            )
        else:
            raise SERVER_RETURN(constants.HTTP_NOT_IMPLEMENTED)

    def _add_pairs(self, req: Request, data: bytes, blank: bool, posted: bool) -> None:
        most = current_value(PUBLIC, "MAX_FIELDS", MAX_FIELDS)
        if posted or len(data) > most:
            limit = _limit(req.get_options(), "max_fields", most)
            if data.count(b"&") + data.count(b";") >= limit:
                refuse(req, constants.HTTP_REQUEST_ENTITY_TOO_LARGE, f"a form of more than {limit} fields")
        fields = []
        for name, value in urlencoded(data, blank):
            field = str.__new__(StringField, decoded(value))  # (its own __new__ looks at what is known here)
            if name:
                field.name = decoded(name)
            fields.append(field)
        list.extend(self.list, fields)  # (nobody has asked for one by its name yet)

    def _fields(self) -> dict[str, AnyField | list[AnyField]]:
        """The fields by name."""
        fields = self.list
        return fields.by_name() if isinstance(fields, FieldList) else indexed(fields)  # (the application's own)

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
        self.list[:] = [*(other for other in self.list if other.name != name), field]

    def __delitem__(self, name: str) -> None:
        """Remove all fields of a name. :raises KeyError: there are none."""
        self._fields()[name]
        self.list[:] = [other for other in self.list if other.name != name]

    def add_field(self, name: str, value: str | bytes) -> None:
        """Add a field to those that the name has."""
        self.list.append(_made(name, value))

    def clear(self) -> None:
        """Remove all fields."""
        self.list = FieldList()

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
    size = current_value(PUBLIC, "readBlockSize", readBlockSize)
    while piece := req.read(size):
        yield piece


def _limit(options: Table, name: str, default: int) -> int:
    """A limit, by PythonOption where there is one."""
    value: str | None = options.get(f"mod_python.util.{name}")
    return int(value) if value is not None and value.isdecimal() else default


def urlencoded(data: bytes, blank: bool) -> Iterator[tuple[bytes, bytes]]:
    """Names and values of urlencoded data, decoded; ``&`` and ``;`` both separate."""
    for part in data.replace(b"+", b" ").replace(b";", b"&").split(b"&"):
        name, equals, value = part.partition(b"=")
        if value or (blank and (name or equals)):
            if b"%" in value:
                value = unquote_to_bytes(value)
            if b"%" in name:
                name = unquote_to_bytes(name)
            yield name, value
