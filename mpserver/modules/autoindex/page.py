"""The page of a listing, as text. Its ids and classes are those that style sheets for httpd's listings know."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mpserver.http1.html import escape
from mpserver.http1.percent import encode_path
from mpserver.modules.autoindex import Shown, icons
from mpserver.modules.autoindex.entries import Entry
from mpserver.modules.autoindex.query import Query
from mpserver.modules.autoindex.style import STYLE
from mpserver.typing import NamedTuple

#: The columns: the key by which each sorts, its class, its heading, and the word of IndexOptions that hides it.
COLUMNS: tuple[tuple[str, str, str, Shown], ...] = (
    ("N", "indexcolname", "Name", Shown.NONE),
    ("M", "indexcollastmod", "Last modified", Shown.NO_TIME),
    ("S", "indexcolsize", "Size", Shown.NO_SIZE),
    ("D", "indexcoldesc", "Description", Shown.NO_DESCRIPTION),
)
_PIECE = re.compile(r"<[^>]*>|&[#A-Za-z0-9]+;|.", re.DOTALL)
_NO_CLASS = re.compile(r"[^A-Za-z0-9_-]+")


class Icon(NamedTuple):
    """What stands before a name: the URL of an icon, or (``url`` empty) a drawing; and its text."""

    url: str
    drawing: str
    alt: str


class Look(NamedTuple):
    """How a page is to be, by the configuration. Sizes in pixels, widths in characters; 0: as it comes."""

    shown: Shown
    charset: str
    name_width: int
    description_width: int
    icon_width: int
    icon_height: int
    style_sheet: str
    head_insert: str


def heading(path: str) -> str:
    """What the page is about; ``path``: the directory's, decoded."""
    return f"Index of {_printable(path.rstrip('/') or '/')}"


def preamble(path: str, look: Look) -> str:
    """From the doctype to the body's beginning."""
    style = f"<style>\n{STYLE}</style>\n"
    if look.style_sheet:
        style = f'<link rel="stylesheet" href="{escape(look.style_sheet)}" type="text/css" />\n'
    if look.shown & Shown.XHTML:
        start = (
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" '
            '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n<html xmlns="http://www.w3.org/1999/xhtml">\n'
        )
    else:
        start = "<!DOCTYPE html>\n<html>\n"
    return (
        f'{start}<head>\n<meta charset="{escape(look.charset)}" />\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1" />\n'
        f"<title>{escape(heading(path))}</title>\n{style}{look.head_insert}</head>\n<body>\n"
    )


def title(path: str) -> str:
    """The heading; each directory on the way is a link."""
    names = path.strip("/").split("/")
    linked, at = ['<a href="/">/</a>'] if path == "/" else [], "/"
    for number, name in enumerate(names if path != "/" else ()):
        at += name + "/"
        last = number == len(names) - 1
        shown = escape(_printable(name))
        linked.append("/" + (shown if last else f'<a href="{escape(encode_path(at))}">{shown}</a>'))
    return f'<h1 id="indextitle">Index of {"".join(linked)}</h1>\n'


def plain(entries: Iterable[Entry], parent: str | None) -> Iterator[str]:
    """A listing that is not fancy: names alone."""
    yield '<ul class="list">'
    if parent is not None:
        yield f'<li><a href="{escape(parent)}"> Parent Directory</a></li>\n'
    for entry in entries:
        yield f'<li><a href="{escape(entry.href)}"> {escape(_printable(entry.name))}</a></li>\n'
    yield "</ul>\n"


def table(
    entries: Sequence[Entry], parent: str | None, look: Look, query: Query, by_entry: Mapping[str, Icon], up: Icon
) -> Iterator[str]:
    """A fancy listing; ``by_entry``: the icons by the names of entries."""
    shown = look.shown
    columns = [column for column in COLUMNS if not shown & column[3]]
    span = len(columns) + (not shown & Shown.NO_ICON)
    if not shown & Shown.NO_ICON:
        used = {icon.drawing: None for icon in (up, *by_entry.values()) if not icon.url}
        yield icons.definitions(sorted(used))
    rule = "" if shown & Shown.NO_RULES else f'<tr class="indexbreakrow"><th colspan="{span}"><hr /></th></tr>\n'
    yield '<table id="indexlist">\n<tr class="indexhead">'
    if not shown & Shown.NO_ICON:
        yield '<th class="indexcolicon"></th>'
    for key, css, text, _ in columns:
        yield _column(key, css, text, query, sortable=not shown & Shown.NO_SORTING)
    yield f"</tr>\n{rule}"
    odd = False
    if parent is not None:
        yield _row(Entry("Parent Directory", parent, True, -1, 0.0, None, None, "", ""), up, columns, look, "even")
        odd = True
    for entry in entries:
        yield _row(entry, by_entry[entry.name], columns, look, "odd" if odd else "even")
        odd = not odd
    yield f"{rule}</table>\n"


