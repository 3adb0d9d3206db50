"""docs/mpserver.1: the manual page is what the table of options says, and sound."""

from __future__ import annotations

import shutil
import subprocess

import man_page
import pytest


def test_the_page_is_what_the_table_says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["man-page", "--check"])
    assert man_page.main() == 0, capsys.readouterr().out
    assert "graceful\\-stop" in man_page.PAGE.read_text()


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff reads it")
def test_groff_finds_nothing_wrong_with_it() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", man_page.PAGE], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "completion" in done.stdout
