"""The kinds of sections: how each is written, what may stand in it, and what it matches."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from mpserver.config.patterns import compile_glob, is_wild
from mpserver.config.regex import compile_regex
from mpserver.config.registry import Override
from mpserver.config.settings import Conf, Setting, append
from mpserver.typing import NamedTuple


class SectionKind(NamedTuple):
    """A kind of section: its name as httpd spells it, what it is matched with, and how."""

    name: str
    family: str  # "host", "directory", "files" or "location"
    regex: bool


#: The sections that stay in the tree, by lower-case name.
SECTIONS: Mapping[str, SectionKind] = {
    kind.name.lower(): kind
    for kind in (
        SectionKind("VirtualHost", "host", False),
        SectionKind("Directory", "directory", False),
        SectionKind("DirectoryMatch", "directory", True),
        SectionKind("Files", "files", False),
        SectionKind("FilesMatch", "files", True),
        SectionKind("Location", "location", False),
        SectionKind("LocationMatch", "location", True),
    )
}


class Entry:
    """One section: how it matches, and what it sets.

    ``pattern`` is the path (a directory ends with a slash), wildcard or regular expression.
    ``test`` is None for a plain path; ``regex`` is set for regular expressions. ``depth`` counts a
    directory's slashes. Files sections inside it are in ``conf`` under `FILES`.
    """

    __slots__ = ("conf", "depth", "kind", "pattern", "regex", "test")

    def __init__(self, kind: str, family: str, pattern: str, *, is_regex: bool) -> None:
        """Raises ConfigError if a regular expression can't be compiled."""
        self.kind = kind
        self.pattern = pattern
        self.conf = Conf()
        self.depth = pattern.count("/")
        self.regex: re.Pattern[str] | None = None
        self.test: Callable[[str], object] | None = None
        if not pattern and family == "location":
            self.test = _always
        elif is_regex:
            self.regex = compile_regex(pattern)
            self.test = self.regex.search
        elif is_wild(pattern):
            self.test = compile_glob(pattern, path=family != "files").fullmatch

    def __repr__(self) -> str:
        return f"<{self.kind} {self.pattern}>"


#: The Files sections that a scope brings; they are tested after all directories are merged.
FILES: Setting[tuple[Entry, ...]] = Setting("files", (), append)


class Allowed(NamedTuple):
    """What .htaccess files may hold: classes of directives, and single directives (lower-case)."""

    classes: Override = Override.NONE
    directives: frozenset[str] = frozenset()
    #: Of classes not allowed, these are skipped instead of failing the request.
    nonfatal: Override = Override.NONE
    #: Unknown directives are skipped, too.
    nonfatal_unknown: bool = False
    #: The words that Options may have, in lower case; None: any.
    options: frozenset[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.classes) or bool(self.directives)


#: AllowOverride: the classes, and what is not fatal. Kept apart from AllowOverrideList, which merges alone.
ALLOW_OVERRIDE: Setting[Allowed] = Setting("AllowOverride", Allowed())


ALLOW_OVERRIDE_LIST: Setting[frozenset[str]] = Setting("AllowOverrideList", frozenset())


def _always(_text: str) -> bool:
    """``<Location "">`` holds for every URI."""
    return True
