"""Alias, ScriptAlias and their Match forms: parts of the URI space that lie elsewhere (httpd's mod_alias)."""

from __future__ import annotations

import re
from collections.abc import Callable

from mpserver import lazyre
from mpserver.config.registry import (
    EVERYWHERE,
    NOT_HTACCESS,
    SERVER_VHOST,
    Args,
    Call,
    Directive,
    Module,
    Override,
)
from mpserver.config.settings import Conf, Setting
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.typing import NamedTuple

#: $1 to $9, $0 and & in the target of a Match form; a backslash takes the next $ or & as it is.
REFERENCE = lazyre.compile(r"\\([$&])|\$(\d)|(&)")
SLASHES = lazyre.compile(r"/{2,}")


class Alias(NamedTuple):
    """One alias: a URI prefix or a pattern, and where it leads."""

    prefix: str
    pattern: re.Pattern[str] | None
    target: str
    #: ScriptAlias: what it leads to is run by the handler cgi-script.
    is_script: bool

    def match(self, path: str) -> str | None:
        """The file for a decoded URI path without double slashes, None if it lies elsewhere."""
        if self.pattern is not None:
            found = self.pattern.search(path)
            return None if found is None else _clean(_substitute(self.target, found))
        prefix = self.prefix
        if not path.startswith(prefix):
            return None
        rest = path[len(prefix) :]
        if rest and rest[0] != "/" and prefix[-1] != "/":
            return None
        return _clean(self.target + rest)


class LocationAlias(NamedTuple):
    """An Alias inside Location or LocationMatch: every path of it leads to the target, or to below it."""

    target: str
    is_script: bool
    location: str


def _inner_first(outer: tuple[Alias, ...], inner: tuple[Alias, ...]) -> tuple[Alias, ...]:
    """A virtual host's aliases are tried before those of the main server."""
    return inner + outer


ALIASES: Setting[tuple[Alias, ...]] = Setting("Alias", (), _inner_first)
#: Directory level: the Alias of the innermost Location.
LOCATION_ALIAS: Setting[LocationAlias | None] = Setting("Alias in Location", None)
#: Directory level: whether a Location's Alias keeps what follows the Location in the path.
ALIAS_PRESERVE_PATH = Setting("AliasPreservePath", False)


def translate(path: str, conf: Conf, location: Conf | None = None) -> tuple[str, bool] | None:
    """Where the aliases lead.

    :param path: the decoded path of the URI, double slashes merged.
    :param conf: the server's settings.
    :param location: the directory-level settings that Location sections gave, if they matter.
    :returns: the file's name and whether it is a script, or None where no alias says anything.
    """
    if location is not None:
        own = location[LOCATION_ALIAS]
        if own is not None:
            if location[ALIAS_PRESERVE_PATH]:
                return _clean(own.target + path[len(own.location.rstrip("/")) :]), own.is_script
            return own.target, own.is_script
    for alias in conf[ALIASES]:
        found = alias.match(path)
        if found is not None:
            return found, alias.is_script
    return None


def find(path: str, conf: Conf) -> Alias | None:
    """The server's alias that holds for a decoded path."""
    return next((alias for alias in conf[ALIASES] if alias.match(path) is not None), None)


def _clean(path: str) -> str:
    return SLASHES.sub("/", path) if "//" in path else path


def _substitute(target: str, found: re.Match[str]) -> str:
    """The target with its references replaced by what the pattern's groups matched."""

    def replace(reference: re.Match[str]) -> str:
        plain, number, whole = reference.groups()
        if plain:
            return str(plain)
        group = 0 if whole else int(number)
        return (found[group] or "") if group <= found.re.groups else ""

    return REFERENCE.sub(replace, target)


def _alias(is_script: bool) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        section = call.section
        if section is not None:
            if section.kind not in ("Location", "LocationMatch") or len(call.args) == 2:
                what = "directory context" if len(call.args) == 2 else f"<{section.kind}> section"
                raise ConfigError(f"{call.name} cannot occur within {what}")
            if "%{" in call.args[0]:
                raise ConfigError(
                    f"{call.name}: expressions like {call.args[0]} are not supported: use {call.name}Match "
                    "outside the section, with $1 for the first group"
                )
            location = section.path if section.kind == "Location" else ""
            call.conf[LOCATION_ALIAS] = LocationAlias(_target(call, call.args[0]), is_script, location)
            return
        if len(call.args) != 2:
            raise ConfigError(f"{call.name} must have two arguments when used globally")
        prefix, target = call.args
        prefix = _clean(values.filled(call, prefix))
        earlier = call.server[ALIASES]
        if any(alias.match(prefix) is not None for alias in earlier):
            call.warn(f"The {call.name} of {prefix} will probably never match: an earlier Alias covers it")
        call.server[ALIASES] = (*earlier, Alias(prefix, None, _target(call, target), is_script))

    return apply


def _target(call: Call, word: str) -> str:
    """The target, absolute; a trailing slash stays, for the rest of the path is put right behind it."""
    target = values.path(call, word)
    return target + "/" if word.endswith("/") and target != "/" else target


def _alias_match(is_script: bool) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        pattern = values.regex(call, call.args[0])
        target = values.filled(call, call.args[1])
        if not target.startswith(("/", "$")):
            target = values.absolute(call.root, target)
        call.server[ALIASES] = (*call.server[ALIASES], Alias("", pattern, target, is_script))

    return apply


_HELP = "a path of the URI and one of the file system, or in a Location only the latter"
_HELP_MATCH = "a regular expression and a path of the file system"

MODULE = Module(
    "mod_alias.c",
    "alias_module",
    (
        Directive("Alias", Args.TAKE12, NOT_HTACCESS, _alias(False), help=_HELP),
        Directive("ScriptAlias", Args.TAKE12, NOT_HTACCESS, _alias(True), help=_HELP),
        Directive("AliasMatch", Args.TAKE2, SERVER_VHOST, _alias_match(False), help=_HELP_MATCH),
        Directive("ScriptAliasMatch", Args.TAKE2, SERVER_VHOST, _alias_match(True), help=_HELP_MATCH),
        Directive(
            "AliasPreservePath",
            Args.FLAG,
            EVERYWHERE,
            values.directory(ALIAS_PRESERVE_PATH, values.flag),
            Override.FILEINFO,
        ),
    ),
)
