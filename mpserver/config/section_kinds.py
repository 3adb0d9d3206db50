"""The kinds of sections: how each is written, what may stand in it, and what it matches."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.config.entries import EVERYTHING, NAME_GLOB, PATH_GLOB, PLAIN, REGEX, Entry
from mpserver.config.patterns import is_wild
from mpserver.config.regex import guard_of, read_regex
from mpserver.typing import NamedTuple


class SectionKind(NamedTuple):
    """A kind of section: its name as httpd spells it, what it is matched with, and how."""

    name: str
    family: str  # "host", "directory", "files", "location", "proxy" or "branch"
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
        SectionKind("Proxy", "proxy", False),
        SectionKind("ProxyMatch", "proxy", True),
        SectionKind("If", "branch", False),
        SectionKind("ElseIf", "branch", False),
        SectionKind("Else", "branch", False),
    )
}


def make_entry(kind: str, family: str, pattern: str, *, is_regex: bool) -> Entry:
    """A section's entry, empty yet. :raises ConfigError: its regular expression can't be compiled."""
    meant, longest = PLAIN, 0
    if not pattern and family == "location":
        meant = EVERYTHING
    elif is_regex:
        meant = REGEX
        longest = guard_of(read_regex(pattern))
    elif is_wild(pattern):
        meant = PATH_GLOB if family in ("directory", "location") else NAME_GLOB
    entry = Entry(kind, pattern, meant, longest=longest)
    entry.compile()
    return entry