def _column(key: str, css: str, text: str, query: Query, *, sortable: bool) -> str:
    current = key == query.key
    sort = f' aria-sort="{"ascending" if query.ascending else "descending"}"' if current else ""
    if sortable:
        # (the key that it is sorted by turns round; the others begin by rising)
        order = "D" if current and query.ascending else "A"
        text = f'<a href="?C={key};O={order}{escape(query.kept)}">{text}</a>'
    return f'<th class="{css}"{sort}>{text}</th>'


def _row(entry: Entry, icon: Icon, columns: Sequence[tuple[str, str, str, Shown]], look: Look, css: str) -> str:
    shown = look.shown
    if shown & Shown.ADD_ALT_CLASS:
        css += " " + (_NO_CLASS.sub("", icon.alt).lower() or "default")
    cells = []
    href = escape(entry.href)
    if not shown & Shown.NO_ICON:
        image = _image(icon, look)
        if image and shown & Shown.ICONS_ARE_LINKS:
            image = f'<a href="{href}">{image}</a>'
        cells.append(f'<td class="indexcolicon">{image}</td>')
    for key, column, _, _ in columns:
        if key == "N":
            name = _cut(_printable(entry.name), look.name_width)
            cells.append(f'<td class="{column}"><a href="{href}">{escape(name)}</a></td>')
        else:
            text = _fact(key, entry, look)
            cells.append(f'<td class="{column}{"" if text not in ("", "-") else " none"}">{text}</td>')
    return f'<tr class="{css}">{"".join(cells)}</tr>\n'


def _fact(key: str, entry: Entry, look: Look) -> str:
    """What a column tells of an entry, as HTML (descriptions are that already)."""
    if key == "S":
        return size(entry.size)
    if key == "M":
        layout = "%d-%b-%Y %H:%M" if look.shown & Shown.OLD_DATES else "%Y-%m-%d %H:%M"
        return time.strftime(layout, time.localtime(entry.modified)) if entry.modified else ""
    return _cut_html(entry.description, look.description_width)


def _image(icon: Icon, look: Look) -> str:
    if not icon.url:
        return icons.drawing(icon.drawing, escape(f"[{icon.alt}]"), look.icon_width, look.icon_height)
    sizes = "".join(
        f' {name}="{pixels}"' for name, pixels in (("width", look.icon_width), ("height", look.icon_height)) if pixels
    )
    return f'<img src="{escape(icon.url)}" alt="[{escape(icon.alt)}]"{sizes} />'


def _cut(text: str, width: int, mark: str = "..>") -> str:
    """A text that is no longer than so many characters; 0: any number."""
    return text if not width or len(text) <= width else text[: width - len(mark)] + mark


def _cut_html(text: str, width: int) -> str:
    """A description with so many characters to be seen: what is in tags does not count, and all tags stay."""
    if not width:
        return text
    kept, seen = [], 0
    for piece in _PIECE.findall(text):
        if piece.startswith("<") and len(piece) > 1:
            kept.append(piece)
        elif seen < width:
            kept.append(piece)
            seen += 1
    return "".join(kept)


def _printable(text: str) -> str:
    """A name, in which bytes that are no UTF-8 are shown as such."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def size(count: int) -> str:
    """A number of bytes in few characters: ``1.5K``; ``-`` for what has none."""
    if count < 0:
        return "-"
    if count < 973:
        return str(count)
    value = float(count)
    for unit in "KMGTPE":
        value /= 1024
        if value < 9.95:
            return f"{value:.1f}{unit}"
        if value < 972.5:
            break
    return f"{value:.0f}{unit}"
