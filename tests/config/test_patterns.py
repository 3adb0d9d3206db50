"""Regular expressions in PCRE's words, and wildcards."""

from __future__ import annotations

import random
import re
import time
import timeit

import pytest

from mpserver.config.explosions import degrees
from mpserver.config.linear import Guarded, Linear
from mpserver.config.patterns import compile_glob, is_wild
from mpserver.config.regex import compile_regex, longest, read_regex
from mpserver.errors import ConfigError
from support.waiting import quickest


@pytest.mark.parametrize(
    ("pattern", "matches", "differs"),
    [
        (r"^/(?<user>\w+)/$", "/joe/", "/joe"),
        (r"^(?'x'a)$", "a", "b"),
        (r"(?<=a)b(?<!c)", "ab", "cb"),
        (r"a$", "a", "a\n"),
        (r"a\Z", "a\n", "a\nb"),
        (r"a\z", "a", "a\n"),
        (r"a.b", "a\nb", "ab"),
        (r"^[[:alpha:]_-]+[[:digit:]]$", "a_b-1", "a1b"),
        (r"^[^[:space:]]+$", "ab", "a b"),
        (r"^[]a]+$", "]a", "b"),
        (r"^[^]a]+$", "b", "]"),
        (r"^[[a]+$", "[a", "b"),
        (r"^[a&&b|~-]+$", "&|~-", "c"),
        (r"^\Qa.b\E.$", "a.bc", "axbc"),
        (r"^\h+$", " \t", "\n"),
        (r"^[\h]+$", " \t", "\n"),
        (r"^[$]$", "$", "a"),
        (r"^\$\.$", "$.", "a."),
        (r"(?i)^ABC", "abc", "ab"),
        (r"^\d+$", "12", "\u0661"),
    ],
)
def test_regular_expressions(pattern: str, matches: str, differs: str) -> None:
    compiled = compile_regex(pattern)
    assert compiled.search(matches)
    assert not compiled.search(differs)


def test_ignoring_case() -> None:
    assert compile_regex("^a", ignore_case=True).search("A")
    assert not compile_regex("^a").search("A")


@pytest.mark.parametrize("pattern", ["(", "[", "a**", "(?<a>x)(?<a>y)", "[[:nothing:]]", r"\y"])
def test_faulty_regular_expressions(pattern: str) -> None:
    with pytest.raises(ConfigError, match="Regex could not be compiled"):
        compile_regex(pattern)


@pytest.mark.parametrize(
    ("pattern", "matches", "differs"),
    [
        ("/a/*", "/a/bc", "/a/b/c"),
        ("/a/*", "/a/", "/a"),
        ("/?/b", "/a/b", "///b"),
        ("/[ab]", "/a", "/c"),
        ("/[!ab]", "/c", "/a"),
        ("/[^ab]", "/c", "/b"),
        ("/[a-c]", "/b", "/d"),
        ("/[]]", "/]", "/a"),
        ("/[a-]", "/-", "/b"),
        ("/[!a]b", "/cb", "//b"),
        (r"/\*", "/*", "/a"),
        (r"/[\]]", "/]", "/\\"),
        ("/a.b", "/a.b", "/axb"),
        ("/[ab", "/[ab", "/a"),
        ("/[a[b]*[", "/bc[", "/cc["),
        ("[a]*[a[b]*[!c", "a[a[b]x[!c", "a[a[b]x[d"),
    ],
)
def test_wildcards(pattern: str, matches: str, differs: str) -> None:
    compiled = compile_glob(pattern)
    assert compiled.fullmatch(matches)
    assert not compiled.fullmatch(differs)


def test_wildcards_in_names() -> None:
    assert compile_glob("*.py", path=False).fullmatch("a/b.py")
    assert compile_glob("*.Example", path=False, ignore_case=True).fullmatch("A.eXAMPLE")
    hidden = compile_glob("*.conf", period=True)
    assert hidden.fullmatch("a.conf")
    assert not hidden.fullmatch(".conf")
    assert compile_glob(".*", period=True).fullmatch(".conf")


