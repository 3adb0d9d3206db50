"""Pages to Python (manual 4.9).

    text <% code %> <%= expression %> <%@ include file="name" %> <%-- comment --%>

Each piece gets lines of its own. Text and expressions become calls of ``req.write`` that stand as
deep as the last line of code says, and one deeper after a colon.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from mod_python._psp.files import mark, read
from mod_python._psp.generated import MOST_FILES, Generated, Source, SourcePlace, width
from mpserver.typing import NamedTuple

INCLUDE = re.compile(r"""\binclude\b(?:\s+file\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>\S+)))?""")
#: The start of a line of code without its comment.
UNCOMMENTED = re.compile(r"""(?:[^#'"\\]|\\.|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|['"])*""", re.DOTALL)
#: Characters that a literal in triple quotes can't have as they are. A carriage return would be
#: taken for the end of a line, and a surrogate can't be encoded.
ESCAPED = re.compile('[\\\\"\r\0\ud800-\udfff]')
ESCAPES = {"\\": "\\\\", '"': '\\"', "\r": "\\r", "\0": "\\x00"}
NEWLINE = re.compile(r"\r\n?|\n")


def parse(name: str, text: str, directory: str | None) -> Generated:
    """The Python of a page.

    :param name: the page's file, or what stands for it in messages.
    :param directory: where relative names of included files begin.
    :raises SyntaxError: with the page's file and line.
    """
    parser = Parser(directory)
    parser.page(name, text)
    return parser.end()


class Piece(NamedTuple):
    """A run of text in the page."""

    text: str
    place: SourcePlace


class Cursor:
    """Goes through a file's text and knows the line and column."""

    def __init__(self, file: int, text: str) -> None:
        self.text = text
        self.at = 0
        self._file = file
        self._line, self._column = 1, 0

    def place(self) -> SourcePlace:
        """Where it is."""
        return SourcePlace(self._file, self._line, self._column)

    def to(self, end: int) -> Piece:
        """Go on to ``end``, and give what is between."""
        place = self.place()
        passed = self.text[self.at : end]
        start = -1
        for match in NEWLINE.finditer(self.text, self.at, end):
            self._line += 1
            start = match.end()
        # (from here on, not from the start of the line: a page may be one long line)
        self._column = self._column + width(passed) if start < 0 else width(self.text[start:end])
        self.at = end
        return Piece(passed, place)


class Parser:
    """The state that a page and what it includes share: the text that waits, and how deep code stands."""

    def __init__(self, directory: str | None) -> None:
        self.out = Generated()
        self._directory = directory
        self._text: list[Piece] = []
        self._indent = ""
        #: Indentations of the blocks that are open.
        self._levels = [""]
        #: Whether a block was opened that has no statement yet.
        self._hollow = False
        self._last = SourcePlace(0, 1, 0)
        self._open: list[str] = []
        self._tags: tuple[tuple[str, str, Callable[[Piece], None]], ...] = (
            ("<%--", "--%>", self._comment),
            ("<%@", "%>", self._directive),
            ("<%=", "%>", self._expression),
            ("<%", "%>", self._code),
        )

    def page(self, name: str, text: str) -> None:
        """Parse a file's text."""
        number = len(self.out.sources)
        self.out.sources.append(Source(name, text))
        self._open.append(name)
        cursor = Cursor(number, text)
        while True:
            start = text.find("<%", cursor.at)
            self._text.append(cursor.to(len(text) if start < 0 else start))
            if start < 0:
                break
            place = cursor.place()
            opening, closing, action = next(tag for tag in self._tags if text.startswith(tag[0], start))
            cursor.to(start + len(opening))
            end = text.find(closing, cursor.at)
            if end < 0 and opening == "<%" and len(self._open) == 1:
                self._code(cursor.to(len(text)))  # to the end of the page, where its end was left out
                break
            if end < 0:
                raise self.out.error(f"'{opening}' was never closed, '{closing}' is missing", place)
            inner = cursor.to(end)
            cursor.to(end + len(closing))
            action(inner)
        self._last = cursor.place()
        self._open.pop()

    def end(self) -> Generated:
        """The page is complete."""
        self._write_text(self._last)
        return self.out

    # ---- text

    def _write_text(self, place: SourcePlace) -> None:
        """Write the text that waits."""
        pieces = [piece for piece in self._text if piece.text]
        self._text.clear()
        if not pieces:
            if self._hollow:
                self.out.start_line(self._indent, place)
                self.out.put("pass", place)
                self._hollow = False
            return
        place = pieces[0].place
        text = ESCAPED.sub(_escape, "".join(piece.text for piece in pieces))
        self.out.start_line(self._indent, place)
        self.out.mark_write()
        self.out.put(f'req.write("""{text}""",0)', place)
        self._hollow = False

    # ---- tags

    def _comment(self, inner: Piece) -> None:
        """A comment is no part of the page."""

    def _expression(self, inner: Piece) -> None:
        if any(piece.text for piece in self._text):
            self._write_text(inner.place)
        self._text.clear()
        code = NEWLINE.sub("\n", inner.text)
        out = self.out
        out.start_line(self._indent, inner.place)
        out.mark_write()
        out.put("req.write(str(", inner.place)
        out.put(code, inner.place, exact=True)
        # a comment must not hide the parentheses
        out.put("\n),0)" if "#" in code.rpartition("\n")[2] else "),0)", inner.place)
        self._hollow = False

    def _directive(self, inner: Piece) -> None:
        found = INCLUDE.search(inner.text)
        if found is None:
            return  # for other servers of pages
        if found["bare"]:
            message = f'{found["bare"]} is not included: write <%@ include file="{found["bare"]}" %>'
            self.out.notices.append(self.out.error(message, inner.place))
            return
        name = found["double"] or found["single"]
        if not name:
            raise self.out.error('include needs a file: <%@ include file="name" %>', inner.place)
        if not os.path.isabs(name):
            if self._directory is None:
                message = f"can't include '{name}': without a directory its path must be absolute"
                raise self.out.error(message, inner.place)
            name = os.path.join(self._directory, name)
        if name in self._open:
            raise self.out.error(f"'{name}' includes itself", inner.place)
        if len(self.out.sources) >= MOST_FILES:
            raise self.out.error(f"more than {MOST_FILES} files are included", inner.place)
        state = mark(name)  # before it is read: a change in between is seen by the next request
        try:
            text = read(name)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise self.out.error(f"can't include '{name}': {reason}", inner.place) from None
        self.out.includes[name] = state
        self.page(name, text)

    def _code(self, inner: Piece) -> None:
        self._write_text(inner.place)
        code = NEWLINE.sub("\n", inner.text)
        lines = code.split("\n")
        first, others = lines[0], lines[1:]
        out = self.out
        stripped = first.strip()
        if stripped:
            start = width(first[: len(first) - len(first.lstrip())])
            place = inner.place
            out.start_line(self._indent, place)
            out.put(stripped, SourcePlace(place.file, place.line, place.column + start), exact=True)
            self._level(self._indent, stripped)
        last = others.pop() if others and not others[-1].strip() else None  # what stands before %>
        for number, line in enumerate(others, 1):
            place = SourcePlace(inner.place.file, inner.place.line + number, 0)
            out.start_line("", place)
            out.put(line, place, exact=True)
            self._level(_margin(line), line)
        opens = _opens(code)
        if len(lines) > 1:
            self._indent = self._depth(others, last, opens)
        if opens:
            self._indent += "\t"
        self._level(self._indent, ".")
        statements = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if statements:
            self._hollow = _opens(statements[-1])

    # ---- how deep code stands

    def _depth(self, others: list[str], last: str | None, opens: bool) -> str:
        """The indentation that a block of several lines leaves: that of its last line, be it a comment or blank."""
        if last:
            # Blanks before %> count twice in mod_python; pages that stand right because of it stay so.
            twice = last * 2
            if twice in self._levels:
                return twice
            inner = self._levels[-1] + " "
            return twice if opens and not _holds(inner, last + "\t") and _holds(inner, twice + "\t") else last
        return _margin(others[-1]) if others else ""

    def _level(self, indent: str, line: str) -> None:
        """A line of code stands so deep."""
        if not line.strip() or line.lstrip().startswith("#"):
            return
        while len(self._levels) > 1 and not _holds(self._levels[-1], indent):
            self._levels.pop()
        if indent != self._levels[-1]:
            self._levels.append(indent)


def _holds(level: str, indent: str) -> bool:
    """Whether a line so deep is in the block of this level, or in one within.

    Python measures with tabs of eight columns and of one, and wants both to say the same.
    """
    return len(indent.expandtabs()) >= len(level.expandtabs()) and len(indent) >= len(level)


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t\f"))]


def _opens(code: str) -> bool:
    """Whether the last line of code ends with a colon; comments behind it don't count."""
    stripped = code.rstrip()
    line = stripped.rpartition("\n")[2]
    match = UNCOMMENTED.match(line)
    return match is not None and match[0].rstrip().endswith(":")


def _escape(match: re.Match[str]) -> str:
    found = match[0]
    return ESCAPES.get(found) or f"\\u{ord(found):04x}"
