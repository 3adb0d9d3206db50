"""HTTP dates: against the standard library, which the module itself avoids."""

import email.utils
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.http1.dates import LAST, http_date, parse_date
from support.left import bytes_left

NOW = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
#: From the year 1 on; the writer starts at the epoch.
SECONDS = st.integers(int(datetime(1, 1, 1, tzinfo=UTC).timestamp()), LAST)


@given(st.floats(0, LAST))
def test_a_date_is_written_as_the_standard_library_writes_it(seconds: float) -> None:
    assert http_date(seconds) == email.utils.format_datetime(datetime.fromtimestamp(int(seconds), UTC), usegmt=True)


def test_little_is_remembered_of_the_dates_that_each_second_brings() -> None:
    assert bytes_left(lambda: [http_date(NOW + second) for second in range(3600)].clear()) < 32 << 10


@given(st.integers(0, LAST))
def test_what_is_written_reads_back(seconds: int) -> None:
    assert parse_date(http_date(seconds)) == seconds


@given(SECONDS)
def test_all_three_formats_are_read(seconds: int) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)
    fixdate = email.utils.format_datetime(moment, usegmt=True)
    assert parse_date(fixdate) == seconds
    assert parse_date(moment.ctime()) == seconds


@given(st.integers(-49, 50), st.integers(0, 86399))
def test_a_two_digit_year_is_at_most_fifty_years_ahead(years: int, second: int) -> None:
    year = 2026 + years
    moment = datetime(year, 5, 17, tzinfo=UTC).timestamp() + second
    text = datetime.fromtimestamp(moment, UTC).strftime("%A, %d-%b-%y %H:%M:%S GMT")
    assert parse_date(text, NOW) == moment


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1.0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (0.999, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (1e20, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_times_out_of_range_are_clamped(seconds: float, text: str) -> None:
    assert http_date(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        ("Sun Nov  6 08:49:37 1994", 784111777),
        ("Mon, 06 Nov 1994 08:49:37 GMT", 784111777),  # the wrong day's name
        ("Thu, 29 Feb 2024 00:00:00 GMT", 1709164800),
        ("Tue, 29 Feb 2000 00:00:00 GMT", 951782400),
        ("Fri, 30 Jun 2017 23:59:60 GMT", 1498867200),  # a leap second
    ],
)
def test_valid_dates(text: str, seconds: int) -> None:
    assert parse_date(text, NOW) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "junk",
        "0",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Wed, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 2023 00:00:00 GMT",
        "Wed, 29 Feb 1900 00:00:00 GMT",
        "Son, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 19940 08:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 0\u0666 Nov 1994 08:49:37 GMT",  # a digit, but not an ASCII one
        "Sun Nov 6 08:49:37 1994",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
    ],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text, NOW) is None


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert parse_date(text) is None or len(text) >= 24
