"""The Options directive (httpd's core): what a directory may be used for, and whether links are followed."""

from __future__ import annotations

from mpserver.config.settings import Conf, Setting
from mpserver.enumeration import Flag, auto
from mpserver.typing import NamedTuple


class Option(Flag):
    """The options by themselves."""

    NONE = 0
    INDEXES = auto()
    #: Server side includes; `EXEC` among them.
    INCLUDES = auto()
    EXEC = auto()
    #: Links are followed; with `OWNER` those whose owner is that of their target.
    LINKS = auto()
    OWNER = auto()
    EXEC_CGI = auto()
    MULTI_VIEWS = auto()
    ALL = INDEXES | INCLUDES | EXEC | LINKS | EXEC_CGI


class Options(NamedTuple):
    """The options of one scope: ``own``, or what it adds to and takes from those around it."""

    own: Option | None
    add: Option = Option.NONE
    remove: Option = Option.NONE

    @property
    def effective(self) -> Option:
        """The options in effect, of a merged configuration."""
        base = Option.LINKS if self.own is None else self.own
        return (base & ~self.remove) | self.add


def _merge(outer: Options, inner: Options) -> Options:
    if inner.own is not None:
        return inner
    gone = inner.remove
    if inner.add & (Option.INCLUDES | Option.EXEC) == Option.INCLUDES:
        gone |= Option.EXEC  # IncludesNOEXEC takes it away
    if outer.own is not None:
        return Options((outer.effective & ~gone) | inner.add)
    return Options(None, (outer.add & ~gone) | inner.add, (outer.remove | gone) & ~inner.add)


OPTIONS: Setting[Options] = Setting("Options", Options(None), _merge)


def effective(conf: Conf) -> Option:
    """The options in effect."""
    return conf[OPTIONS].effective
