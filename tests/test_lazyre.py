"""Patterns that are compiled when they are first used."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest

from mpserver import lazyre
from mpserver.http1 import head as head_module
from mpserver.system import regexes


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


def test_what_is_compiled_for_others_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import_module("mpserver.interp")  # (whose modules have them)
    space: dict[str, Any] = {}
    exec(regexes.code("ready.py"), space)
    ready = space["READY"]
    assert len(ready) > 20
    expected = {key: re.compile(*key) for key in ready}
    monkeypatch.setattr(lazyre, "READY", ready)
    monkeypatch.setattr(re, "compile", None)  # nobody needs it
    for key, wanted in expected.items():
        made = lazyre.now(*key)
        assert (made, made.groups, made.groupindex) == (wanted, wanted.groups, wanted.groupindex)
    line = "GET /x?y HTTP/1.1"
    found, made = head_module._request_line(line), lazyre.now(head_module._request_line.__self__.pattern)  # type: ignore[attr-defined]
    again = made.fullmatch(line)
    assert found is not None and again is not None
    assert found.groups() == again.groups()
