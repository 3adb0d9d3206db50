"""docs/writing-a-module.md, done as it says: the module is written into a copy of the server, and its test is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "writing-a-module.md"

#: A block of code, and the file that it is: all of it, or a line before that of ``before``.
BLOCK = re.compile(
    r"^`(?P<file>[\w/.]+)`(?:, before the line of `(?P<before>[\w.]+)`)?:\n\n```python\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def write_module(root: Path) -> list[str]:
    """Do what the page says. :returns: the files that it names."""
    files = []
    for block in BLOCK.finditer(PAGE.read_text()):
        file = root / block["file"]
        code = block["code"]
        if block["before"]:
            lines = file.read_text().splitlines(keepends=True)
            (place,) = (number for number, line in enumerate(lines) if f'"{block["before"]}"' in line)
            code = "".join([*lines[:place], code, *lines[place:]])
        file.parent.mkdir(exist_ok=True)
        file.write_text(code)
        files.append(block["file"])
    return files


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server and what its tests stand on, with the page's module."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("mpserver", "mod_python", "tests/support"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "tests/server").mkdir()
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copyfile(ROOT / name, root / name)
    assert write_module(root) == [
        *(f"mpserver/modules/greeting/{name}.py" for name in ("__init__", "directives", "hooks")),
        "mpserver/modules/all.py",
        "tests/server/test_greeting.py",
    ]
    return root


def in_copy(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python there."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip


def test_the_pages_test_passes(copy: Path) -> None:
    done = in_copy(copy, "-m", "pytest", "tests/server/test_greeting.py", "-q", "-n", "0", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed", done.stdout.splitlines()[-1])


def test_the_module_is_known(copy: Path) -> None:
    assert "mod_greeting.c" in in_copy(copy, "-m", "mpserver", "-l").stdout
    listed = in_copy(copy, "-m", "mpserver", "-L").stdout
    assert re.search(r"^Greeting \(mod_greeting\.c\)", listed, re.MULTILINE)


def test_what_is_wrong_is_told(copy: Path) -> None:
    (copy / "wrong.conf").write_text("Listen 127.0.0.1:8080\nGreeting Gr\u00fc\u00dfe\n")
    done = in_copy(copy, "-m", "mpserver", "-t", "-f", str(copy / "wrong.conf"))
    assert done.returncode != 0
    assert "wrong.conf" in done.stderr and "line 2" in done.stderr
    assert "Greeting 'Grüße' can't be sent in a header" in done.stderr
