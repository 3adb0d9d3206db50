"""Lines and words; the golden files hold more of what httpd's reader does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.config import lexer

# What a word can't hold: line ends. (Surrogates stand for bytes that are not UTF-8.)
WORDS = st.text(st.characters(exclude_characters="\n", exclude_categories=())).map(str)


@given(st.lists(WORDS, max_size=6))
def test_quoted_words_are_read_back(words: list[str]) -> None:
    text = " ".join(lexer.quote(word) for word in words)
    assert lexer.words(text) == tuple(words)


@given(st.lists(WORDS, min_size=1, max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_lines_of_quoted_words_are_read_back(words: list[str], end: str) -> None:
    text = f"# first\n\n  Name {' '.join(lexer.quote(word) for word in words)}\t{end}Last"
    (number, line), last = lexer.lines(text)
    assert (number, last) == (3, (4, "Last"))
    name, at = lexer.next_word(line)
    assert name == "Name"
    assert lexer.words(line[at:]) == tuple(words)


@given(st.text("ab\"'\\ \t#${}<>", max_size=20))
def test_the_short_way_gives_the_same_words(text: str) -> None:
    slowly = []
    at = 0
    while at < len(text):
        word, at = lexer.next_word(text, at)
        slowly.append(word)
    if text and not text.strip(lexer.BLANKS):
        slowly.pop()  # blanks alone hold no word
    assert list(lexer.words(text)) == slowly


@given(st.text("a\\ \r\n#x", max_size=30))
def test_numbers_of_lines_rise_to_the_last_line(text: str) -> None:
    numbers = [number for number, _ in lexer.lines(text)]
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= text.count("\n") + 1 for number in numbers)


def test_a_line_end_cannot_be_quoted() -> None:
    with pytest.raises(ValueError, match="line end"):
        lexer.quote("a\nb")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo", [(1, "one"), (2, "two")]),
        ("one \\\n two\nthree", [(2, "one  two"), (3, "three")]),
        ("one\\\r\ntwo\r\n", [(2, "onetwo")]),
        ("# no \\\nno\nyes", [(3, "yes")]),
        ("a \\\n# not a comment\n", [(2, "a # not a comment")]),
        ("a\\ \nb", [(1, "a\\"), (2, "b")]),
        ("a\\", [(1, "a\\")]),
        ("a\\\\\nb", [(2, "a\\b")]),
        ("\\\n\\\n", []),
        ("\v\fa\v\n\xa0b", [(1, "a"), (2, "\xa0b")]),
        ("", []),
    ],
)
def test_lines(text: str, expected: list[tuple[int, str]]) -> None:
    assert list(lexer.lines(text)) == expected


def test_values_are_not_read_again() -> None:
    values = {"a": "${b}", "b": "x", "": "empty"}
    assert lexer.substitute("${a}$${b}${c}${}${b", values.get) == "${b}$x${c}empty${b"
