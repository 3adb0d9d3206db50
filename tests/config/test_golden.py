"""Configurations and what comes of them: golden/NAME.conf and golden/NAME.expected.

The expected texts were compared with what httpd 2.4 says to the same files. To write them anew after
a change: ``python -m config.test_golden`` in ``tests/``, and read the difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.small import small_registry
from mpserver.cli.info import describe
from mpserver.config.configuration import load
from mpserver.config.tree import Tree
from mpserver.errors import ConfigErrors

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.conf"))


def outcome(path: Path) -> str:
    """The tree, warnings and virtual hosts of a configuration, or its faults."""
    try:
        found = load(str(path), small_registry(), root=str(GOLDEN), defines={"GIVEN": ""})
    except ConfigErrors as errors:
        lines = [str(error) for error in errors.errors]
    else:
        lines = [*shown(found.tree), *(f"warning: {text}" for text in found.warnings)]
        if found.hosts:
            lines.append(describe(found))
    return "\n".join(lines).replace(str(GOLDEN), "GOLDEN") + "\n"


def shown(tree: Tree, indent: str = "") -> Iterator[str]:
    for node in tree:
        words = " ".join(repr(word) for word in node.args)
        place = f"{os.path.basename(node.file)}:{node.line}"
        if node.children is None:
            yield f"{indent}{node.name} {words} [{place}]"
        else:
            yield f"{indent}<{node.name} {words}> [{place}]"
            yield from shown(node.children, indent + "    ")


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_ENVIRONMENT", "the environment's")
    assert outcome(GOLDEN / f"{name}.conf") == (GOLDEN / f"{name}.expected").read_text()


if __name__ == "__main__":
    os.environ["FROM_ENVIRONMENT"] = "the environment's"
    for each in NAMES:
        (GOLDEN / f"{each}.expected").write_text(outcome(GOLDEN / f"{each}.conf"))
