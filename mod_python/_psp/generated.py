"""Python made from a page, and where in the page each piece of it comes from."""

from __future__ import annotations

from mod_python._psp.files import Mark
from mpserver.typing import NamedTuple

#: Lines of the n-th file of a page (0: the page, then what it includes) are told as n * SPAN + line,
#: for code objects know one file only.
SPAN = 1 << 20
#: Line numbers have 31 bits.
MOST_FILES = 2000


class SourcePlace(NamedTuple):
    """A place in a page: the number of the file, the line from 1 on, the column in bytes of UTF-8 from 0 on."""

    file: int
    line: int
    column: int


class Source(NamedTuple):
    """A file of a page (or a string) and its text."""

    name: str
    text: str

    def line(self, number: int) -> str:
        """A line by its number from 1 on, without its end; empty where there is none."""
        lines = self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return lines[number - 1] if 0 < number <= len(lines) else ""


class Spot(NamedTuple):
    """From this column of a generated line on, what is written comes from ``place``."""

    column: int
    place: SourcePlace
    exact: bool
    """Character by character; else all of it from this one place."""


def width(text: str) -> int:
    """The length in bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class Generated:
    """The Python of a page while it is made, and its map afterwards."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        #: The states of the included files.
        self.includes: dict[str, Mark | None] = {}
        #: What should be told of the page, though it can run.
        self.notices: list[SyntaxError] = []
        #: Starts of the generated ``req.write`` calls, as (line, column) of the generated text.
        self.writes: set[tuple[int, int]] = set()
        self._lines: list[str] = []
        self._spots: list[list[Spot]] = []
        self._column = 0

    # ---- while it is made

    def start_line(self, indent: str, place: SourcePlace) -> None:
        """Begin a line."""
        self._lines.append(indent)
        self._spots.append([Spot(0, place, False)])
        self._column = width(indent)

    def put(self, text: str, place: SourcePlace, exact: bool = False) -> None:
        """Append to the line that was begun; further lines begin where ``text`` has newlines."""
        first, *others = text.split("\n")
        self._spots[-1].append(Spot(self._column, place, exact))
        self._lines[-1] += first
        self._column += width(first)
        for number, line in enumerate(others, 1):
            here = SourcePlace(place.file, place.line + number, 0) if exact else place
            self._lines.append(line)
            self._spots.append([Spot(0, here, exact)])
            self._column = width(line)

    def mark_write(self) -> None:
        """What is put next is a generated call of ``req.write``."""
        self.writes.add((len(self._lines), self._column))

    # ---- afterwards

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(line + "\n" for line in self._lines)

    def line(self, number: int) -> str:
        """A generated line, from 1 on."""
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    def rows(self) -> list[tuple[str, SourcePlace]]:
        """The generated lines, each with the place that its code comes from."""
        return [(line, spots[-1].place) for line, spots in zip(self._lines, self._spots, strict=True)]

    def place(self, line: int, column: int) -> SourcePlace:
        """The page's place of a generated line and column (in bytes)."""
        if not self._spots:
            return SourcePlace(0, 1, 0)
        line = min(max(line, 1), len(self._spots))
        spots = self._spots[line - 1]
        found = spots[0]
        for spot in spots:
            if spot.column > column:
                break
            found = spot
        start = found.place
        return SourcePlace(start.file, start.line, start.column + column - found.column) if found.exact else start

    def error(self, message: str, place: SourcePlace) -> SyntaxError:
        """A SyntaxError that tells the page's file and line."""
        source = self.sources[place.file]
        text = source.line(place.line)
        before = text.encode("utf-8", "surrogatepass")[: place.column]
        column = len(before.decode("utf-8", "replace")) + 1
        return SyntaxError(message, (source.name, place.line, column, text + "\n"))
