"""Sections and their merging: which of them hold for a request, in httpd 2.4's order.

The order (httpd manual, "Configuration Sections: How the sections are merged"): Directory without
patterns and with wildcards from short to long, each with the .htaccess of its directory, then
DirectoryMatch and ``Directory ~``, then Files and FilesMatch, then Location and LocationMatch; within a
group as written, a virtual host's after the main server's.

Merging is by steps that are remembered: the same sections give the same `Conf` object, so callers
can keep what they made of it by its identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mpserver import lazyre
from mpserver.config.entries import FILES
from mpserver.config.override import ALLOW_OVERRIDE, ALLOW_OVERRIDE_LIST
from mpserver.config.settings import Conf
from mpserver.enumeration import Enum
from mpserver.remembered import Remembered
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.config.entries import Entry
    from mpserver.config.override import Allowed
    from mpserver.config.starts import ByStart, Placed

MANY_SLASHES = lazyre.compile("/{2,}")

#: How many steps are remembered before all are forgotten (`.htaccess` files change).
REMEMBERED = 8192
#: What results may take, in bytes, and what one takes beside its texts (clients choose the URIs).
ROOM, EACH = 4 << 20, 384


class Last(Enum):
    """What the Directory sections make of the last name of a path, as httpd's directory walk does.

    In all cases Files sections see the name.
    """

    #: A file that is there: one more directory, by its name alone.
    FILE = "file"
    #: Nothing is there of that name: only DirectoryMatch sees it.
    MISSING = "missing"
    #: A directory, named without its slash: its own sections hold, and DirectoryMatch sees no slash.
    DIRECTORY = "directory"
    #: A file that a request looks for beside its own (an index, a part of a page): the sections of the directory are
    #: those of that request already, and are not asked again.
    BESIDE = "beside"


class HtaccessLookup(Protocol):
    """Gives what the .htaccess file of a directory (with a trailing slash) sets, None if there is none."""

    def __call__(self, directory: str, allowed: Allowed, names: tuple[str, ...], /) -> Conf | None:
        """Look: ``allowed`` and ``names`` are what AllowOverride and AllowOverrideList leave to it."""


class Sectioned(Protocol):
    """A server, as far as merging takes one."""

    sections: Sections


class Sections:
    """The sections of one server (main's before a virtual host's), and the merging of what matches.

    ``base`` is the directory level outside of sections, ``names`` are those of AccessFileName.
    """

    __slots__ = (
        "base", "directories", "directory_matches", "files", "locations", "names", "overrides",
        "_by_path", "_by_prefix", "_directory_regexes", "_known", "_location_globs", "_location_regexes", "_parents",
        "_steps", "_wild_by_depth",
    )  # fmt: skip

    def __init__(
        self,
        base: Conf,
        directories: Iterable[Entry] = (),
        locations: Iterable[Entry] = (),
        names: tuple[str, ...] = (".htaccess",),
    ) -> None:
        given = tuple(directories)
        self.base = base
        self.names = names
        self.directories = tuple(sorted((e for e in given if not e.is_regex), key=lambda e: e.depth))
        # (httpd sorts these, too, by the slashes in their patterns)
        self.directory_matches = tuple(sorted((e for e in given if e.is_regex), key=lambda e: e.depth))
        self.files = base[FILES]
        self.locations = tuple(locations)
        #: Whether any .htaccess may be read at all.
        self.overrides = any(
            bool(conf[ALLOW_OVERRIDE]) or bool(conf[ALLOW_OVERRIDE_LIST])
            for conf in (base, *(entry.conf for entry in given))
        )
        self._by_path: dict[str, list[tuple[int, Entry]]] = {}
        self._wild_by_depth: dict[int, list[tuple[int, Entry]]] = {}
        for order, entry in enumerate(self.directories):
            if entry.is_plain:
                self._by_path.setdefault(entry.pattern, []).append((order, entry))
            else:
                self._wild_by_depth.setdefault(entry.depth, []).append((order, entry))
        #: The directories of what plain sections are for, which may be files.
        self._parents = frozenset(path[: path.rstrip("/").rfind("/") + 1] for path in self._by_path)
        self._by_prefix: dict[str, list[tuple[int, Entry]]] = {}
        regexes: list[Placed] = []
        globs: list[Placed] = []
        for order, entry in enumerate(self.locations):
            if entry.is_plain:
                self._by_prefix.setdefault(entry.pattern, []).append((order, entry))
            else:
                (regexes if entry.is_regex else globs).append((order, entry))
        self._location_regexes, self._location_globs = _by_start(regexes), _by_start(globs)
        self._directory_regexes = _by_start(list(enumerate(self.directory_matches)))
        self._known: Remembered[tuple[str, str, str, Last], Conf] = Remembered(ROOM, EACH)
        self._steps: dict[tuple[Conf, Conf], Conf] = {}

    # What matches, in the order of merging.

    def for_directory(self, directory: str) -> tuple[Entry, ...]:
        """The Directory sections (no regular expressions) of exactly this directory ("/", "/a/", ...)."""
        found = self._by_path.get(directory)
        wild = self._wild_by_depth.get(directory.count("/")) if self._wild_by_depth else None
        if wild:
            matching = [pair for pair in wild if pair[1].test is not None and pair[1].test(directory)]
            if matching:
                found = sorted(matching + (found or []), key=_order)
        return tuple(entry for _, entry in found) if found else ()

    def for_directory_regexes(self, filename: str) -> tuple[Entry, ...]:
        """The DirectoryMatch sections of a file; of a directory, if the name ends with a slash.

        As in httpd the whole name is searched, the file's own included.
        """
        if self._directory_regexes is None:
            return ()
        return tuple(entry for _, entry in sorted(self._directory_regexes.matching(filename), key=_order))

    def sees_files(self, directory: str) -> bool:
        """Whether Directory sections may hold for single files of a directory."""
        return bool(self.directory_matches or self._wild_by_depth) or directory in self._parents

    def for_directories(self, chain: Sequence[str], basename: str = "") -> tuple[Entry, ...]:
        """All directory sections of a chain like ("/", "/a/", "/a/b/"), regular expressions last.

        Of a file of that name in the last directory, if one is given: httpd's directory walk takes the
        file itself for one more directory.
        """
        if basename:
            chain = (*chain, f"{chain[-1]}{basename}/")
        plain = tuple(entry for directory in chain for entry in self.for_directory(directory))
        return plain + (self.for_directory_regexes(chain[-1][:-1] if basename else chain[-1]) if chain else ())

    def for_location(self, uri: str) -> tuple[Entry, ...]:
        """The Location sections of a decoded URI path.

        A plain one matches whole segments. Where double slashes stay in paths (MergeSlashes), only regular expressions
        see them.
        """
        if not self.locations:
            return ()
        as_it_is = uri
        if "//" in uri:
            uri = MANY_SLASHES.sub("/", uri)
        found: list[tuple[int, Entry]] = []
        prefixes = self._by_prefix
        if prefixes:
            found += prefixes.get(uri, ())
            at = uri.find("/")
            while at >= 0:
                if at and at < len(uri):
                    found += prefixes.get(uri[:at], ())
                if at + 1 < len(uri):
                    found += prefixes.get(uri[: at + 1], ())
                at = uri.find("/", at + 1)
        if self._location_regexes is not None:
            found += self._location_regexes.matching(as_it_is)
        if self._location_globs is not None:
            found += self._location_globs.matching(uri)
        if len(found) > 1:
            found.sort(key=_order)
        return tuple(entry for _, entry in found)

    # Merging.

    def merged(
        self, uri: str, chain: Sequence[str], htaccess: HtaccessLookup | None, basename: str, last: Last = Last.FILE
    ) -> Conf:
        """What holds for a request (see `merge`)."""
        if self.overrides and htaccess is not None:
            return self._merge(uri, chain, htaccess, basename, last)
        key = (uri, chain[-1] if chain else "", basename, last)
        known = self._known.get(key)
        if known is None:
            known = self._merge(uri, chain, None, basename, last)
            self._known.keep(key, known, len(uri) + len(key[1]) + len(basename))
        return known

    def _merge(
        self, uri: str, chain: Sequence[str], htaccess: HtaccessLookup | None, basename: str, last: Last
    ) -> Conf:
        conf = self.base
        step = self.step
        for directory in chain:
            for entry in self.for_directory(directory):
                conf = step(conf, entry.conf)
            if htaccess is not None:
                allowed = allowed_by(conf)
                if allowed:
                    inner = htaccess(directory, allowed, self.names)
                    if inner is not None:
                        conf = step(conf, inner)
        if chain:
            filename = chain[-1]
            if last is Last.DIRECTORY:
                filename = filename[:-1] or "/"
            elif last is not Last.BESIDE:
                filename += basename
            if basename and last is Last.FILE:
                for entry in self.for_directory(filename + "/"):
                    conf = step(conf, entry.conf)
            for entry in self.for_directory_regexes(filename):
                conf = step(conf, entry.conf)
        if basename:
            for entry in for_files(conf[FILES], basename):
                conf = step(conf, entry.conf)
        for entry in self.for_location(uri):
            conf = step(conf, entry.conf)
        return conf

    def step(self, outer: Conf, inner: Conf) -> Conf:
        """A scope with an inner one merged over it; the same two give the same object."""
        key = (outer, inner)
        known = self._steps.get(key)
        if known is None:
            if len(self._steps) >= REMEMBERED:
                self._steps.clear()
                self._known.clear()
            known = self._steps[key] = outer.merged(inner)
        return known


def allowed_by(conf: Conf) -> Allowed:
    """What .htaccess files below a merged configuration may hold."""
    allowed = conf[ALLOW_OVERRIDE]
    listed = conf[ALLOW_OVERRIDE_LIST]
    return allowed._replace(directives=listed) if listed else allowed


def for_files(files: tuple[Entry, ...], basename: str) -> tuple[Entry, ...]:
    """Of Files sections, those of a file's name."""
    return tuple(
        entry for entry in files if (entry.pattern == basename if entry.test is None else entry.test(basename))
    )


