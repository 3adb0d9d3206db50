"""Patterns that are compiled when they are first used."""

from __future__ import annotations

import re

import pytest

from mpserver import lazyre


def test_it_is_the_pattern() -> None:
    pattern = lazyre.compile(r"(?P<word>[a-z]+)", re.IGNORECASE)
    assert pattern.findall("ab CD") == ["ab", "CD"]
    assert pattern.sub("x", "ab CD") == "x x"
    assert pattern.groupindex == {"word": 1}
    assert lazyre.compile(rb"[0-9]+").fullmatch(b"12") is not None


def test_it_is_compiled_once_and_only_if_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    compiled = re.compile

    def spy(pattern: str, flags: int = 0) -> re.Pattern[str]:
        asked.append(pattern)
        return compiled(pattern, flags)

    monkeypatch.setattr(re, "compile", spy)
    pattern = lazyre.compile("a")
    assert asked == []
    assert pattern.match("a") and pattern.match("a") and not pattern.match("b")
    assert asked == ["a"]


def test_errors_come_with_the_first_use() -> None:
    pattern = lazyre.compile("(")
    with pytest.raises(re.error):
        pattern.match("")
