"""Listings of directories that have no index file (httpd's mod_autoindex)."""

from __future__ import annotations

from mpserver.config.settings import Setting, prepend
from mpserver.enumeration import Enum, Flag, auto
from mpserver.typing import NamedTuple


class Shown(Flag):
    """The words of IndexOptions that are on or off."""

    NONE = 0
    ADD_ALT_CLASS = auto()
    FANCY = auto()
    TABLE = auto()
    FOLDERS_FIRST = auto()
    ICONS_ARE_LINKS = auto()
    IGNORE_CASE = auto()
    IGNORE_CLIENT = auto()
    SCAN_TITLES = auto()
    SHOW_FORBIDDEN = auto()
    NO_SORTING = auto()
    NO_DESCRIPTION = auto()
    NO_PREAMBLE = auto()
    NO_ICON = auto()
    NO_TIME = auto()
    NO_RULES = auto()
    NO_SIZE = auto()
    TRACK_MODIFIED = auto()
    OLD_DATES = auto()
    VERSION_SORT = auto()
    XHTML = auto()


class IndexOptions(NamedTuple):
    """The words of one scope: ``own``, or what it adds to and takes from those around it."""

    own: Shown | None
    add: Shown = Shown.NONE
    remove: Shown = Shown.NONE

    @property
    def effective(self) -> Shown:
        """The words in effect, of a merged configuration."""
        return ((self.own or Shown.NONE) | self.add) & ~self.remove


def _merge(outer: IndexOptions, inner: IndexOptions) -> IndexOptions:
    if inner.own is not None:
        return inner
    if outer.own is not None:
        return IndexOptions(outer.effective & ~inner.remove | inner.add)
    return IndexOptions(None, (outer.add & ~inner.remove) | inner.add, (outer.remove & ~inner.add) | inner.remove)


class By(Enum):
    """What a rule looks at."""

    NAME = "name"
    TYPE = "type"
    ENCODING = "encoding"


class Rule(NamedTuple):
    """An icon, or a text in place of one: for the files of a name (with its directory), type or coding."""

    by: By
    pattern: str
    value: str


class Description(NamedTuple):
    """AddDescription: for files whose name holds a text, or matches a pattern; or whose whole path does."""

    text: str
    pattern: str
    wild: bool
    whole: bool


class Ignored(NamedTuple):
    """IndexIgnore of one scope; ``reset``: those around it don't count."""

    names: tuple[str, ...] = ()
    reset: bool = False


def _merge_ignored(outer: Ignored, inner: Ignored) -> Ignored:
    return inner if inner.reset else Ignored(outer.names + inner.names, outer.reset)


OPTIONS: Setting[IndexOptions] = Setting("IndexOptions", IndexOptions(None), _merge)
#: The characters that a name, a description is cut to; 0: it is shown as long as it is.
NAME_WIDTH = Setting("IndexOptions NameWidth", 0)
DESCRIPTION_WIDTH = Setting("IndexOptions DescriptionWidth", 0)
#: Of icons, in pixels; 0: as large as they are.
ICON_WIDTH = Setting("IndexOptions IconWidth", 0)
ICON_HEIGHT = Setting("IndexOptions IconHeight", 0)
#: Of the page: its media type, and its charset.
TYPE = Setting("IndexOptions Type", "text/html")
CHARSET = Setting("IndexOptions Charset", "UTF-8")
#: The first key that is sorted by ("N", "M", "S" or "D"), and whether it rises.
ORDER = Setting("IndexOrderDefault", ("N", True))
IGNORE: Setting[Ignored] = Setting("IndexIgnore", Ignored(), _merge_ignored)
ICONS: Setting[tuple[Rule, ...]] = Setting("AddIcon", (), prepend)
ALTS: Setting[tuple[Rule, ...]] = Setting("AddAlt", (), prepend)
DESCRIPTIONS: Setting[tuple[Description, ...]] = Setting("AddDescription", (), prepend)
DEFAULT_ICON = Setting("DefaultIcon", "")
#: Names of files, relative to the directory or paths of URIs.
HEADER = Setting("HeaderName", "")
README = Setting("ReadmeName", "")
STYLE_SHEET = Setting("IndexStyleSheet", "")
HEAD_INSERT = Setting("IndexHeadInsert", "")