def merge(
    server: Sectioned, uri: str, directory_chain: Sequence[str], htaccess: HtaccessLookup | None, basename: str,
    last: Last = Last.FILE,
) -> Conf:  # fmt: skip
    """The directory-level configuration of a request.

    ``uri``: the decoded path. ``directory_chain``: from "/" down to the file's directory, each with a
    trailing slash; empty if no file is meant. ``htaccess``: usually an `HtaccessCache`; it is asked only
    where AllowOverride lets something in. ``basename``: the file's name, "" for none; ``last``: its kind.
    The same sections give the same object. Raises ConfigError for a faulty .htaccess file.
    """
    return server.sections.merged(uri, directory_chain, htaccess, basename, last)


def captures(server: Sectioned, conf: Conf, uri: str, directory: str, basename: str) -> dict[str, str]:
    """The named groups of the regular expressions that matched, as httpd's ``MATCH_NAME`` variables.

    ``conf`` is what `merge` gave for the same request.
    """
    sections = server.sections
    found = _named(sections.directory_matches, directory + basename)
    found.update(_named(conf[FILES], basename))
    found.update(captures_of_location(server, uri))
    return found


def captures_of_location(server: Sectioned, uri: str) -> dict[str, str]:
    """Those of LocationMatch alone, which are known before there is a file."""
    return _named(server.sections.locations, uri)


def _named(entries: tuple[Entry, ...], text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        if entry.may_name and entry.regex is not None and entry.regex.groupindex:
            match = entry.regex.search(text)
            if match is not None:
                for name, value in match.groupdict().items():
                    if value is not None:
                        found["MATCH_" + name.upper()] = value
    return found


def _by_start(tested: list[Placed]) -> ByStart | None:
    """Those of sections whose patterns have to be tested; None: there are none."""
    if not tested:
        return None
    from mpserver.config.starts import ByStart  # (few configurations have any)

    return ByStart(tested)


def _order(pair: tuple[int, Entry]) -> int:
    return pair[0]
