"""A form's fields (manual 4.6.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
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
