"""docs/testing.md: its tests run as they stand there; and the examples, with the types that handlers see."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.pages import page
from support.processes import PROJECT

BLOCK = re.compile(r"^```python\n# (?P<file>\w+\.py)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def run(*words: str, cwd: Path) -> str:
    """What a module of Python says, which has to succeed."""
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tests_of_the_page_pass(tmp_path: Path) -> None:
    found = {block["file"]: block["text"] for block in BLOCK.finditer(page("testing.md"))}
    assert len(found) == 4
    for name, text in found.items():
        (tmp_path / name).write_text(text)
    assert re.search(r"^[5-9] passed", run("pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path), re.MULTILINE)


def test_the_examples_and_the_page_have_sound_types(tmp_path: Path) -> None:
    sources = [str(file) for file in sorted((PROJECT / "examples").glob("*/app/*.py"))]
    typed = re.findall(r"^```python\n(from __future__ .*?)^```$", page("testing.md"), re.MULTILINE | re.DOTALL)
    assert sources
    assert typed
    for number, text in enumerate(typed):
        file = tmp_path / f"typed{number}.py"
        file.write_text(text)
        sources.append(str(file))
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\npython_version = 3.11\n")
    said = run("mypy", "--config-file", "mypy.ini", "--cache-dir", str(tmp_path), *sources, cwd=tmp_path)
    assert said.startswith("Success: no issues found")


def test_types_of_handlers_tell_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "from __future__ import annotations\n\nfrom mod_python import apache\n\n\n"
        "def handler(req: apache.Request) -> int:\n    req.wirte('x')\n    return req.method\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--cache-dir", str(tmp_path), "--strict", "app.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert '"Request" has no attribute "wirte"' in done.stdout
    assert 'got "str", expected "int"' in done.stdout
