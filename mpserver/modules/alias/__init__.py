"""Alias, ScriptAlias, Redirect and their Match forms: parts of the URI space that lie elsewhere (httpd's mod_alias)."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.config.references import in_target
from mpserver.config.settings import Conf, Setting, prepend
from mpserver.modules import paths
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re

    from mpserver.config.expression import Expression

SLASHES = lazyre.compile(r"/{2,}")


class Alias(NamedTuple):
    """One alias: a URI prefix or a pattern, and where it leads."""

    prefix: str
    pattern: re.Pattern[str] | None
    target: str
    #: ScriptAlias: what it leads to is run by the handler cgi-script.
    is_script: bool

    def match(self, path: str) -> str | None:
        """The file for a decoded URI path, None if it lies elsewhere; for a prefix, many slashes are one."""
        if self.pattern is not None:
            found = self.pattern.search(path)
            return None if found is None else without_double_slashes(in_target(self.target, found))
        rest = paths.after(self.prefix, without_double_slashes(path))
        return None if rest is None else without_double_slashes(self.target + rest)


class Redirect(NamedTuple):
    """One redirect: a URI prefix or a pattern, the status, and where it leads (for 3xx)."""

    prefix: str
    pattern: re.Pattern[str] | None
    status: int
    target: str

    def target_of(self, path: str) -> str | None:
        """Where a decoded path leads, None if it is not meant; the rest of a prefix is left to the caller."""
        if self.pattern is not None:
            found = self.pattern.search(path)
            return None if found is None else in_target(self.target, found)
        return None if paths.after(self.prefix, path) is None else self.target


class LocationRedirect(NamedTuple):
    """A Redirect inside Location or LocationMatch without a path of its own: all of it leads to the target."""

    status: int
    target: Expression


class LocationAlias(NamedTuple):
    """An Alias inside Location or LocationMatch: every path of it leads to the target, or to below it."""

    target: str
    is_script: bool
    location: str


#: Those of a virtual host are tried before those of the main server, as its aliases are.
REDIRECTS: Setting[tuple[Redirect, ...]] = Setting("Redirect", (), prepend)
#: Directory level: those of Directory sections, and the one of the innermost Location.
DIRECTORY_REDIRECTS: Setting[tuple[Redirect, ...]] = Setting("Redirect in Directory", (), prepend)
LOCATION_REDIRECT: Setting[LocationRedirect | None] = Setting("Redirect in Location", None)
ALIASES: Setting[tuple[Alias, ...]] = Setting("Alias", (), prepend)
#: Directory level: the Alias of the innermost Location.
LOCATION_ALIAS: Setting[LocationAlias | None] = Setting("Alias in Location", None)
#: Directory level: whether a Location's Alias keeps what follows the Location in the path.
ALIAS_PRESERVE_PATH = Setting("AliasPreservePath", False)


def translate(path: str, conf: Conf, location: Conf | None = None) -> tuple[str, bool] | None:
    """Where the aliases lead.

    :param path: the decoded path of the URI.
    :param conf: the server's settings.
    :param location: the directory-level settings that Location sections gave, if they matter.
    :returns: the file's name and whether it is a script, or None where no alias says anything.
    """
    if location is not None:
        own = location[LOCATION_ALIAS]
        if own is not None:
            if location[ALIAS_PRESERVE_PATH]:
                rest = without_double_slashes(path)[len(own.location.rstrip("/")) :]
                return without_double_slashes(own.target + rest), own.is_script
            return own.target, own.is_script
    for alias in conf[ALIASES]:
        found = alias.match(path)
        if found is not None:
            return found, alias.is_script
    return None


def find(path: str, conf: Conf) -> Alias | None:
    """The server's alias that holds for a decoded path."""
    return next((alias for alias in conf[ALIASES] if alias.match(path) is not None), None)


def without_double_slashes(path: str) -> str:
    """Return a path whose runs of slashes are one slash each."""
    return SLASHES.sub("/", path) if "//" in path else path
