"""Regular expressions in PCRE's words, and wildcards."""

from __future__ import annotations

import pytest

from mpserver.config.patterns import compile_glob, is_wild
from mpserver.config.regex import compile_regex
from mpserver.errors import ConfigError


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


@pytest.mark.parametrize(
    ("text", "wild"),
    [("/a", False), ("*", True), ("?", True), ("[a]", True), ("[a", False), (r"\*", False), (r"\\*", True)],
)
def test_what_is_wild(text: str, wild: bool) -> None:
    assert is_wild(text) is wild


def test_a_range_that_runs_backwards_matches_nothing() -> None:
    compiled = compile_glob("/[z-a]")
    assert not any(compiled.fullmatch(f"/{char}") for char in "az-[]")
