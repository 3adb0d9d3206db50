"""pip-audit: whether anything that is installed here is known to be vulnerable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def look(root: Path) -> list[str]:
    """What is known, a line for each package; nothing where no registry answers, which is said."""
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", "--skip-editable", "--progress-spinner", "off", "-f", "json"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "No module named" in done.stderr:
        return ["pip-audit is not here: pip install --group audit"]
    if "ServiceError" in done.stderr or "ConnectionError" in done.stderr:
        print("packages: no registry answers, so nothing is known of them")
        return []
    if not done.stdout:
        return [f"pip-audit failed: {done.stderr.strip()[-300:]}"]
    return [
        f"{package['name']} {package['version']}: {', '.join(one['id'] for one in package['vulns'])}"
        for package in json.loads(done.stdout)["dependencies"]
        if package.get("vulns")
    ]
