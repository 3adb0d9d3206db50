"""HTTP dates (RFC 9110 5.6.7): written as IMF-fixdate, read in all three formats.

Own arithmetic instead of ``calendar`` or ``email``: those load ``datetime``, which each
interpreter would pay for.
"""

from __future__ import annotations

import time

from mpserver import lazyre
from mpserver.builtin import lru_cache
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: 9999-12-31 23:59:59, the last second that IMF-fixdate can say.
LAST = 253402300799
#: So many dates that were written are remembered. Every second brings a new one, so in each interpreter there are soon
#: as many.
WRITTEN = 64
#: How long an IMF-fixdate is; the other formats are shorter or longer.
LENGTH = 29
#: How far in the future a two-digit year may lie before it means the past (RFC 9110 5.6.7).
CENTURY_AHEAD = 50

_NUMBERS = {name: number for number, name in enumerate(MONTHS, 1)}
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTH = "(?P<month>" + "|".join(MONTHS) + ")"
_DAY = "(?:" + "|".join(DAYS) + ")"
_TIME = "(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"

#: IMF-fixdate = day-name "," SP date1 SP time-of-day SP GMT
IMF_FIXDATE = lazyre.compile(f"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT")
#: rfc850-date = day-name-l "," SP date2 SP time-of-day SP GMT
RFC850_DATE = lazyre.compile(
    f"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<short_year>[0-9]{{2}}) {_TIME} GMT"
)
#: asctime-date = day-name SP date3 SP time-of-day SP year
ASCTIME_DATE = lazyre.compile(f"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})")


def http_date(seconds: float) -> str:
    """Seconds since the epoch as IMF-fixdate: ``Sun, 06 Nov 1994 08:49:37 GMT``.

    Fractions are cut off. Times before the epoch become the epoch (as in httpd), times past the
    year 9999 its last second.
    """
    return _fixdate(0 if seconds < 0 else LAST if seconds > LAST else int(seconds))


@lru_cache(maxsize=WRITTEN)
def _fixdate(seconds: int) -> str:
    """Remembered: a site's files have few dates, and each is sent often."""
    year, month, day, hour, minute, second, weekday, _, _ = time.gmtime(seconds)
    return f"{DAYS[weekday]}, {day:02d} {MONTHS[month - 1]} {year:04d} {hour:02d}:{minute:02d}:{second:02d} GMT"


def parse_date(text: str, now: float | None = None) -> float | None:
    """An HTTP-date in seconds since the epoch; None where it is none.

    The day's name must be one but need not fit the date: no server relies on it. ``now`` (default:
    the clock) decides the century of a two-digit year.
    """
    if len(text) == LENGTH:
        return _parse_fixdate(text)
    match = ASCTIME_DATE.fullmatch(text) or RFC850_DATE.fullmatch(text)
    return None if match is None else _seconds(match, now)


@lru_cache(maxsize=512)
def _parse_fixdate(text: str) -> float | None:
    """Remembered: clients send back what they were told."""
    match = IMF_FIXDATE.fullmatch(text)
    return None if match is None else _seconds(match, None)


def _seconds(match: re.Match[str], now: float | None) -> float | None:
    """The seconds since the epoch of what a pattern found; None where there is no such day."""
    found = match.groupdict()
    short = found.get("short_year")
    year = int(found["year"]) if short is None else _full_year(int(short), now)
    month, day = _NUMBERS[found["month"]], int(found["day"])
    if not 1 <= day <= _LENGTHS[month - 1] or (month == 2 and day == 29 and not _is_leap(year)):
        return None
    clock = int(found["hour"]) * 3600 + int(found["minute"]) * 60 + int(found["second"])
    return float(_days(year, month, day) * 86400 + clock)


def _full_year(short: int, now: float | None) -> int:
    """A two-digit year: the latest such year that is not more than 50 years ahead."""
    last = time.gmtime(now).tm_year + CENTURY_AHEAD
    return last - (last - short) % 100


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date, counting years from March so that the leap day comes last."""
    if month < 3:
        year, month = year - 1, month + 12
    leaps = year // 4 - year // 100 + year // 400
    return 365 * year + leaps + (153 * (month - 3) + 2) // 5 + day - 719469
