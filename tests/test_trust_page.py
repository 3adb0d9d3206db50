"""docs/trust.md: each promise names tests, and they are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "trust.md").read_text()
PROMISED = PAGE.partition("## What is promised")[2].partition("## What is not promised")[0]


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 30
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(rf"^ *def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert not missing


def test_every_promise_has_a_test_and_every_actor_stands_there() -> None:
    promises = re.split(r"\n- ", PROMISED)[1:]
    untested = [promise for promise in promises if "`tests/" not in promise]
    # (one tells what to do)
    assert [promise.startswith("Whoever is on the machine of a proxy") for promise in untested] == [True]
    actors = re.findall(r"^\| \*\*([\w ]+)\*\*", PAGE, re.MULTILINE)
    assert len(actors) == 7
    assert re.search(r"docs/trust\.md", (ROOT / "SECURITY.md").read_text())
