"""The Options directive (httpd's core): what a directory may be used for, and whether links are followed."""

from __future__ import annotations

import enum

from mpserver.config.registry import EVERYWHERE, Args, Call, Directive, Override
from mpserver.config.settings import Conf, Setting
from mpserver.errors import ConfigError
from mpserver.typing import NamedTuple


class Option(enum.Flag):
    """The options by themselves."""

    NONE = 0
    INDEXES = enum.auto()
    #: Server side includes; `EXEC` among them.
    INCLUDES = enum.auto()
    EXEC = enum.auto()
    #: Links are followed; with `OWNER` those whose owner is that of their target.
    LINKS = enum.auto()
    OWNER = enum.auto()
    EXEC_CGI = enum.auto()
    MULTI_VIEWS = enum.auto()
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

_WORDS = {
    "all": Option.ALL,
    "none": Option.NONE,
    "indexes": Option.INDEXES,
    "includes": Option.INCLUDES | Option.EXEC,
    "includesnoexec": Option.INCLUDES,
    "followsymlinks": Option.LINKS,
    "symlinksifownermatch": Option.OWNER,
    "execcgi": Option.EXEC_CGI,
    "multiviews": Option.MULTI_VIEWS,
}
#: What no module here makes use of, as where httpd has not loaded the module.
_UNUSED = {"indexes": "mod_autoindex", "multiviews": "mod_negotiation"}


def effective(conf: Conf) -> Option:
    """The options in effect."""
    return conf[OPTIONS].effective


def _union(words: frozenset[str]) -> Option:
    found = Option.NONE
    for word in words:
        found |= _WORDS[word]
    return found


def _options(call: Call) -> None:
    """``Options [+|-]option ...``; all of them with a sign, or none."""
    signed = {word[:1] in ("+", "-") for word in call.args}
    if len(signed) > 1:
        raise ConfigError("Either all Options must start with + or -, or no Option may.")
    before = call.conf.values.get(OPTIONS, Options(None))
    own, add, remove = before
    if signed == {False}:
        own, add, remove = Option.NONE, Option.NONE, Option.NONE
    for word in call.args:
        sign, name = (word[0], word[1:]) if word[:1] in ("+", "-") else ("", word)
        option = _WORDS.get(name.lower())
        if option is None:
            raise ConfigError(f"Illegal option {name}")
        if call.options is not None and option & ~_union(call.options):
            raise ConfigError(f"Option {name} not allowed here")
        if name.lower() in _UNUSED and sign != "-":
            call.warn(f"Options {name} does nothing, for there is no {_UNUSED[name.lower()]}")
        if sign == "-":
            add, remove = add & ~option, remove | option
        elif sign:
            if name.lower() == "includesnoexec":
                add &= ~Option.EXEC
            add, remove = add | option, remove & ~option
        else:
            assert own is not None
            own = Option.NONE if not option else own | option
    if signed != {False} and own is not None:
        own, add, remove = (own & ~remove) | add, Option.NONE, Option.NONE
    call.conf[OPTIONS] = Options(own, add, remove)


DIRECTIVES = (
    Directive(
        "Options",
        Args.RAW,
        EVERYWHERE,
        _options,
        Override.OPTIONS,
        "All, None, or options such as ExecCGI Includes",
    ),
)
