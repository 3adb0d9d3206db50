"""mod_status's directives, and how its figures are written."""

from __future__ import annotations

import pytest

from modules.scopes import Scope
from mpserver.api import html_pages
from mpserver.errors import ConfigError
from mpserver.modules import status
from mpserver.modules.status import auto, metrics, report


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("127.0.0.1:9901", "127.0.0.1:9901"),
        ("[::1]:9901", "[::1]:9901"),
        ("unix:run/m", "unix:/srv/run/m"),
        ("unix:/run/m", "unix:/run/m"),
        ("None", ""),
    ],
)
def test_where_the_master_may_listen(word: str, kept: str) -> None:
    scope = Scope().say(f"ManagementListen {word}")
    assert scope.server[status.MANAGEMENT_LISTEN] == kept
    assert not scope.warnings


@pytest.mark.parametrize(
    "word",
    ["9901", ":9901", "*:9901", "localhost:9901", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x",
     "::1:9901", "[127.0.0.1]:9901", "unix:", "127.0.0.1:\u0661"],
)  # fmt: skip
def test_other_words_are_refused_with_the_remedy(word: str) -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9901 or \[::1\]:9901, or unix:PATH, or None"):
        Scope().say(f"ManagementListen {word}")


@pytest.mark.parametrize("word", ["0.0.0.0:9901", "[::]:9901", "192.0.2.1:9901"])
def test_what_others_reach_is_warned_of(word: str) -> None:
    assert "without a password" in Scope().say(f"ManagementListen {word}").warnings[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.326087, ".326087"),
        (1469.22, "1469.22"),
        (0.0, "0"),
        (4505.6, "4505.6"),
        (0.0217391, ".0217391"),
        (12.0, "12"),
    ],
)
def test_numbers_as_httpd_writes_them(value: float, text: str) -> None:
    assert auto.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (46.9, "46 seconds"),
        (1, "1 second"),
        (3601, "1 hour 0 minutes 1 second"),
        (90061, "1 day 1 hour 1 minute 1 second"),
    ],
)
def test_times_as_httpd_writes_them(seconds: float, text: str) -> None:
    assert auto.duration(seconds) == text


def test_labels_are_escaped() -> None:
    assert metrics.escaped('a"b\\c\nd') == 'a\\"b\\\\c\\nd'


def test_pages_are_escaped() -> None:
    assert html_pages.escaped("<a b='c'>&\udc80") == "&lt;a b=&#x27;c&#x27;&gt;&amp;\\udc80"


def test_long_lines_show_one_end() -> None:
    line = "a" * 63 + "z"
    assert report.shown(line, tail=False) == "a" * 63
    assert report.shown(line, tail=True) == "a" * 62 + "z"
    assert report.shown("short", tail=True) == "short"
