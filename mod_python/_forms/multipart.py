"""Reading multipart/form-data (RFC 7578) into fields: what `util.FieldStorage` needs of it.

The parsing is done by the ``multipart`` library; files go to temporary files as they come.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator

import multipart  # type: ignore[import-untyped]  # it brings no types along

from mod_python._forms.fields import AnyField, Field, FieldMaker, FileMaker, StringField, decoded, refuse
from mpserver.api import constants
from mpserver.api.table import Table
from mpserver.typing import IO, TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: How long a part's header line and how many of them may be: RFC 7578 knows three of them.
HEADER_SIZE = 8190
HEADER_COUNT = 20


class FormLimits(NamedTuple):
    """How many fields a form may have, how many bytes all but its files, and how many files."""

    fields: int
    text: int
    files: int


class Part:
    """One part while it comes in: its head, and where its body goes."""

    def __init__(self, segment: multipart.MultipartSegment, file: IO[bytes] | None) -> None:
        self.segment = segment
        self.file = file
        self.pieces: list[bytes] = []

    def field(self, charset: str | None) -> AnyField:
        """The finished field; ``charset`` is the form's own default (RFC 7578 4.6)."""
        segment = self.segment
        name = _again(segment.name or "")
        headers = Table.from_pairs((header, _again(value)) for header, value in segment.headerlist)
        type_options = _options(headers.get("Content-Type"))
        options = _options(headers.get("Content-Disposition"))
        options["name"] = name
        kind = segment.content_type or "text/plain"
        if segment.filename is not None:
            options["filename"] = _again(segment.filename)
            file = cast(IO[bytes], self.file)
            file.seek(0)
            return Field(name, file, kind, type_options, segment.disposition, options, headers)
        data = b"".join(self.pieces)
        if self.file is not None:
            self.file.seek(0)
            data = self.file.read()
        field = StringField(_in_charset(data, segment.charset or charset), name)
        field.type, field.type_options, field.headers = kind, type_options, headers
        field.disposition, field.disposition_options = segment.disposition, options
        if self.file is not None:
            self.file.seek(0)
            field.file = self.file
        return field


def _again(text: str) -> str:
    """Text that was read as latin-1, as what it is meant to be."""
    return decoded(text.encode("latin-1"))


def _in_charset(data: bytes, charset: str | None) -> str:
    """A field's bytes in the charset that it claims, if that can be; by the usual rule else."""
    if charset is not None:
        try:
            return data.decode(charset)
        except (LookupError, UnicodeDecodeError):
            pass  # an unknown or wrong one
    return decoded(data)


def _options(header: str | None) -> dict[str, str]:
    if header is None:
        return {}
    options: dict[str, str] = multipart.parse_options_header(header)[1]
    return options


def read_fields(
    req: Request,
    content_type: str,
    body: Iterator[bytes],
    limits: FormLimits,
    make_file: FileMaker | None,
    make_field: FieldMaker | None,
) -> list[AnyField]:
    """All fields of a multipart body, in their order.

    :raises SERVER_RETURN: 400 for a body that is no such form, 413 for one beyond the limits.
    """
    boundary = _options(content_type).get("boundary")
    if not boundary:
        refuse(req, constants.HTTP_BAD_REQUEST, "a multipart form without a boundary")
    try:
        return list(_parse(body, boundary, limits, make_file or _temporary, make_field))
    except multipart.ParserLimitReached as error:
        refuse(req, constants.HTTP_REQUEST_ENTITY_TOO_LARGE, f"a multipart form beyond the limits: {error}")
    except multipart.MultipartError as error:
        refuse(req, constants.HTTP_BAD_REQUEST, f"a broken multipart form: {error}")


def _temporary(filename: str) -> IO[bytes]:
    return cast(IO[bytes], tempfile.TemporaryFile("w+b"))


def _parse(
    body: Iterator[bytes],
    boundary: str,
    limits: FormLimits,
    make_file: FileMaker,
    make_field: Callable[[], IO[bytes]] | None,
) -> Iterator[AnyField]:
    """The fields, one by one, while the body is read."""
    left = limits.text
    files = 0
    charset: str | None = None
    part: Part | None = None
    # Header names and values as latin-1, which never fails: they are decoded by the rule of forms.
    parser = multipart.PushMultipartParser(
        boundary,
        max_header_size=HEADER_SIZE,
        max_header_count=HEADER_COUNT,
        max_segment_count=limits.fields,
        header_charset="latin-1",
    )
    try:
        with parser:
            for piece in body:
                for event in parser.parse(piece):
                    if isinstance(event, multipart.MultipartSegment):
                        if event.filename is not None:
                            files += 1
                            if files > limits.files:
                                raise multipart.ParserLimitReached(f"more than {limits.files} files")
                            part = Part(event, make_file(_again(event.filename)))
                        else:
                            part = Part(event, make_field() if make_field is not None else None)
                            left -= sum(len(name) + len(value) for name, value in event.headerlist)
                    elif part is not None and event is not None:
                        if part.segment.filename is None:
                            left -= len(event)
                        if part.file is not None:
                            part.file.write(event)
                        else:
                            part.pieces.append(event)
                    elif part is not None:
                        field = part.field(charset)
                        if field.name == "_charset_" and isinstance(field, StringField):
                            charset = field.value
                        yield field
                        part = None
                    if left < 0:
                        raise multipart.ParserLimitReached(f"more than {limits.text} bytes of text")
    finally:
        if part is not None and part.file is not None:
            part.file.close()
