"""docs/api-coverage.md: every public name is implemented, has a test, and stands on the page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_public_name_is_there_tested_and_on_the_page() -> None:
    command = [sys.executable, str(ROOT / "tools" / "coverage-page"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
