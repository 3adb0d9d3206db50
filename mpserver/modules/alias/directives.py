"""The directives of mod_alias."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, NOT_HTACCESS, SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import paths, values
from mpserver.modules.alias import (
    ALIAS_PRESERVE_PATH,
    ALIASES,
    LOCATION_ALIAS,
    Alias,
    LocationAlias,
    without_double_slashes,
)


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
        prefix = without_double_slashes(values.filled(call, prefix))
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
            target = paths.absolute(call.root, target)
        call.server[ALIASES] = (*call.server[ALIASES], Alias("", pattern, target, is_script))

    return apply


_HELP = "a path of the URI and one of the file system, or in a Location only the latter"
_HELP_MATCH = "a regular expression and a path of the file system"

DIRECTIVES: tuple[Directive, ...] = (
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
)
