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
    DIRECTORY_REDIRECTS,
    LOCATION_ALIAS,
    LOCATION_REDIRECT,
    REDIRECTS,
    Alias,
    LocationAlias,
    LocationRedirect,
    Redirect,
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
            call.conf[LOCATION_ALIAS] = LocationAlias(values.target(call, call.args[0]), is_script, location)
            return
        if len(call.args) != 2:
            raise ConfigError(f"{call.name} must have two arguments when used globally")
        prefix, target = call.args
        prefix = without_double_slashes(values.filled(call, prefix))
        earlier = call.server[ALIASES]
        if any(alias.match(prefix) is not None for alias in earlier):
            call.warn(f"The {call.name} of {prefix} will probably never match: an earlier Alias covers it")
        call.server[ALIASES] = (*earlier, Alias(prefix, None, values.target(call, target), is_script))

    return apply


def _alias_match(is_script: bool) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        pattern = values.regex(call, call.args[0])
        target = values.filled(call, call.args[1])
        if not target.startswith(("/", "$")):
            target = paths.absolute(call.root, target)
        call.server[ALIASES] = (*call.server[ALIASES], Alias("", pattern, target, is_script))

    return apply


#: The words for statuses.
_STATUSES = {"permanent": 301, "temp": 302, "seeother": 303, "gone": 410}


def _redirect(status: int | None, *, match: bool = False) -> Callable[[Call], None]:
    """The code of Redirect and its kin; ``status``: the one that the name of the directive says."""

    def apply(call: Call) -> None:
        words = list(call.args)
        code = status or 302
        location = call.section is not None and call.section.kind in ("Location", "LocationMatch") and not match
        if status is None:
            told = _status(words[0])
            if told is not None:
                code = told
                del words[0]
            elif len(words) == 3:
                raise ConfigError(f"{call.name}: invalid first argument (of three): write a status, as 301")
        moves = 300 <= code < 400
        if moves and len(words) == 1 and location:
            call.conf[LOCATION_REDIRECT] = LocationRedirect(code, values.expression(call, words[0]))
            return
        if not moves and not words and location:
            call.conf[LOCATION_REDIRECT] = LocationRedirect(code, values.expression(call, ""))
            return
        if not words:
            raise ConfigError(f"{call.name}: the path is missing: write it, or put the line into its <Location>")
        if moves and len(words) < 2:
            raise ConfigError(f"{call.name}: URL to redirect to is missing")
        if not moves and len(words) > 1:
            raise ConfigError(f"{call.name}: Redirect URL not valid for this status: leave it out")
        target = words[1] if moves else ""
        if moves and not match and not target.startswith("/") and "://" not in target.partition("/")[0] + "//":
            raise ConfigError(f"{call.name} to non-URL {target!r}: write http://host/path, or a path with its slash")
        pattern = values.regex(call, words[0]) if match else None
        found = Redirect("" if match else values.filled(call, words[0]), pattern, code, target)
        if call.section is None:
            call.server[REDIRECTS] = (*call.server[REDIRECTS], found)
        else:
            call.conf[DIRECTORY_REDIRECTS] = (*call.conf.values.get(DIRECTORY_REDIRECTS, ()), found)

    return apply


def _status(word: str) -> int | None:
    if word.isascii() and word.isdecimal() and len(word) == 3:
        return int(word)
    return _STATUSES.get(word.lower())


_HELP = "a path of the URI and one of the file system, or in a Location only the latter"
_HELP_REDIRECT = "optionally a status, then a path and where to"
_HELP_MATCH = "a regular expression and a path of the file system"

DIRECTIVES: tuple[Directive, ...] = (
    Directive("Alias", Args.TAKE12, NOT_HTACCESS, _alias(False), help=_HELP),
    Directive("ScriptAlias", Args.TAKE12, NOT_HTACCESS, _alias(True), help=_HELP),
    Directive("AliasMatch", Args.TAKE2, SERVER_VHOST, _alias_match(False), help=_HELP_MATCH),
    Directive("ScriptAliasMatch", Args.TAKE2, SERVER_VHOST, _alias_match(True), help=_HELP_MATCH),
    Directive("Redirect", Args.TAKE123, EVERYWHERE, _redirect(None), Override.FILEINFO, _HELP_REDIRECT),
    Directive("RedirectTemp", Args.TAKE2, EVERYWHERE, _redirect(302), Override.FILEINFO, _HELP_REDIRECT),
    Directive("RedirectPermanent", Args.TAKE2, EVERYWHERE, _redirect(301), Override.FILEINFO, _HELP_REDIRECT),
    Directive(
        "RedirectMatch",
        Args.TAKE23,
        EVERYWHERE,
        _redirect(None, match=True),
        Override.FILEINFO,
        "optionally a status, then a regular expression and where to",
    ),
    Directive(
        "AliasPreservePath",
        Args.FLAG,
        EVERYWHERE,
        values.directory(ALIAS_PRESERVE_PATH, values.flag),
        Override.FILEINFO,
    ),
)
