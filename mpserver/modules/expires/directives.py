"""The directives of mod_expires."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mpserver.config.override import Override
from mpserver.config.registry import EVERYWHERE, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.expires import ACTIVE, BY_TYPE, DEFAULT, Lifetime

#: What a word of "access plus 1 month" begins with, and the seconds that it counts.
_UNITS: Mapping[str, int] = {
    "y": 365 * 86400, "mo": 30 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "mi": 60, "s": 1,
}  # fmt: skip
_BASES: Mapping[str, bool] = {"n": False, "a": False, "m": True}
#: No sane time is longer.
_LONGEST = 10_000 * 365 * 86400


def _lifetime(call: Call, code: str) -> Lifetime:
    if code[:1] in ("A", "M"):
        number = re.match(r"[+-]?[0-9]+", code[1:])
        if number is None:
            # (as in httpd, which reads "Access plus 1 month" so, too)
            call.warn(
                f"{call.name} {code}: a code that begins with {code[0]} is a number of seconds, here none: "
                "write the words in lower case, as in 'access plus 1 month'"
            )
        return Lifetime(_limited(number[0] if number else "0"), code[0] == "M")
    words = code.split()
    if not words:
        raise _bad(call, code, "it is empty")
    since_change = _BASES.get(words[0][:1].lower())
    if since_change is None:
        raise _bad(call, code, f"unrecognised <base> '{words[0]}': write access, now or modification")
    rest = words[1:]
    if rest and rest[0][:1].lower() == "p":
        rest = rest[1:]
    seconds = 0
    while rest:
        number = re.match(r"[0-9]+", rest[0])
        if number is None:
            raise _bad(call, code, f"numeric value expected <num> '{rest[0]}'")
        if len(rest) < 2:
            raise _bad(call, code, "missing <type>: write seconds, minutes, hours, days, weeks, months or years")
        unit = rest[1].lower()
        found = next((its for name, its in _UNITS.items() if unit.startswith(name)), None)
        if found is None:
            raise _bad(call, code, f"unrecognised <type> '{rest[1]}'")
        seconds += found * _limited(number[0])
        rest = rest[2:]
    return Lifetime(min(seconds, _LONGEST), since_change)


def _limited(digits: str) -> int:
    return max(-_LONGEST, min(_LONGEST, int(digits[:20])))


def _bad(call: Call, code: str, why: str) -> ConfigError:
    return ConfigError(f"'{call.name} {code}': bad expires code, {why}; write as in 'access plus 1 month' or A3600")


def _by_type(call: Call) -> None:
    media_type, code = call.args
    if "/" not in media_type:
        raise ConfigError(f"Invalid mimetype: {media_type} should contain a slash, as in text/css or image/*")
    values.set_in(call.conf, BY_TYPE, {media_type.lower(): _lifetime(call, code)})


DIRECTIVES: tuple[Directive, ...] = (
    Directive("ExpiresActive", Args.FLAG, EVERYWHERE, values.directory(ACTIVE, values.flag), Override.INDEXES),
    Directive(
        "ExpiresDefault", Args.TAKE1, EVERYWHERE, values.directory(DEFAULT, _lifetime), Override.INDEXES,
        'a time, as "access plus 1 month" or A3600',
    ),
    Directive(
        "ExpiresByType", Args.TAKE2, EVERYWHERE, _by_type, Override.INDEXES,
        'a media type and a time, as "access plus 1 month" or A3600',
    ),
)  # fmt: skip
