"""A form's fields (manual 4.6.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, wraps
from io import StringIO
from types import MappingProxyType

from mpserver.api import constants
from mpserver.api.constants import SERVER_RETURN
from mpserver.api.table import Table
from mpserver.typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from mpserver.api.request import Request


FileMaker = Callable[[str], IO[bytes]]


FieldMaker = Callable[[], IO[bytes]]


class Field:
    """One uploaded file (manual 4.6.3).

    ``file`` holds its bytes; it is closed when the field is no longer in use. ``filename`` is the
    name that the client gave, which must not be trusted as a path. ``type`` and ``type_options``
    come from its Content-Type, ``disposition`` and ``disposition_options`` from its
    Content-Disposition; ``headers`` is a table of its headers.
    """

    __module__ = "mod_python.util"  # (where applications find it: its name in pickles and messages)

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

    __module__ = "mod_python.util"  # (where applications find it: its name in pickles and messages)

    name = ""
    filename: None = None
    type = "text/plain"
    type_options: Mapping[str, str] = MappingProxyType({})
    disposition: str | None = None
    disposition_options: Mapping[str, str] = MappingProxyType({})

    def __new__(cls, value: str | bytes = "", name: str = "") -> StringField:
        field = str.__new__(cls, value if isinstance(value, str) else decoded(value))
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


class FieldList(list[AnyField]):
    """All fields of a form in their order; it finds them by name, also after an application changed it in place."""

    _by_name: dict[str, AnyField | list[AnyField]] | None = None

    def by_name(self) -> dict[str, AnyField | list[AnyField]]:
        """The field of each name, or a list where there are several. It is to be left as it is."""
        found = self._by_name
        if found is None:
            found = self._by_name = indexed(self)
        return found

    def table(self) -> dict[str, list[AnyField]]:
        """The fields of each name in lists, as the published mod_python has it."""
        return {name: list(each) if isinstance(each, list) else [each] for name, each in self.by_name().items()}


def indexed(fields: Iterable[AnyField]) -> dict[str, AnyField | list[AnyField]]:
    """The field of each name, or a list where there are several."""
    index: dict[str, AnyField | list[AnyField]] = {}
    for field in fields:
        present = index.setdefault(field.name, field)
        if present is not field:
            if isinstance(present, list):
                present.append(field)
            else:
                index[field.name] = [present, field]
    return index


def _forgetting(change: Callable[..., Any]) -> Callable[..., Any]:
    """A method of lists that changes one, after which it is indexed anew."""

    @wraps(change)
    def changed(self: FieldList, *args: Any, **named: Any) -> Any:
        self._by_name = None
        return change(self, *args, **named)

    return changed


for _name in (
    "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort", "__delitem__", "__iadd__", "__imul__",
    "__setitem__",
):  # fmt: skip
    setattr(FieldList, _name, _forgetting(getattr(list, _name)))


def refuse(req: Request, status: int, reason: str) -> NoReturn:
    """Answer with a status, and tell the log why."""
    req.log_error(f"mod_python.util: refused {reason}", constants.APLOG_WARNING)
    raise SERVER_RETURN(status)


def decoded(data: bytes) -> str:
    """Bytes of a form as text: UTF-8, or else latin-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
