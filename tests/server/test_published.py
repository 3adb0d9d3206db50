"""All that the published mod_python on httpd was asked and answered (tools/compare), asked again of this server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.server import BACKENDS

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def test_answers_as_httpd_s_own_modules(orphanage: None) -> None:
    """The same of httpd's modules: see tools/comparing/deliberate_httpd.py."""
    saved = TOOLS / "compare_modules" / "httpd.jsonl"
    command = [sys.executable, str(TOOLS / "compare"), "--httpd", "--saved", str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.splitlines()[-1].split()[0]) >= 1100, "comparisons are missing"


@pytest.mark.parametrize("backend", [kind for kind in BACKENDS if kind != "main"])
def test_answers_as_the_published_one(backend: str, orphanage: None) -> None:
    """What differs is listed in tools/comparing/deliberate.py, or this fails and shows it."""
    command = [
        sys.executable,
        str(TOOLS / "compare"),
        "--saved",
        str(TOOLS / "compare_site" / "published.jsonl"),
    ]
    done = subprocess.run([*command, "--backend", backend], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.splitlines()[-1].split()[0]) >= 1000, "comparisons are missing"
