"""AllowOverride, AllowOverrideList and AccessFileName: the directives (httpd's core)."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.config.override import ACCESS_FILE_NAME, ALLOW_OVERRIDE, ALLOW_OVERRIDE_LIST, Allowed, Override
from mpserver.config.registry import (
    SERVER_VHOST,
    Args,
    Call,
    Directive,
    Where,
)
from mpserver.errors import ConfigError

_CLASSES: Mapping[str, Override] = {
    "all": Override.ALL,
    "none": Override.NONE,
    "limit": Override.LIMIT,
    "fileinfo": Override.FILEINFO,
    "authconfig": Override.AUTHCONFIG,
    "indexes": Override.INDEXES,
    "options": Override.OPTIONS,
}


#: What Options takes, for ``Options=``.
OPTION_WORDS = frozenset(
    ("all", "none", "indexes", "includes", "includesnoexec", "followsymlinks", "symlinksifownermatch", "execcgi",
     "multiviews")
)  # fmt: skip


#: What ``Nonfatal=`` takes: the classes, and whether unknown directives are skipped.
_NONFATAL: Mapping[str, tuple[Override, bool]] = {
    "override": (Override.ALL, False),
    "unknown": (Override.NONE, True),
    "all": (Override.ALL, True),
}


def _allow_override(call: Call) -> None:
    """``AllowOverride All|None|class...``, also ``Options=...`` and ``Nonfatal=...``."""
    section = call.section
    if section is None:
        raise ConfigError("AllowOverride not allowed here")
    if not section.kind.startswith("Directory"):
        call.warn(f"AH00114: Useless use of {call.name}")
    allowed = Allowed()
    for word in call.args:
        key, equals, value = word.partition("=")
        key = key.lower()
        if equals and key == "options":
            words = frozenset(value.lower().split(","))
            unknown_words = words - OPTION_WORDS
            if unknown_words:
                raise ConfigError(f"Illegal option {min(unknown_words)} in {call.name} {word}")
            allowed = allowed._replace(classes=allowed.classes | Override.OPTIONS, options=words)
        elif equals and key == "nonfatal":
            if value.lower() not in _NONFATAL:
                raise ConfigError(f"Unknown option {value} in AllowOverride Nonfatal=")
            classes, unknown = _NONFATAL[value.lower()]
            allowed = allowed._replace(
                nonfatal=allowed.nonfatal | classes, nonfatal_unknown=allowed.nonfatal_unknown or unknown
            )
        elif equals or key not in _CLASSES:
            raise ConfigError(f"Illegal override option {word}")
        else:
            classes = _CLASSES[key]
            allowed = allowed._replace(classes=allowed.classes | classes if classes else classes)
    call.conf[ALLOW_OVERRIDE] = allowed


def _allow_override_list(call: Call) -> None:
    """``AllowOverrideList None|directive...``."""
    if call.section is None:
        raise ConfigError("AllowOverrideList not allowed here")
    if not call.section.kind.startswith("Directory"):
        call.warn(f"AH00115: Useless use of {call.name}")
    names = frozenset(word.lower() for word in call.args)
    if names == {"none"}:
        names = frozenset()
    call.conf[ALLOW_OVERRIDE_LIST] = names


def _access_file_name(call: Call) -> None:
    call.server[ACCESS_FILE_NAME] = call.args


#: For the core module to list among its own.
DIRECTIVES = (
    Directive(
        "AllowOverride",
        Args.RAW,
        Where.DIRECTORY,
        _allow_override,
        help="the classes of directives that .htaccess files may have",
    ),
    Directive(
        "AllowOverrideList",
        Args.ANY,
        Where.DIRECTORY,
        _allow_override_list,
        help="the directives that .htaccess files may have",
    ),
    Directive(
        "AccessFileName",
        Args.ITERATE,
        SERVER_VHOST,
        _access_file_name,
        help="what .htaccess files are called",
    ),
)
