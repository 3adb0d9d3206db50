"""bandit, and the arguments for what it finds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

#: What is looked at. (The pages that are compared with Apache's, and the applications beside them, are no part of it.)
FOLDERS = ("mpserver", "mod_python", "tools")
NOT_OURS = ("tools/compare_site/", "tools/wsgi_apps/", "tools/bench_site/", "tools/bench_peers/")

#: Arguments for a rule everywhere, or (by its file) in one file. ruff's, in pyproject.toml, hold as well.
ARGUED: dict[str | tuple[str, str], str] = {
    "B403": "an import does nothing: each use of pickle is looked at, and argued, by B301",
    "B404": "an import does nothing: each use of subprocess is looked at by B602 to B607",
    ("mpserver/cli/completion.py", "B604"): "the argument names the shell that a completion is for; none is started",
    ("mpserver/modules/proxy/parameters.py", "B105"): "what is said of a parameter of that name",
    ("tools/serving/wagtail.py", "B105"): "that of the only user of a site that is thrown away",
    ("tools/benching/main.py", "B610"): "a method of that name; there is no database",
    ("mpserver/modules/ssl/auto.py", "B607"): "mkcert is found by PATH, as people have it; for development alone",
}

#: An argument beside a line: "noqa", the numbers of rules, a dash, and why.
_ARGUMENT = re.compile(r"# noqa: ([A-Z]+\d+(?:, ?[A-Z]+\d+)*)\s+- \S")


def look(root: Path) -> list[str]:
    """What nobody has argued."""
    done = subprocess.run(
        [sys.executable, "-m", "bandit", "-q", "-r", "-f", "json", "-x", ",".join(NOT_OURS), *FOLDERS],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if not done.stdout:
        return [f"bandit did not run: {done.stderr.strip()[-300:] or 'it says nothing'} (pip install --group audit)"]
    told = json.loads(done.stdout)
    errors = [f"{error['filename']}: {error['reason']}" for error in told["errors"]]
    return [*errors, *unargued(root, told["results"], ignored((root / "pyproject.toml").read_text()))]


def ignored(pyproject: str) -> frozenset[str]:
    """The rules that ruff's configuration leaves out everywhere, which has to say why."""
    import tomllib

    rules = tomllib.loads(pyproject)["tool"]["ruff"]["lint"]["ignore"]
    reasons = set(re.findall(r'^\s*"(S\d+)",\s+# \S', pyproject, re.MULTILINE))
    return frozenset(rule for rule in rules if rule in reasons)


def unargued(root: Path, results: Iterable[dict[str, Any]], everywhere: frozenset[str]) -> list[str]:
    """Those of bandit's results for which there is no argument.

    :param everywhere: what ruff's configuration argues, by its own numbers.
    """
    found = []
    for result in results:
        name, rule = result["filename"].removeprefix("./"), result["test_id"]
        same = "S" + rule[1:]
        if name.startswith(NOT_OURS) or same in everywhere or rule in ARGUED or (name, rule) in ARGUED:
            continue
        lines = (root / name).read_text("utf-8").splitlines()
        first, *others = result.get("line_range") or [result["line_number"]]
        last = max([first, *others, result["line_number"]])
        arguments = [_ARGUMENT.search(line) for line in lines[first - 1 : last]]
        if not any(argument is not None and same in argument[1] for argument in arguments):
            found.append(f"{name}:{result['line_number']}: {rule} {result['issue_text']}")
    return found
