"""The directive Options."""

from __future__ import annotations

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.core.options import OPTIONS, Option, Options
from mpserver.modules.negotiation import MENTIONED

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


def _union(words: frozenset[str]) -> Option:
    found = Option.NONE
    for word in words:
        found |= _WORDS[word]
    return found


def _options(call: Call) -> None:
    """``Options [+|-]option ...``; all of them with a sign, or none."""
    signed = {values.signed(word)[0] != "" for word in call.args}
    if len(signed) > 1:
        raise ConfigError("Either all Options must start with + or -, or no Option may.")
    before = call.conf.values.get(OPTIONS, Options(None))
    own, add, remove = before
    if signed == {False}:
        own, add, remove = Option.NONE, Option.NONE, Option.NONE
    for word in call.args:
        sign, name = values.signed(word)
        option = _WORDS.get(name.lower())
        if option is None:
            raise ConfigError(f"Illegal option {name}")
        if call.options is not None and option & ~_union(call.options):
            raise ConfigError(f"Option {name} not allowed here")
        if option is Option.MULTI_VIEWS and sign != "-":
            call.conf[MENTIONED] = True
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
