"""docs/directives.md: what the server's tables say, with an example of each directive that is right."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import directives_page
import pytest


def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit status of ``tools/directives-page --check``, and what it says."""
    monkeypatch.setattr(sys, "argv", ["directives-page", "--check"])
    status = directives_page.main()
    return status, capsys.readouterr().out


def test_the_page_is_what_the_tables_say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(monkeypatch, capsys) == (0, "")


def test_a_page_that_tells_something_else_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = directives_page.EXAMPLES.read_text()
    examples = tmp_path / "examples.txt"
    examples.write_text(text.replace("KeepAlive Off\n", "Keepalove Off\n"))
    monkeypatch.setattr(directives_page, "EXAMPLES", examples)
    status, said = check(monkeypatch, capsys)
    assert status == 1
    assert "examples.txt lacks an example of KeepAlive\n" in said
    assert "examples.txt has Keepalove, which is no directive\n" in said
    assert "docs/directives.md is not what tools/directives-page writes\n" in said


def test_each_example_is_taken_or_refused_as_it_says() -> None:
    examples = directives_page.examples()
    wrong = []
    for name, told in directives_page.directives().items():
        refusal = directives_page.refusal(name, told, examples[name])
        if (refusal is not None) != examples[name].refused:
            wrong.append(f"{name}: {refusal}")
    assert wrong == []


def test_each_directive_has_all_that_is_to_be_told() -> None:
    entries = re.split(r"^## ", directives_page.PAGE.read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) == len(directives_page.directives()) > 500
    for entry in entries:
        name, _empty, sentence, _empty, *lines = entry.splitlines()
        assert re.fullmatch(r"[A-Z].* .*\.", sentence), name
        labels = [line.split(":")[0] for line in lines if line.startswith("- ")]
        assert [label for label in labels if label != "- Arguments"] == [
            "- Syntax", "- Default", "- Context", "- Override", "- Module",
        ], name  # fmt: skip
        assert "```apache\n" in entry or "\nRefused: " in entry, name


@pytest.mark.parametrize(
    ("name", "syntax", "fits"),
    [
        ("KeepAlive", "KeepAlive On|Off", True),
        ("KeepAlive", "KeepAlive WORD", False),
        ("Timeout", "Timeout SECONDS [MORE]", False),
        ("CustomLog", "CustomLog FILE FORMAT [CONDITION]", True),
        ("AccessFileName", "AccessFileName NAME", False),
        ("Require", "Require whatever one likes", True),
    ],
)
def test_a_syntax_that_the_directive_does_not_have_is_seen(name: str, syntax: str, fits: bool) -> None:
    assert (directives_page.misfit(syntax, directives_page.directives()[name].directive) == "") == fits


def test_each_example_shows_its_directive() -> None:
    for name, example in directives_page.examples().items():
        word = name.rstrip(">")
        assert any(line.split()[0].rstrip(">") == word for line in example.text.splitlines()), name


ENTRIES = """
## KeepAliveTimeout

Says how long a connection waits for its next request.

- Syntax: `KeepAliveTimeout TIME`
- Arguments: one: a time, in seconds or with a unit
- Default: `5`
- Context: server, virtual host

- Context: directory, .htaccess
- Override: AuthConfig
- Module: mod_authz_core

```apache
Require ip 192.0.2.0/24
```

- Default: `1M`
- Context: server, virtual host, directory
- Override: none: not in .htaccess files
- Module: core

```apache
RequestBodyBuffer 256K
```

Refused: SuexecUserGroup is not supported

- Module: mpm_prefork, mpm_worker, mpm_event

```apache
StartServers 2
```
"""


@pytest.mark.parametrize("lines", re.split(r"\n\n(?=- |Refused)(?<!Timeout\n\n)", ENTRIES.strip()))
def test_what_an_entry_says(lines: str) -> None:
    assert lines in directives_page.PAGE.read_text()
