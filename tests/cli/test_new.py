"""``mpserver new``: the site is right, serves, and passes its own test; and how its configuration is found."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import urllib.request
from fnmatch import fnmatch
from pathlib import Path

import pytest

from mpserver.cli.new import FILES
from support.commands import command, running
from support.processes import PROJECT, nothing_outlives
from support.server import Port
from support.waiting import PATIENCE, wait_for

#: The pages of the site, each with what shows that it is the one.
PAGES = {
    "/": '<a href="/notes.py">/notes.py</a>: functions that are pages',
    "/hello": "Hello, 127.0.0.1!\n",
    "/notes.py": "Who are you?",
    "/notes.py/greet?name=%3CZoe%3E": "Hello, &lt;Zoe&gt;!",
    "/shop/tea": "The shop at /shop: you asked for /tea\n",
    "/static/style.css": "color-scheme",
}


def get(port: int, path: str) -> str:
    """What is answered."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as reply:
        text: bytes = reply.read()
        return text.decode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new site."""
    folder = tmp_path_factory.mktemp("new")
    made = command(folder, "new", "mysite")
    assert (made.returncode, made.stderr) == (0, "")
    assert "cd mysite\n" in made.stdout
    return folder / "mysite"


def test_the_site_is_whole_and_right(tmp_path: Path) -> None:
    site = tmp_path / "my site"
    assert command(tmp_path, "new", "my site").returncode == 0
    assert {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()} == set(FILES)
    assert not [path for path in site.rglob("*") if path.is_file() and re.search("@[A-Z]+@", path.read_text())]
    tested = command(site, "-t")
    assert (tested.returncode, tested.stderr) == (0, "Syntax OK\n")


def test_the_folder_serves_without_further_words(site: Path, tmp_path: Path) -> None:
    port = Port()
    said = tmp_path / "said.txt"
    try:
        with running(site, said, "-X", "-C", f"Define PORT {port.number}"):
            wait_for((site / "run" / "mpserver.pid").exists, "the server to start")
            assert {path: text in get(port.number, path) for path, text in PAGES.items()} == dict.fromkeys(PAGES, True)
    finally:
        port.release()
    assert "Publisher loading page" in said.read_text()  # (what is told, is told at the terminal)


def test_its_own_test_passes(site: Path) -> None:
    with nothing_outlives():
        done = subprocess.run(
            [sys.executable, "-m", "unittest", "-v"],
            cwd=site, capture_output=True, text=True, timeout=2 * PATIENCE, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Ran 5 tests" in done.stderr


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        (".", "is not empty: name a folder that is not there yet"),
        ("file/site", "can't be made: "),
        ("site[1]", "can't be the folder of a site: choose a path without ["),
        ('a"b', """can't be the folder of a site: choose a path without \""""),
    ],
)
def test_folders_that_can_not_be(tmp_path: Path, folder: str, said: str) -> None:
    (tmp_path / "file").write_text("")
    done = command(tmp_path, "new", folder)
    assert done.returncode == 1
    assert done.stderr.startswith("mpserver new: ")
    assert said in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.path.exists("/etc/mpserver/httpd.conf"), reason="this machine has a configuration")
@pytest.mark.parametrize("words", [(), ("-X",), ("-t",), ("-k", "stop")])
def test_without_a_configuration_the_command_says_what_to_do(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = command(tmp_path, *words)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"mpserver: there is no configuration, neither mpserver.conf in this folder ({tmp_path})"
    )
    assert "\n  mpserver new mysite " in done.stderr
    assert "\n  mpserver serve APPLICATION " in done.stderr


def test_what_is_named_is_taken_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "mpserver.conf").write_text("Misspelled\n")
    (tmp_path / "other.conf").write_text("Listen 127.0.0.1:9\nServerName localhost\nUser root\n")
    assert "Invalid command 'Misspelled'" in command(tmp_path, "-t").stderr
    assert command(tmp_path, "-t", "-f", "other.conf").stderr == "Syntax OK\n"
    assert "Misspelled" not in command(tmp_path, "-t", "-d", str(tmp_path)).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_nobody_is_made_to_run_what_others_put_there(tmp_path: Path) -> None:
    conf = tmp_path / "mpserver.conf"
    conf.write_text("Listen 127.0.0.1:9\nServerName localhost\nUser root\n")
    os.chown(conf, 65534, 65534)
    done = command(tmp_path, "-t")
    assert done.returncode == 1
    assert f"{conf} belongs to another account (number 65534): write -f mpserver.conf if you mean it" in done.stderr
    assert command(tmp_path, "-t", "-f", "mpserver.conf").stderr == "Syntax OK\n"
    assert command(tmp_path, "--version").returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only a start by root needs a User")
def test_root_hears_before_the_start_that_there_is_no_user(tmp_path: Path) -> None:
    (tmp_path / "mpserver.conf").write_text("Listen 127.0.0.1:9\nServerName localhost\n")
    done = command(tmp_path, "-t")
    warning, ok = done.stderr.splitlines()
    assert (done.returncode, ok) == (0, "Syntax OK")
    assert warning.startswith("Warning: Started by root, but no User is configured for the workers. Add 'User' ")


def test_where_a_configuration_was_looked_for(tmp_path: Path) -> None:
    done = command(tmp_path, "-t", "-f", "nosuch.conf")
    assert done.returncode == 1
    assert done.stderr == (
        f"there is neither {tmp_path}/nosuch.conf nor /etc/mpserver/nosuch.conf, where -f looks next: name a file that "
        "is there\n"
    )
    assert (
        f"Could not open configuration file {tmp_path}/no.conf" in command(tmp_path, "-f", f"{tmp_path}/no.conf").stderr
    )


def test_the_texts_are_in_the_package() -> None:
    packaging = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    patterns = packaging["tool"]["setuptools"]["package-data"]["mpserver"]
    texts = PROJECT / "mpserver" / "cli" / "new_site"
    assert sorted(path.name for path in texts.iterdir()) == sorted(FILES.values())
    assert [
        name for name in FILES.values() if not any(fnmatch(f"cli/new_site/{name}", each) for each in patterns)
    ] == []
