"""The scopes of a server: its own level and each section, with what holds in it as requests will have it.

A section has the settings of all that enclose it: Directory sections of folders above, Location sections of paths
above; and a folder that a path of URIs leads to (DocumentRoot, Alias) has those of the Locations as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mpserver.config.branches import BRANCHES
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.modules import alias, core, python
from mpserver.modules.paths import chain
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.entries import Entry
    from mpserver.config.sections import Sections

#: The module whose settings make applications.
APPLICATIONS = python.__name__


def scopes(server: Server) -> Iterator[Conf]:
    """The server level, and each section over it with what encloses it; and the If sections in each of these."""
    yield server.base
    yield from _branches(server.base, server.base)
    sections, mixed = server.sections, is_mixed(server)
    for entries, around in (
        (sections.directories, _around_directory),
        (sections.directory_matches, _around_pattern),
        (sections.locations, _around_location),
    ):
        for entry in entries:
            conf = around(server, entry, mixed) if entry.is_plain else _around_pattern(server, entry, mixed)
            yield conf
            yield from _branches(conf, entry.conf)


def _branches(around: Conf, conf: Conf) -> Iterator[Conf]:
    """The If sections of a section, over what holds around them."""
    for branch in conf[BRANCHES]:
        merged = around.merged(branch.conf)
        yield merged
        yield from _branches(merged, branch.conf)


def _around_pattern(server: Server, entry: Entry, _mixed: bool) -> Conf:
    return server.base.merged(entry.conf)


def _around_directory(server: Server, entry: Entry, mixed: bool) -> Conf:
    sections = server.sections
    uri = _path_of(server, entry.pattern) if mixed else None
    folders = chain(entry.pattern)
    if uri is None:
        return _over(server.base, sections.for_directories(folders))
    return sections.merged(uri, folders, None, "")


def _around_location(server: Server, entry: Entry, mixed: bool) -> Conf:
    sections = server.sections
    conf = _over(server.base, sections.for_location(entry.pattern))
    folder = _folder_of(server, conf, entry.pattern) if mixed and not _has_own_handlers(conf) else None
    return conf if folder is None else sections.merged(entry.pattern, chain(folder), None, "")


class Scopes:
    """The scopes of servers one after the other: many virtual hosts have the same sections."""

    def __init__(self) -> None:
        self._sections: Sections | None = None
        self._found: tuple[Conf, ...] = ()

    def of(self, server: Server) -> tuple[Conf, ...]:
        """Those of a server."""
        if server.sections is not self._sections:
            # (where its documents are, too, may matter: then each host is by itself)
            self._sections, self._found = None if is_mixed(server) else server.sections, tuple(scopes(server))
        return self._found


def is_mixed(server: Server) -> bool:
    """Whether Directory and Location sections both say something of applications."""
    sections = server.sections
    return _say_something(sections.directories) and _say_something(sections.locations)


def _say_something(entries: Iterable[Entry]) -> bool:
    """Whether sections say anything of applications."""
    return any(
        setting is BRANCHES or setting.module.startswith(APPLICATIONS)
        for entry in entries
        for setting in entry.conf.values
    )


def _over(conf: Conf, entries: Iterable[Entry]) -> Conf:
    for entry in entries:
        conf = conf.merged(entry.conf)
    return conf


def _has_own_handlers(conf: Conf) -> bool:
    """Whether Python handlers stand in a Location: no folder matters for its requests (api 3.5 1.5)."""
    return any(spec.is_location for specs in conf[python.HANDLERS].values() for spec in specs)


def _folder_of(server: Server, conf: Conf, path: str) -> str | None:
    """The folder that a path of URIs leads to, with a trailing slash."""
    found = alias.translate(path, server.conf, conf)
    folder = core.document_root(server.conf) + path if found is None else found[0]
    return alias.without_double_slashes(folder + "/")


def _path_of(server: Server, folder: str) -> str | None:
    """A path of URIs that leads to a folder; None if no plain one does."""
    targets = [(known.target, known.prefix) for known in server.conf[alias.ALIASES] if known.pattern is None]
    for target, prefix in (*targets, (core.document_root(server.conf), "/")):
        root = target.rstrip("/") + "/"
        if folder.startswith(root):
            return alias.without_double_slashes(f"{prefix}/{folder[len(root) :]}")
    return None
