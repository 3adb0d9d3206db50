"""What .htaccess files may hold: the classes of AllowOverride, and what a directory allows (httpd's core)."""

from __future__ import annotations

from mpserver.config.settings import Setting
from mpserver.enumeration import Flag, auto
from mpserver.typing import NamedTuple


class Override(Flag):
    """The classes of AllowOverride that let a directive stand in .htaccess."""

    NONE = 0
    AUTHCONFIG = auto()
    FILEINFO = auto()
    INDEXES = auto()
    LIMIT = auto()
    OPTIONS = auto()
    ALL = AUTHCONFIG | FILEINFO | INDEXES | LIMIT | OPTIONS


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
#: AccessFileName, of a server.
ACCESS_FILE_NAME: Setting[tuple[str, ...]] = Setting("AccessFileName", (".htaccess",))
