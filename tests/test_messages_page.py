"""docs/messages.md: what the source says when something is wrong."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import messages_page
import pytest

from mpserver import errors


def test_the_page_is_what_the_source_says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["messages-page", "--check"])
    assert messages_page.main() == 0, capsys.readouterr().out


def test_a_page_that_tells_something_else_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["messages-page", "--check"])
    monkeypatch.setattr(messages_page, "HEAD", "# Other\n")
    assert messages_page.main() == 1
    assert "docs/messages.md is not what tools/messages-page writes: run it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('"plain"', "plain"),
        ('f"{call.name} must be {limit} or more"', "… must be … or more"),
        ('"one " + f"{two}" + three', "one ……"),
        ("text", None),
    ],
)
def test_what_is_put_in_is_an_ellipsis(source: str, text: str | None) -> None:
    assert messages_page.said(ast.parse(source, mode="eval").body) == text


def test_what_a_message_of_each_kind_says() -> None:
    found = messages_page.messages()
    told = {kind: [message.text for message in its] for kind, its in found.items()}
    assert "no module '…' in …" in told[errors.UsageError]
    assert "AH00451: no listening sockets available, shutting down. Add a Listen directive." in told[errors.StartError]
    assert "… cannot occur within <VirtualHost> section" in told[errors.ConfigError]
    assert any(message.module == "mod_alias" for message in found[None])
    assert {message.status for message in found[errors.RequestError]} >= {"400", "408", "413"}


def test_each_message_has_its_cause_and_its_remedy() -> None:
    said = {message.text for found in messages_page.messages().values() for message in found}
    assert set(messages_page.causes()) == said
    short = [text for text, told in messages_page.causes().items() for line in told if not line.endswith(".")]
    assert short == []
    rows = [line for line in messages_page.PAGE.read_text().splitlines() if line.startswith("| ")]
    assert [row for row in rows if row.endswith("|  |")] == []


def test_messages_without_a_cause_and_causes_without_a_message_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    causes = tmp_path / "causes.txt"
    causes.write_text(messages_page.CAUSES.read_text().replace("illegal option -- e\n", "illegal option -- f\n"))
    monkeypatch.setattr(messages_page, "CAUSES", causes)
    messages_page.causes.cache_clear()
    try:
        assert list(messages_page.faults()) == [
            "causes.txt lacks the cause of: illegal option -- e",
            "causes.txt has what nothing says: illegal option -- f",
        ]
    finally:
        messages_page.causes.cache_clear()


def test_causes_are_told_of_each_kind_that_is_raised() -> None:
    """Kinds of errors that the tree of errors gets, and that people may see, are on the page."""
    trees = {
        found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, errors.MpserverError)
    }
    # (what never leaves the server's own code)
    inside = {
        errors.MpserverError,
        errors.ConfigErrors,
        errors.Misplaced,
        errors.Moves,
        errors.Awaits,
        errors.ClientGone,
    }
    assert {found.__name__ for found in trees - inside} == set(messages_page.classes()) - {"ConfigErrors"}
