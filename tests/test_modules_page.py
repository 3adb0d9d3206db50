"""docs/httpd-modules.md: the modules and directives as the server's tables have them."""

from __future__ import annotations

import sys
from pathlib import Path

import modules_page
import pytest

from mpserver.config.registry import Args
from mpserver.modules.all import registry


def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit status of ``tools/modules-page --check``, and what it says."""
    monkeypatch.setattr(sys, "argv", ["modules-page", "--check"])
    status = modules_page.main()
    return status, capsys.readouterr().out


def test_the_page_is_what_the_tables_say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(monkeypatch, capsys) == (0, "")


def test_a_page_that_tells_something_else_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = modules_page.ROOT / "docs" / "nowhere" / tmp_path.name
    monkeypatch.setattr(modules_page, "PAGE", stale)
    status, text = check(monkeypatch, capsys)
    assert status == 1
    assert "is not what tools/modules-page writes" in text


def test_a_directive_that_the_reader_has_and_the_page_lacks_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    read = {**modules_page.READ, "mod_so.c": (("LoadNothing", "s"),)}
    monkeypatch.setattr(modules_page, "READ", read)
    assert list(modules_page.faults()) == [
        "READ lacks loadmodule, which is read with the file",
        "READ has loadnothing, which nobody reads",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "| `AliasMatch` | sv |  | two: a regular expression and a path of the file system |",
        "| `Require` | dh | AuthConfig | who may come, as valid-user or ip 10.0.0.0/8 |",
        "| `Order` | dh | Limit | one: allow,deny or deny,allow or mutual-failure |",
        "| `<RequireAny>` | dh | AuthConfig | no arguments |",
        "| `<VirtualHost>` | s |  | |",
        "| `privileges_module` | it is for Solaris |",
    ],
)
def test_what_a_line_says(line: str) -> None:
    assert line in modules_page.page().splitlines()


def test_every_directive_with_words_of_its_own_says_which() -> None:
    silent = [
        one.name for module in registry().built_in for one in module.directives if one.args is Args.RAW and not one.help
    ]
    assert silent == []
