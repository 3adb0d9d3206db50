"""Reading multipart/form-data (RFC 7578) into fields: what `util.FieldStorage` needs of it.

The parsing is done by the ``multipart`` library; files go to temporary files as they come. What clients make
wrong is read as far as it goes: parts without a Content-Disposition or with another one, blanks behind a
boundary, a body without its end.
"""

from __future__ import annotations

import codecs
import encodings
import re
import tempfile
from collections.abc import Iterator
from encodings import aliases
from functools import lru_cache

import multipart  # type: ignore[import-untyped]  # it brings no types along

from mod_python._forms.fields import AnyField, Field, FieldMaker, FileMaker, StringField, decoded, refuse
from mpserver.api import constants
from mpserver.api.table import Table
from mpserver.typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: How long a part's header line and how many of them may be: RFC 7578 knows three of them.
HEADER_SIZE = 8190
HEADER_COUNT = 20


#: So many blanks behind a boundary are looked for at the end of a piece of the body.
PADDING = 64

#: An option of a Content-Disposition: its name, and its value in quotes or without.
_OPTION = re.compile(r""";\s*([^\s=;"]+)\s*=\s*(?:"((?:\\"(?!\s*(?:;|$))|[^"])*)"|([^;]*))""")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")

#: What Python's codecs make text of, beside charsets: names of hosts, whose decoding takes a time that grows with the
#: square of their length; literals of Python; nothing at all.
NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})

#: The longest name of a charset, in characters (RFC 2978 2.3).
LONGEST_CHARSET = 40
#: Those that Python has beside the ones of ``encodings.aliases``.
OTHER_CHARSETS = frozenset({
    "cp1006", "cp720", "cp737", "cp856", "cp874", "cp875", "koi8_t", "koi8_u", "mac_arabic", "mac_croatian",
    "mac_farsi", "mac_romanian", "palmos", "utf_8_sig",
})  # fmt: skip


class FormLimits(NamedTuple):
    """How many fields a form may have, how many bytes all but its files, and how many files."""

    fields: int
    text: int
    files: int


class Parser(multipart.PushMultipartParser):  # type: ignore[misc]  # it brings no types along
    """The library's parser, which takes any part."""

    def _create_segment(self, headerlist: list[tuple[str, str]]) -> multipart.MultipartSegment:
        """The library's hook for other forms than those of RFC 7578."""
        return multipart.MultipartSegment(headerlist)

    def missing_end(self, delimiter: bytes) -> bytes:
        """What makes a whole of a body that was cut, maybe behind a boundary; ``delimiter``: how these begin."""
        return {delimiter + b"\r": b"\n", delimiter + b"-": b"-\r\n"}.get(self._buffer, delimiter + b"--\r\n")

    def _on_segment_headerline(self, line: bytes) -> None:
        """Take a line of a part's head. Nobody goes by what it says of the part's length (RFC 7578 4.8)."""
        name, _colon, value = line.partition(b":")
        if name.lower() != b"content-length":
            super()._on_segment_headerline(line)
        elif len(self._segment_headerlist) >= HEADER_COUNT:
            raise multipart.ParserLimitReached("Maximum segment header count exceeded")
        else:
            self._segment_headerlist.append(("Content-Length", value.strip(b" \t").decode("latin-1")))


class Part:
    """One part while it comes in: its head, and where its body goes."""

    def __init__(self, segment: multipart.MultipartSegment, filename: str | None, file: IO[bytes] | None) -> None:
        """``filename``: None where it has none, empty where a browser's user chose no file."""
        self.segment = segment
        self.filename = filename
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
        kind = "text/plain" if segment.content_type is None else segment.content_type
        if "/" not in kind:
            kind = "application/octet-stream"  # (as mod_python has it)
        if self.filename is not None:
            options["filename"] = self.filename
        if self.filename:
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
    if charset is not None and len(charset) <= LONGEST_CHARSET and _is_charset(charset):
        try:
            return data.decode(charset)
        except (LookupError, UnicodeError):
            pass  # an unknown or wrong one
    return decoded(data)


