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


WRONG = """\
from __future__ import annotations

from mod_python import apache


def handler(req: apache.Request) -> int:
    req.wirte("x")
    return req.method
"""


def test_the_examples_and_the_page_have_sound_types_and_what_is_wrong_is_seen(tmp_path: Path) -> None:
    sources = [str(file) for file in sorted((PROJECT / "examples").glob("*/app/*.py"))]
    typed = re.findall(r"^```python\n(from __future__ .*?)^```$", page("testing.md"), re.MULTILINE | re.DOTALL)
    assert sources
    assert typed
    for name, text in {"wrong": WRONG, **{f"typed{number}": text for number, text in enumerate(typed)}}.items():
        (tmp_path / f"{name}.py").write_text(text)
        sources.append(f"{name}.py")
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\npython_version = 3.11\n")
    # (all at once: it reads the library and the server each time)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--cache-dir", str(tmp_path / "cache"), *sources],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    first, second, *rest = done.stdout.splitlines()
    assert first.startswith('wrong.py:7: error: "Request" has no attribute "wirte"')
    assert second.startswith('wrong.py:8: error: Incompatible return value type (got "str", expected "int")')
    assert rest == [f"Found 2 errors in 1 file (checked {len(sources)} source files)"], done.stdout + done.stderr
