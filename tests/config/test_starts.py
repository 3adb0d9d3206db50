"""Which of many sections are tried: no others than those that could match, and never fewer."""

from __future__ import annotations

import pytest

from mpserver.config.entries import EVERYTHING, PATH_GLOB, REGEX, Entry
from mpserver.config.sections import Sections
from mpserver.config.settings import Conf
from mpserver.config.starts import ByStart, start_of

#: Patterns, and what their matches begin with.
STARTS = [
    ("^/shop/", REGEX, "/shop/"),
    (r"^/shop/v1\.2/", REGEX, "/shop/v1.2/"),
    (r"^/a\-b\/c$", REGEX, "/a-b/c"),
    ("^/shop/?$", REGEX, "/shop"),
    ("^/shops*", REGEX, "/shop"),
    ("^/shops+", REGEX, "/shop"),
    ("^/shops{0}", REGEX, "/shop"),
    (r"^/shop\.?", REGEX, "/shop"),
    ("^/shop(/|$)", REGEX, "/shop"),
    ("^/shop[|/]x", REGEX, "/shop"),
    (r"^/shop\|x", REGEX, "/shop|x"),
    (r"^/shop\d", REGEX, "/shop"),
    ("^/shop|^/blog", REGEX, ""),
    ("^/(?:a)|b", REGEX, ""),
    (r"^/[)]|b", REGEX, ""),
    (r"^/\(|b", REGEX, ""),
    (r"^/a\Q(\E|b", REGEX, ""),
    ("/shop/", REGEX, ""),
    ("(?i)^/shop/", REGEX, ""),
    ("", REGEX, ""),
    ("^", REGEX, ""),
    ("/users/*/mail", PATH_GLOB, "/users/"),
    ("/user?", PATH_GLOB, "/user"),
    ("/user[12]", PATH_GLOB, "/user"),
    (r"/user\*", PATH_GLOB, "/user"),
    ("", EVERYTHING, ""),
]
TEXTS = (
    "/", "/a", "/b", "b", "/a(", "/shop", "/shop/", "/shop/x", "/SHOP/", "/shops", "/shopss", "/sho", "/shop.",
    "/shop|x", "/shop1", "/shop/v1.2/", "/shop/v1x2/", "/a-b/c", "/blog", "/)", "/(", "/users/joe/mail", "/users/mail",
    "/user1", "/user*", "/x/shop/",
)  # fmt: skip


@pytest.mark.parametrize(("pattern", "meant", "start"), STARTS)
def test_what_matches_begin_with(pattern: str, meant: str, start: str) -> None:
    entry = Entry("Location", pattern, meant)
    assert start_of(entry) == start
    assert entry.test is not None
    matching = [text for text in TEXTS if entry.test(text)]
    assert all(text.startswith(start) for text in matching)
    assert [text for text in TEXTS if ByStart([(0, entry)]).matching(text)] == matching


def test_of_thousands_few_are_tried() -> None:
    """The patterns of the others are not even compiled."""
    locations, directories = [], []
    for number in range(1000):
        locations.append(Entry("LocationMatch", f"^/app{number}/(?:a|b)$", REGEX))
        locations.append(Entry("Location", f"/glob{number}/*", PATH_GLOB))
        directories.append(Entry("DirectoryMatch", f"^/www/app{number}/", REGEX))
    locations.append(Entry("LocationMatch", "/[ab]$", REGEX))
    sections = Sections(Conf(), directories, locations)
    assert [entry.pattern for entry in sections.for_location("/app700/b")] == ["^/app700/(?:a|b)$", "/[ab]$"]
    assert [entry.pattern for entry in sections.for_location("/glob31/x")] == ["/glob31/*"]
    assert [entry.pattern for entry in sections.for_directory_regexes("/www/app5/x")] == ["^/www/app5/"]
    assert len([entry for entry in (*locations, *directories) if _is_compiled(entry)]) == 4


def _is_compiled(entry: Entry) -> bool:
    slot = Entry.__dict__["test"]
    try:
        slot.__get__(entry, Entry)
    except AttributeError:
        return False
    return True