@lru_cache(maxsize=256)
def _is_charset(name: str) -> bool:
    """Whether Python knows a client's word as one of a charset, and not of another coding of text."""
    plain = encodings.normalize_encoding(name).lower()
    known = aliases.aliases
    # (of what is none the library looks for a module, which takes long, and keeps for good that there is none)
    if not {plain, plain.replace(".", "_")} & (known.keys() | known.values() | OTHER_CHARSETS):
        return False
    try:
        return codecs.lookup(name).name not in NO_CHARSETS
    except (LookupError, ValueError):  # (ValueError: of what can't even be a name)
        return False


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
        return list(_parse(_unpadded(body, boundary.encode("latin-1")), boundary, limits, make_file, make_field))
    except multipart.ParserLimitReached as error:
        refuse(req, constants.HTTP_REQUEST_ENTITY_TOO_LARGE, f"a multipart form beyond the limits: {error}")
    except multipart.MultipartError as error:
        refuse(req, constants.HTTP_BAD_REQUEST, f"a broken multipart form: {error}")


def _unpadded(body: Iterator[bytes], boundary: bytes) -> Iterator[bytes]:
    """A body without the blanks that may stand behind a boundary (RFC 2046 5.1.1, transport padding)."""
    blanks = re.compile(rb"(\r\n--" + re.escape(boundary) + rb")[ \t]+(?=\r\n)")
    kept = b"\r\n"  # the first boundary is at the start of a line, too
    for piece in body:
        data = blanks.sub(rb"\1", kept + piece)
        # a boundary that has not come to its end begins here at the earliest
        start = data.rfind(b"\r\n--", max(0, len(data) - len(boundary) - PADDING))
        if start < 0:
            start = data.rfind(b"\r", max(0, len(data) - 3))
        if start < 0:
            start = len(data)
        kept = data[start:]
        if start:
            yield data[:start]
    if kept:
        yield kept


def _filename(segment: multipart.MultipartSegment) -> str | None:
    """A part's filename as the client sent it, but for control characters."""
    for header, value in segment.headerlist:
        if header == "Content-Disposition":
            for name, quoted, bare in _OPTION.findall(value):
                if name.lower() == "filename":
                    return _CONTROLS.sub("", _again(quoted or bare.strip()))
    return None


def _text_file(filename: str | None, make_file: FileMaker | None, make_field: FieldMaker | None) -> IO[bytes] | None:
    """The file of a part that is no uploaded one, where the application wants it in one."""
    if filename is not None:
        return None if make_file is None else make_file(filename)
    return None if make_field is None else make_field()


def _temporary(filename: str) -> IO[bytes]:
    return cast(IO[bytes], tempfile.TemporaryFile("w+b"))


def _parse(
    body: Iterator[bytes],
    boundary: str,
    limits: FormLimits,
    make_file: FileMaker | None,
    make_field: FieldMaker | None,
) -> Iterator[AnyField]:
    """The fields, one by one, while the body is read."""
    left = limits.text
    files = 0
    charset: str | None = None
    part: Part | None = None
    # Header names and values as latin-1, which never fails: they are decoded by the rule of forms.
    parser = Parser(
        boundary,
        max_header_size=HEADER_SIZE,
        max_header_count=HEADER_COUNT,
        max_segment_count=limits.fields,
        header_charset="latin-1",
    )
    try:
        for event in _events(parser, body, boundary.encode("latin-1")):
            if isinstance(event, multipart.MultipartSegment):
                filename = _filename(event)
                if filename:
                    files += 1
                    if files > limits.files:
                        raise multipart.ParserLimitReached(f"more than {limits.files} files")
                    part = Part(event, filename, (make_file or _temporary)(filename))
                else:
                    part = Part(event, filename, _text_file(filename, make_file, make_field))
                    left -= sum(len(name) + len(value) for name, value in event.headerlist)
            elif part is not None and event is not None:
                if not part.filename:
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


def _events(parser: Parser, body: Iterator[bytes], boundary: bytes) -> Iterator[Any]:
    """What the parser finds: a head of a part, pieces of its body, None at its end."""
    for piece in body:
        yield from parser.parse(piece)
    if parser.closed:
        return
    try:
        # the end that is missing where the body was cut: what came of the last part is its value
        yield from parser.parse(parser.missing_end(b"\r\n--" + boundary))
    except multipart.ParserLimitReached:
        raise
    except multipart.MultipartError:
        return  # it was cut in the head of a part, of which nothing is known
