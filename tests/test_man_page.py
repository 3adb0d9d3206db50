"""docs/mpserver.1 and docs/command-line.md: what the table of options says, and sound."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import man_page
import pytest

from mpserver.cli import option_table


def test_the_page_is_what_the_table_says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["man-page", "--check"])
    assert man_page.main() == 0, capsys.readouterr().out
    assert "graceful\\-stop" in man_page.PAGE.read_text()


def test_the_page_of_the_site_has_the_same() -> None:
    text = man_page.MARKDOWN.read_text()
    for name in (*option_table.COMMANDS, *(option.long for option in option_table.options(""))):
        assert f"`{name}" in text or f"`mpserver {name}" in text
    assert "| `--bind` *HOST:PORT* | where to listen (default: 127.0.0.1:8000) |" in text


def test_stale_pages_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["man-page", "--check"])
    monkeypatch.setattr(man_page, "MARKDOWN", man_page.ROOT / "docs" / "nowhere" / tmp_path.name)
    assert man_page.main() == 1
    assert capsys.readouterr().out == f"docs/nowhere/{tmp_path.name} is not what tools/man-page writes: run it\n"


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff reads it")
def test_groff_finds_nothing_wrong_with_it() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", man_page.PAGE], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "completion" in done.stdout
