"""README.md, done as it says: its commands are given, and its handler is served by its configuration."""

from __future__ import annotations

import os
import re
import shlex
import textwrap
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import command, running
from support.processes import PROJECT, adopt_orphans, descendants, nothing_outlives
from support.server import Port
from support.waiting import PATIENCE, wait_for

README = (PROJECT / "README.md").read_text()
BLOCKS = [
    textwrap.dedent(match[1]) for match in re.finditer(r"(?<=\n\n)((?:    .*\n(?:\n(?=    ))?)+)", README)
]  # fmt: skip
INSTALL, SERVE, NEW, OPTIONS, HANDLER, CONF, CLONE = BLOCKS
SHOP = (
    "def app(environ, start_response):\n"
    "    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [b'the shop\\n']\n"
)


def lines(block: str) -> list[list[str]]:
    """The commands of a block, in words."""
    return [shlex.split(line, comments=True) for line in block.splitlines()]


@pytest.fixture
def port() -> Iterator[Port]:
    reserved = Port()
    yield reserved
    reserved.release()


def ask(port: Port, path: str) -> str:
    """What is answered; "": nobody listens yet, or it is an error."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port.number}{path}", timeout=PATIENCE) as reply:
            text: bytes = reply.read()
            return text.decode()
    except (urllib.error.URLError, ConnectionError):
        return ""


@pytest.mark.parametrize(
    ("words", "text"),
    [*zip(SERVE.splitlines(), ("the shop", "Hello, 127.0.0.1!", "shop.py"), strict=True)],
    ids=("wsgi", "handler", "folder"),
)
def test_what_is_served_without_a_configuration(tmp_path: Path, port: Port, words: str, text: str) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "shop.py").write_text(SHOP)
    (site / "hello.py").write_text(HANDLER)
    name, *given = shlex.split(words, comments=True)
    assert name == "mpserver"
    with running(site, tmp_path / "said", *given, "--bind", f"127.0.0.1:{port.number}"):
        wait_for(lambda: text in ask(port, "/"), f"{words}: {text}")


def test_a_site_to_begin_with(tmp_path: Path, port: Port) -> None:
    made, entered, served, tested = lines(NEW)
    assert command(tmp_path, *made[1:]).returncode == 0
    assert entered == ["cd", "mysite"]
    assert tested == ["python", "-m", "unittest"]  # (test_new.py does that)
    with running(tmp_path / "mysite", tmp_path / "said", *served[1:], "-C", f"Define PORT {port.number}"):
        wait_for(lambda: "/notes.py" in ask(port, "/"), "the first page")


def test_the_handler_with_its_configuration(tmp_path: Path, port: Port) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "hello.py").write_text(HANDLER)
    text = CONF
    for here, there in (
        ("Listen 127.0.0.1:8000", f"Listen 127.0.0.1:{port.number}"), ("/run/mpserver.pid", f"{tmp_path}/mpserver.pid"),
        ("/var/log/mpserver.log", f"{tmp_path}/mpserver.log"), ("/srv", str(tmp_path)),
        ("User www-data\n", "User root\n" if os.geteuid() == 0 else ""),
    ):  # fmt: skip
        assert here in text, here
        text = text.replace(here, there)
    (tmp_path / "site.conf").write_text(text)
    test, foreground, daemon = lines(OPTIONS)
    done = command(tmp_path, *test[1:])
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "Syntax OK")
    with running(tmp_path, tmp_path / "said", *foreground[1:]):
        wait_for(lambda: ask(port, "/any.py") == "Hello, 127.0.0.1!\n", "the handler")
    assert daemon[1:] == ["-k", "start", "-f", "site.conf"]
    adopt_orphans()
    before = descendants()
    with nothing_outlives():
        assert command(tmp_path, *daemon[1:]).returncode == 0
        try:
            wait_for(lambda: ask(port, "/any.py") == "Hello, 127.0.0.1!\n", "the handler")
        finally:
            assert command(tmp_path, "-k", "stop", "-f", "site.conf").returncode == 0
            wait_for(lambda: descendants() <= before, "the server to end, which the command has told to")


def test_what_else_it_names_is_there() -> None:
    assert lines(INSTALL) == [["pip", "install", "mpserver"]]
    assert [words[0] for words in lines(CLONE)] == ["tools/run", "tools/test"]
    for name in (
        *(words[0] for words in lines(CLONE)),
        *re.findall(r"`((?:docs|tools|conf|examples)/[\w./-]*\w)`", README),
    ):
        assert (PROJECT / name).exists(), name
