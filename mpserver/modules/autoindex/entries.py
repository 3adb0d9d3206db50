"""What a listing shows: the files and directories that the client may have, in their order."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterable, Sequence
from stat import S_ISDIR, S_ISREG

from mpserver.api import constants
from mpserver.http1.html import escape
from mpserver.http1.percent import encode_path
from mpserver.modules.autoindex import Description, Shown
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.modules.autoindex.query import Query

#: So much of a page is searched for its title, in bytes.
TITLE_WITHIN = 8192
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_BLANKS = re.compile(r"\s+")
_NUMBER = re.compile(r"\d+", re.ASCII)

#: Gets a file's path and its name.
Describe = Callable[[str, str], str]


class Entry(NamedTuple):
    """A line of a listing. ``name`` of a directory ends with a slash; ``size`` is -1 where there is none to tell."""

    name: str
    href: str
    is_directory: bool
    size: int
    modified: float
    media: str | None
    encoding: str | None
    description: str
    #: Its file, for rules about paths.
    path: str


def found(
    req: Request, shown: Shown, query: Query, ignored: Sequence[str], descriptions: Sequence[Description]
) -> list[Entry]:
    """Those of a request's directory, in no order. :raises OSError: it can't be read."""
    directory: str = req.mp_filename or ""
    ignores = [matcher(os.path.basename(pattern)) for pattern in ignored]
    wanted = None if query.pattern is None else matcher(query.pattern, brackets=True)
    describe = describer(descriptions) if query.fancy else None
    entries = []
    for name in os.listdir(directory):
        if wanted is not None and not wanted(name):
            continue
        if any(ignores_it(name) for ignores_it in ignores):
            continue
        entry = _entry(req, os.path.join(directory, name), name, shown, describe)
        if entry is not None:
            entries.append(entry)
    return entries


def _entry(req: Request, path: str, name: str, shown: Shown, describe: Describe | None) -> Entry | None:
    """One of them; None where the client may not have it, or it is neither a file nor a directory."""
    href = encode_path(name)
    looked = req.mp_plan.subrequests.look_at(req, encode_path(req.mp_uri) + href)
    if looked.status >= 400 and not (
        shown & Shown.SHOW_FORBIDDEN and looked.status in (constants.HTTP_FORBIDDEN, constants.HTTP_UNAUTHORIZED)
    ):
        return None
    stat = looked.stat
    if stat is None:
        try:
            stat = os.stat(path)
        except OSError:
            return None
    is_directory = S_ISDIR(stat.st_mode)
    if not is_directory and not S_ISREG(stat.st_mode):
        return None
    slash = "/" if is_directory else ""
    if ":" in href:
        href = f"./{href}"  # (else what is before it would be a scheme)
    described = ""
    if describe is not None:
        described = describe(path, name)
        if not described and shown & Shown.SCAN_TITLES and not is_directory and not looked.encoding:
            described = _title(path, looked.media)
    return Entry(
        name + slash, href + slash, is_directory, -1 if is_directory else stat.st_size, stat.st_mtime,
        looked.media, looked.encoding, described, path,
    )  # fmt: skip


def matcher(pattern: str, *, brackets: bool = False) -> Callable[[str], object]:
    """A test of names by a pattern with ``*`` and ``?``, which match anything; ``brackets``: and with ``[...]``.

    Making one takes far longer than asking it: a listing makes each once.
    """
    # (what the library makes of it never goes back: a client's pattern can't take long)
    return re.compile(fnmatch.translate(pattern if brackets else pattern.replace("[", "[[]"))).match


def describer(descriptions: Iterable[Description]) -> Describe:
    """What gives the first description that is meant for a file; "": none is."""
    tests = [(one, matcher(one.pattern, brackets=True) if one.wild else None) for one in descriptions]

    def describe(path: str, name: str) -> str:
        for one, matches in tests:
            subject = path if one.whole else name
            if one.pattern in subject if matches is None else matches(subject):
                return one.text
        return ""

    return describe


def _title(path: str, media: str | None) -> str:
    """The title of a page, as HTML; "" without one."""
    if (media or "").partition(";")[0] not in ("text/html", "application/xhtml+xml"):
        return ""
    try:
        with open(path, "rb") as file:
            found = _TITLE.search(file.read(TITLE_WITHIN))
    except OSError:
        return ""
    if found is None:
        return ""
    from html import unescape  # (few listings show titles)

    return escape(unescape(_BLANKS.sub(" ", found[1].decode("utf-8", "replace")).strip()))


def in_order(entries: Iterable[Entry], shown: Shown, query: Query) -> list[Entry]:
    """Sorted by the key that was asked for, then by name; what is not shown is no key."""
    name_key = _name_key(shown, version_sort=query.version_sort)
    keys: dict[str, Callable[[Entry], Any]] = {
        "N": lambda entry: 0,
        "M": lambda entry: entry.modified,
        "S": lambda entry: entry.size,
        "D": lambda entry: entry.description,
    }
    key = keys[query.key if query.fancy else "N"]
    ordered = sorted(entries, key=lambda entry: (key(entry), name_key(entry.name)), reverse=not query.ascending)
    if shown & Shown.FOLDERS_FIRST and query.fancy:
        ordered.sort(key=lambda entry: not entry.is_directory)
    return ordered


def _name_key(shown: Shown, *, version_sort: bool) -> Callable[[str], Any]:
    ignores_case = bool(shown & Shown.IGNORE_CASE)

    def key(name: str) -> Any:
        folded = name.lower() if ignores_case else name
        return (_by_version(folded) if version_sort else folded, name)

    return key


def _by_version(name: str) -> list[tuple[str, int, str]]:
    """A key by which numbers in names count as numbers, and stand among the other characters where digits do."""
    key: list[tuple[str, int, str]] = []
    at = 0
    for number in _NUMBER.finditer(name):
        key += [(char, 0, "") for char in name[at : number.start()]]
        digits = number[0].lstrip("0")
        key.append(("0", len(digits), digits))
        at = number.end()
    return key + [(char, 0, "") for char in name[at:]]
