"""Blocks of pages that no guide types (`server/test_guides.py`): each is read as what it is, and none is left out.

Configurations are read by the server, and may not be warned of; commands of the server are read by its command line;
what others run or is a picture stands in a table here, with what looks after it.
"""

from __future__ import annotations

import argparse
import ast
import re
import shlex
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from mpserver.cli import check_app, import_unit, new, options, serve
from mpserver.cli.words import COMMANDS
from mpserver.config.configuration import load
from mpserver.modules import all as modules
from support.pages import page
from support.processes import PROJECT

DOCS = PROJECT / "docs"
#: Blocks of a page that is made by a tool, or read by a test of its own.
APART = {
    "directives.md": "test_directives_page.py",
    "testing.md": "testing/test_docs.py",
    "status-and-metrics.md": "server/test_status_page_of_docs.py",
    "writing-a-module.md": "server/test_writing_a_module.py",
}
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)((?:    .*\n(?:\n(?=    ))?)+)")
_FENCED = re.compile(
    r"^(?P<file>`site/[\w/.-]+`:\n\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
#: Sections that are read with the file, and are no directives of a module.
SECTIONS = ("directory", "location", "virtualhost", "proxy")

#: Pictures and what programs print, by what they begin with; and who sees to them.
SHOWN: Mapping[str, str] = {
    "master ── fork": "test_architecture.py looks for the files that the page names",
    "GET /hello.py": "test_architecture.py looks for the files that the page names",
    "its client's greeting is read": "test_architecture.py looks for the files that the page names",
    "Router._hand_over": "test_architecture.py looks for the files that the page names",
    "text ── config": "test_architecture.py looks for the files that the page names",
    "SignalQueue.read": "here: its files and functions",
    "interpreter 'shop' in worker": "cli/profile: what --profile prints",
    "[Fri Nov 20": "server/test_messages: a line of the error log",
    "[tracing:warn]": "server/test_traces: a line of the error log",
    "[uwsgi]": "the configuration of another server",
    "upstream site": "a line of nginx",
    "# mpserver.socket": "server/test_systemd_sockets: a unit beside a line of the configuration",
    '<!--#python exec="': "server/test_include: elements of the module include",
}
#: Programs of others.
OTHERS = frozenset(("systemctl", "docker", "kubectl", "helm", "nomad", "pip", "python3", ".", "curl", "mkdir"))
PARSERS: Mapping[str, Callable[[], argparse.ArgumentParser]] = {
    "serve": serve.parser, "new": new.parser, "check-app": check_app.parser, "import-unit": import_unit.parser,
}  # fmt: skip


class Block(NamedTuple):
    """A block, its page, and its language ("": it is indented)."""

    page: str
    language: str
    text: str

    @property
    def first(self) -> str:
        """Its first word."""
        return self.text.split()[0]


def blocks() -> Iterator[Block]:
    """Those that no guide types."""
    for path in sorted(DOCS.rglob("*.md")):
        name = str(path.relative_to(DOCS))
        if name in APART:
            continue
        text = page(name)
        for found in _FENCED.finditer(text):
            if not found["file"] and found["language"] != "console":
                yield Block(name, found["language"], found["text"])
        for match in _INDENTED.finditer(_FENCED.sub("", text)):
            yield Block(name, "", textwrap.dedent(match[1]))


BLOCKS = list(blocks())
DIRECTIVES = modules.registry().directives


def kind(block: Block) -> str:
    """What a block is; "" for none that is known."""
    word = block.first.strip("<>")
    if any(block.text.startswith(start) for start in SHOWN):
        return "shown"
    if word == "$" or word in ("mpserver", *OTHERS):
        return "commands"
    if word.lower() in (*DIRECTIVES, *SECTIONS) or f"<{word.lower()}" in DIRECTIVES:
        return "configuration"
    return "python" if re.match(r"[\w.]+\(|[\w.]+ = ", block.text) else ""


OF_KIND = {name: [block for block in BLOCKS if kind(block) == name] for name in ("configuration", "commands", "python")}


def name_of(block: Block) -> str:
    return f"{block.page}:{block.first}"


def test_each_block_is_of_a_kind() -> None:
    assert [block for block in BLOCKS if not kind(block)] == []
    assert {start for start in SHOWN if not any(block.text.startswith(start) for block in BLOCKS)} == set()
    assert len(OF_KIND["configuration"]) > 15
    assert len(OF_KIND["commands"]) > 10


@pytest.mark.parametrize("block", OF_KIND["configuration"], ids=name_of)
def test_the_server_takes_a_configuration(tmp_path: Path, block: Block) -> None:
    (tmp_path / "logs").mkdir()
    file = tmp_path / "httpd.conf"
    file.write_text(block.text)
    read = load(str(file), modules.registry(), root=str(tmp_path))
    assert read.warnings == []


@pytest.mark.parametrize("block", OF_KIND["commands"], ids=name_of)
def test_the_command_line_takes_a_command(block: Block) -> None:
    told = [line.removeprefix("$ ") for line in block.text.splitlines()]
    if block.text.startswith("$ "):
        told = told[:1]  # (what follows is its answer)
    for line in told:
        words = shlex.split(re.split(r"  +(?=[a-z#])|>", line)[0], comments=True)
        if words[:1] != ["mpserver"]:
            assert not words or words[0] in OTHERS, line
            files = [word.partition("=")[0] for word in words if word.startswith("conf/")]
            assert all((PROJECT / name).exists() for name in files), line
        elif words[1:2] and words[1] in COMMANDS:
            if words[1] in PARSERS:
                PARSERS[words[1]]().parse_args(words[2:])
        elif not {"[option", "COMMAND"} & set(words):
            options.parse(words[1:])


@pytest.mark.parametrize("block", OF_KIND["python"], ids=name_of)
def test_python_can_be_read(block: Block) -> None:
    ast.parse(block.text)


def test_the_files_of_the_way_of_a_restart_are_there() -> None:
    (text,) = [block.text for block in BLOCKS if block.text.startswith("SignalQueue.read")]
    files = re.findall(r"[\w/]+\.py", text)
    assert len(files) > 12
    assert [name for name in files if not (PROJECT / "mpserver" / name).is_file()] == []
    source = "".join(path.read_text() for path in (PROJECT / "mpserver").rglob("*.py"))
    functions = set(re.findall(r"(?:^\w+\.|, )(_?[a-z]\w+)(?=,|  )", text, re.MULTILINE))
    assert len(functions) > 8
    assert {name for name in functions if f"def {name}(" not in source} == set()
