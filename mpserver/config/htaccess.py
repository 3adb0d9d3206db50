""".htaccess files: what may stand in them, and reading them once as long as they stay the same.

httpd manual: core, AllowOverride, AllowOverrideList, AccessFileName.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from mpserver.config.compiler import Compiler, Scope
from mpserver.config.registry import (
    SERVER_VHOST,
    Args,
    Call,
    Directive,
    Override,
    Section,
    Where,
)
from mpserver.config.section_kinds import ALLOW_OVERRIDE, ALLOW_OVERRIDE_LIST, Allowed
from mpserver.config.settings import Conf, Setting
from mpserver.errors import ConfigError, Unread, is_crowded
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration
    from mpserver.config.sections import HtaccessLookup

ACCESS_FILE_NAME: Setting[tuple[str, ...]] = Setting("AccessFileName", (".htaccess",))

#: How many files are remembered before all are forgotten.
REMEMBERED = 10_000

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
        help="Controls what groups of directives can be configured by per-directory config files",
    ),
    Directive(
        "AllowOverrideList",
        Args.ANY,
        Where.DIRECTORY,
        _allow_override_list,
        help="Controls what individual directives can be configured by per-directory config files",
    ),
    Directive(
        "AccessFileName",
        Args.ITERATE,
        SERVER_VHOST,
        _access_file_name,
        help="Name(s) of per-directory config files (default: .htaccess)",
    ),
)

_Stamp = tuple[int, int, int]
#: A name that was looked for, and the stamp of the file that was there; None: there was none.
Watched = tuple[str, _Stamp | None]


class _Known:
    """What is known of one file: its stamp, and what it sets or what is wrong with it."""

    __slots__ = ("conf", "error", "stamp")

    def __init__(self, stamp: _Stamp, conf: Conf | None, error: ConfigError | None) -> None:
        self.stamp, self.conf, self.error = stamp, conf, error


class HtaccessCache:
    """Gives what .htaccess files set; a file is read anew when its stat changes. Call it, or `get`."""

    __slots__ = ("configuration", "_known")

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._known: dict[tuple[str, Allowed], _Known] = {}

    def recording(self, watched: list[Watched]) -> HtaccessLookup:
        """The same as `get`, which also notes what it looked for."""
        return lambda directory, allowed, names: self.get(directory, allowed, names, watched)

    def get(
        self, directory: str, allowed: Allowed, names: tuple[str, ...] = (".htaccess",),
        watched: list[Watched] | None = None,
    ) -> Conf | None:  # fmt: skip
        """What the directory's first file of these names sets; None if there is none.

        The same object as long as the file stays the same. ``directory`` ends with a slash.
        Raises ConfigError if the file can't be read or is faulty (the request then is a 500).
        """
        if not allowed:
            return None
        for name in names:
            path = directory + name
            try:
                stamp = look(path)
            except OSError as error:
                raise ConfigError(_unreadable(path, error)) from error
            if watched is not None:
                watched.append((path, stamp))
            if stamp is None:
                continue
            known = self._known.get((path, allowed))
            if known is None or known.stamp != stamp:
                if len(self._known) >= REMEMBERED:
                    self._known.clear()
                known = self._known[path, allowed] = self._load(path, directory, allowed, stamp)
            if known.error is not None:
                # a new one each time: a raised error collects the tracebacks of its requests
                raise ConfigError(known.error.message, known.error.file, known.error.line)
            return known.conf
        return None

    __call__ = get

    def _load(self, path: str, directory: str, allowed: Allowed, stamp: _Stamp) -> _Known:
        configuration = self.configuration
        from mpserver.config.reader import Reader  # (only where there are such files)

        reader = Reader(
            configuration.registry,
            configuration.root,
            configuration.defines,
            variables=configuration.variables,
            in_htaccess=True,
        )
        try:
            reader.read_file(path)
        except OSError as error:
            if is_crowded(error):
                raise Unread(_unreadable(path, error)) from error
            return _Known(stamp, None, ConfigError(_unreadable(path, error)))
        except ConfigError as error:
            if is_crowded(error):
                raise Unread(error.message, error.file, error.line) from error
            return _Known(stamp, None, error)
        compiler = Compiler(configuration.registry, configuration.root, configuration.defines)
        conf = Conf()
        scope = Scope(Where.HTACCESS, conf, Conf(), section=Section("htaccess", directory), allowed=allowed)
        compiler.compile(reader.tree, scope)
        errors = sorted(reader.errors + compiler.errors, key=lambda error: error.line or 0)
        return _Known(stamp, None if errors else conf, errors[0] if errors else None)


def look(path: str) -> _Stamp | None:
    """What tells a file from what it is after a change; None where there is none. :raises OSError: nobody can tell."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _unreadable(path: str, error: OSError) -> str:
    return (
        f"{path}: pcfg_openfile: unable to check htaccess file, ensure it is readable and that "
        f"'{os.path.dirname(path)}/' is executable: {error.strerror}"
    )
