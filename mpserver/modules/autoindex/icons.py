"""The listing's own icons, for where the configuration names none, or one that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_SHEET = '<path d="M6 2.75h8l4.5 4.5v14H6z"/><path d="M14 2.75v4.5h4.5"/>'

#: By their names, the insides of drawings of 24 by 24 units.
DRAWINGS: Mapping[str, str] = {
    "parent": '<path d="M9 6 4.5 10.5 9 15"/><path d="M4.5 10.5H15a4.5 4.5 0 0 1 0 9h-3"/>',
    "folder": '<path d="M3 6.5V18a1.5 1.5 0 0 0 1.5 1.5h15A1.5 1.5 0 0 0 21 18V8.5H12L10 5H4.5A1.5 1.5 0 0 0 3 6.5z"/>',
    "file": _SHEET,
    "text": _SHEET + '<path d="M9 12h6.5M9 15h6.5M9 18h4"/>',
    "code": _SHEET + '<path d="m10.5 12-2 2.5 2 2.5M14 12l2 2.5-2 2.5"/>',
    "packed": _SHEET + '<path d="M10 4.5h2M10 7.5h2M10 10.5h2M10 13.5h2v3.5h-2z"/>',
    "image": '<path d="M3.5 4.5h17v15h-17z"/><path d="m3.5 16.5 5-5 4 4 3-3 5 5"/><path d="M15.5 8.5h.5"/>',
    "sound": '<path d="M9 17.5V5.5l10-2v12"/><path d="M9 17.5a2.5 2 0 1 1-5 0 2.5 2 0 0 1 5 0zM19 15.5a2.5 2 0 1 1-5 0'
    ' 2.5 2 0 0 1 5 0z"/>',
    "film": '<path d="M3.5 5h17v14h-17z"/><path d="m10 9 5 3-5 3z"/>',
}

_MAJOR = {"image": "image", "audio": "sound", "video": "film", "text": "text"}
_CODE = ("html", "css", "javascript", "json", "xml", "python", "x-c", "x-sh", "x-diff", "sql", "wasm")
_PACKED = (
    "zip",
    "gzip",
    "x-tar",
    "bzip",
    "x-7z",
    "rar",
    "x-xz",
    "zstd",
    "x-rpm",
    "debian",
    "java-archive",
    "x-compress",
)


def kind(media: str | None, encoding: str | None) -> str:
    """The name of the icon for files of a media type and a content coding."""
    media = (media or "").partition(";")[0].strip().lower()
    if encoding:
        return "packed"
    major, _, minor = media.partition("/")
    if major != "image" and any(word in minor for word in _CODE):
        return "code"
    if any(word in minor for word in _PACKED):
        return "packed"
    return _MAJOR.get(major, "file")


def definitions(names: Iterable[str]) -> str:
    """What the drawings of a page refer to: each is in it once."""
    symbols = "".join(f'<symbol id="icon-{name}" viewBox="0 0 24 24">{DRAWINGS[name]}</symbol>' for name in names)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="0" height="0" style="position:absolute" fill="none" '
        'stroke="currentColor" stroke-width="1.5" stroke-linejoin="round" stroke-linecap="round" aria-hidden="true">'
        f"{symbols}</svg>\n"
        if symbols
        else ""
    )


def drawing(name: str, label: str, width: int, height: int) -> str:
    """A drawing where it is shown; its size in pixels, 0 for the usual one."""
    return (
        f'<svg class="icon {name}" width="{width or 20}" height="{height or 20}" role="img" aria-label="{label}" '
        'fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round" stroke-linecap="round">'
        f'<use href="#icon-{name}"></use></svg>'
    )
