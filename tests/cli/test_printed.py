"""What the command prints: a unit for systemd, and all of it into pipes that are closed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mpserver.cli import unit
from support.commands import command
from support.processes import PROJECT


def test_the_unit_has_the_paths_of_this_command_and_configuration(tmp_path: Path) -> None:
    (tmp_path / "mpserver.conf").write_text("Listen 9\n")
    done = command(tmp_path, "--print-unit")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert f"Environment=MPSERVER_CONF={tmp_path}/mpserver.conf" in lines
    [start] = [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")]
    assert start.endswith("mpserver -D FOREGROUND -f ${MPSERVER_CONF}")
    assert os.access(start.split()[0], os.X_OK)


def test_it_is_the_one_of_the_project() -> None:
    def settings(file: Path) -> list[str]:
        return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]

    made = settings(PROJECT / "mpserver" / "cli" / "mpserver.service.in")
    values = {"@COMMAND@": "/usr/local/bin/mpserver", "@CONF@": "MPSERVER_CONF=/etc/mpserver/httpd.conf"}
    for name, value in values.items():
        made = [line.replace(name, value) for line in made]
    assert made == settings(PROJECT / "conf" / "mpserver.service")


def test_words_with_signs_are_one_word() -> None:
    made = unit.text('/srv/my site/100% "$x".conf').splitlines()
    assert 'Environment="MPSERVER_CONF=/srv/my site/100%% \\"$x\\".conf"' in made


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_systemd_takes_it(tmp_path: Path) -> None:
    file = tmp_path / "mpserver.service"
    file.write_text(command(tmp_path, "--print-unit", "-f", "a b.conf").stdout)
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert str(file) not in done.stderr


@pytest.mark.parametrize(
    "words", [("-L",), ("--help",), ("serve", "--help"), ("--print-unit",), ("-t", "-D", "DUMP_MODULES")]
)
def test_who_has_read_enough_is_told_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "mpserver.conf").write_text("Listen 127.0.0.1:9\nServerName localhost\n")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = command(tmp_path, *words, stdout=writer)
    finally:
        os.close(writer)
    assert done.stderr == ""
    assert done.returncode in (
        141,
        0 if words[0] == "serve" else 141,
    )  # (argparse may say nothing of it, not even to us)