def tried(pattern: str, text: str, path: bool) -> bool:
    """Whether a text matches stars, question marks and others that stand for themselves: all ways are tried."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return tried(pattern[1:], text, path) or (
            bool(text) and not (path and text[0] == "/") and tried(pattern, text[1:], path)
        )
    if not text or (pattern[0] != text[0] and (pattern[0] != "?" or (path and text[0] == "/"))):
        return False
    return tried(pattern[1:], text[1:], path)


@pytest.mark.parametrize("path", [True, False])
def test_stars_take_what_lets_the_rest_match(path: bool) -> None:
    chances = random.Random(path)
    matched = 0
    for _ in range(4000):
        pattern = "".join(chances.choices("**?aab/", k=chances.randrange(9)))
        text = "".join(chances.choices("aaab/", k=chances.randrange(12)))
        found = compile_glob(pattern, path=path).fullmatch(text) is not None
        assert found is tried(pattern, text, path), (pattern, text)
        matched += found
    assert matched > 100


def test_many_stars_take_no_time() -> None:
    for path in (True, False):
        match = compile_glob("*a" * 60 + "*b", path=path).fullmatch
        assert min(quickest(lambda match=match: match("a" * 8000), 1.0)) < 1.0  # type: ignore[misc]
        assert match("a" * 8000 + "b")


@pytest.mark.parametrize(
    ("text", "wild"),
    [("/a", False), ("*", True), ("?", True), ("[a]", True), ("[a", False), (r"\*", False), (r"\\*", True)],
)
def test_what_is_wild(text: str, wild: bool) -> None:
    assert is_wild(text) is wild


def test_a_range_that_runs_backwards_matches_nothing() -> None:
    compiled = compile_glob("/[z-a]")
    assert not any(compiled.fullmatch(f"/{char}") for char in "az-[]")


#: Patterns with a loop that can take the same text in two ways, and a text on which they need twice the time for each
#: character more.
EXPLOSIVE = [
    (r"^(a+)+$", "a"),
    (r"^(a*)*b", "a"),
    (r"^(.*,)*$", ","),
    (r"(x+x+)+y", "x"),
    (r"^([a-zA-Z]+)*$", "a"),
    (r"^(a|aa)+$", "a"),
    (r"(.*)*x", "a"),
    (r"^((a+)b?)*c$", "a"),
    (r"(?:[a-z]+/?)+\.html$", "a"),
    (r"(?=(a+)+b)a", "a"),
    (r"^(\s*\w+\s*)+;", "a"),
    (r"^(a{1,50})+$", "a"),
    (r"(ab|a|b)*c", "ab"),
    (r"^([^/]|[a-c])*$", "a"),
    (r"(?i)^(Ab|a[b])*c", "ab"),
]


@pytest.mark.parametrize(("pattern", "text"), EXPLOSIVE)
def test_a_pattern_that_explodes_is_refused(pattern: str, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_regex(pattern)
    assert f"a loop in '{pattern}' can take the same characters in two ways" in refused.value.message
    found = compile_regex(pattern)
    assert steps(found, text, 18) > 6 * steps(found, text, 12), "it does explode"


def steps(pattern: re.Pattern[str], text: str, count: int) -> float:
    """The least seconds that a pattern takes for a text, repeated, that it does not match."""
    subject = text * count + "\n/"
    return min(timeit.repeat(lambda: pattern.search(subject), number=1, repeat=15))


@pytest.mark.parametrize(
    "pattern",
    [
        r"^/(.*)$",
        r"^(.*)/(.*)/(.*)$",
        r"\.(gif|jpe?g|png)$",
        r"^/([^/]+)/([^/]+)/?$",
        r"^((?!x).)*$",
        r"(\d{1,3}\.){3}\d{1,3}",
        r"^([^,]*,)*$",
        r"^/(a+)*",
        r"(?:/[a-z]+)*/?$",
        r"^[a-z]+(-[a-z]+)*$",
        r"^(?:a|b)*$",
        r"^(?>a+)+$",
        r"^(.+\.)?example\.com$",
        r"(?:Mozilla/2|MSIE 4\.0b2;)",
        r"^(https?://)?([^/:]+)(:\d+)?(/.*)?$",
        r"^([a-z0-9]+(-[a-z0-9]+)*\.)+[a-z]{2,}$",
        r"^/(\w+/)*\w+\.html$",
        r"(a|b|c)+d",
        r"^(?i:a|b)+$",
        r"^([a-z]|[0-9])+$",
        r"^(a)?(?(1)b|c)$",
        r"^(/[0-9]{1,3})+$",
        r"^/([a-z]{1,3}/)*index\.php$",
        r"^([a-f0-9]{4})+$",
        r"^([A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==)?$",
        r"^((25[0-5]|2[0-4]\d|1?\d?\d)(\.|$)){4}$",
    ],
)
def test_what_can_not_explode_is_taken(pattern: str) -> None:
    assert read_regex(pattern).pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "(" * 40 + "a" + "){3}" * 40,
        "^(?:" + "|".join(f"[a-z]{chr(97 + number % 26)}|\\w{chr(97 + number % 26)}" for number in range(60)) + ")*$",
        "(" * 90 + "a" + ")*" * 90,
    ],
    ids=["nested", "wide", "deep"],
)
def test_what_takes_long_to_judge_is_taken(pattern: str) -> None:
    """A .htaccess file is read while others wait."""
    before = time.process_time()
    try:
        read_regex(pattern)
    except ConfigError as error:
        assert "in two ways" in error.message
    assert time.process_time() - before < 10


#: Patterns, and the power with which their time grows on texts that they do not match.
POWERS = [
    (r"^/(.*)/(.*)/(.*)\.html$", 3),
    (r"^/(.*)/(.*)/(.*)/(.*)\.html$", 4),
    (r"(.*)/(.*)\.html$", 3),
    (r"^(\w*)-?(\w*)-?(\w*)x$", 3),
    (r"^\s*(.*)\s*=\s*(.*)\s*;$", 5),
    (r"^a*b?a*b?a*$", 3),
    (r"^/(?>.*/.*/x)", 3),
    (r"^(?=.*/.*x)", 3),
    (r"^/(.*)/(.*)\.html$", 2),
    (r"(.*)\.html$", 2),
    (r"^(.*)/(.*)/(.*)$", 2),
    (r"^/([^/]*)/([^/]*)/([^/]*)\.html$", 1),
    (r"^/(.*)$", 1),
    (r"^/a/b", 1),
    (r"\.(gif|jpe?g|png)$", 1),
    (r"^(https?://)?([^/:]+)(:\d+)?(/.*)?$", 1),
    (r"^/(\w+)/(\d+)-(\w+)\.html$", 1),
]


@pytest.mark.parametrize(("pattern", "power"), POWERS)
def test_the_power_of_a_pattern(pattern: str, power: int) -> None:
    made = compile_regex(pattern)
    assert degrees(made.pattern, made.flags)[0] == power
    assert isinstance(made, re.Pattern)
    assert isinstance(read_regex(pattern), re.Pattern) is (power < 3)


#: Patterns of all kinds, that of a guard among them.
KINDS = [
    r"^/(.*)/(.*)/(.*)\.html$", r"(.*)/(.*)\.html$", r"(a|b)*(.*?)b(.*)x?$", r"(?P<one>a+?)(b{1,3}|c)(a{2})?.*",
    r"(?i)^(.*)B(.*)/A(.*)$", r"^(?!/x)(.*)/(?=a)(.*)(?<=b)/?(.*)c\Z", r"(?>a*)b(.*)(.*)c", r"a*+b(.*)/(.*)c",
    r"([^/]*)/([^a/]+|b)*/(.*)", r"(|a)(b|)(.*)(c?)$", r"\bab(.*)\B/", r"(a{0,2}?)(.{2,})b", r"^$|a(.*)/(.*)b",
    r"a*?", r"(a*?)(b*?)", r"(?:a|b)*?c?", r"^a*?", r"b??", r"(a??)(b)?", r"\b", r"(?=a)", r"[ab]{0,2}?",
]  # fmt: skip


def shown(match: re.Match[str]) -> str:
    """A match, marked."""
    return f"<{match[0]}>"


@pytest.mark.parametrize("pattern", KINDS)
def test_what_is_found_in_linear_time_is_what_re_finds(pattern: str) -> None:
    made = compile_regex(pattern)
    linear, guarded = Linear(made), Guarded(made, 0)
    chance = random.Random(pattern)
    for _ in range(400):
        text = "".join(chance.choice("aabbc/x.B\n") for _ in range(chance.randrange(14)))
        text += chance.choice(("", ".html", "/a/b", "\u20ac"))
        start = chance.choice((0, 0, 0, 1, 3))
        there, here = made.search(text, start), linear.search(text, start)
        assert (there is None) is (here is None), (text, start)
        if there is not None and here is not None:
            assert here.group(*range(made.groups + 1)) == there.group(*range(made.groups + 1)), (text, start)
            assert [here.span(number) for number in range(made.groups + 1)] == list(there.regs), (text, start)
            assert (here.groups("-"), here.groupdict("-")) == (there.groups("-"), there.groupdict("-"))
        for count in (0, 1, 2):
            assert guarded.sub(shown, text, count) == made.sub(shown, text, count=count), (text, count)


def test_a_guarded_pattern_is_quick_on_any_text() -> None:
    for pattern, power in POWERS:
        for text in ("/" * 4000, "/a" * 2000 + ".htm", "a" * 4000, "a=;" * 1300) if power > 2 else ():
            found = read_regex(pattern)
            took = quickest(lambda found=found, text=text: found.search(text), 2.0)  # type: ignore[misc]
            assert min(took) < 2.0, (pattern, power, text[:6], took)


def test_texts_up_to_a_length_are_for_re_itself() -> None:
    guarded = read_regex(r"^/(.*)/(.*)/(.*)\.html$")
    assert longest(3) == guarded.longest == 262  # type: ignore[attr-defined]
    short, long = "/a/b/c.html", "/a/b/" + "c" * 300 + ".html"
    assert isinstance(guarded.search(short), re.Match)
    match = guarded.search(long)
    assert match is not None and type(match).__module__ == "mpserver.config.linear"
    assert match.groups() == ("a", "b", "c" * 300)
    assert guarded.search(long[:-1]) is None
    assert Guarded.from_plain(compile_regex(r"^/(.*)/(.*)/(.*)\.html$"), 262) == guarded


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"^(.*)/(.*)/\1(.*)x$", "a reference to what was captured"),
        (r"^(.*)/(.*)/(?=(a))(.*)x$", "a group that captures, in a look-around"),
        (r"^(?:.*)/(?i:a.*)/(.*)x$", "flags of a part"),
        (r"(?=.*/.*/.*x)a", "loops in a look-around"),
        (r"^(.*)/(.*)/(.*)(x?)*$", "rounds may be empty"),
    ],
)
def test_what_can_not_be_guarded_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_regex(pattern)
    assert "of the length of a text" in refused.value.message
    assert why in refused.value.message
    assert "as [^/]* in place of .*" in refused.value.message
