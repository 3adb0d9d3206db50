"""Directives that have no effect, of all modules: golden/NAME.conf, and what is said to it in golden/NAME.expected.

To write them anew after a change: ``python -m modules.test_golden`` in ``tests/``, and read the difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from mpserver.config.configuration import load
from mpserver.errors import ConfigErrors
from mpserver.modules.all import registry

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.conf"))


def outcome(path: Path) -> str:
    """The faults of a configuration, or its warnings."""
    try:
        found = load(str(path), registry(), root=str(GOLDEN))
    except ConfigErrors as errors:
        lines = [str(error) for error in errors.errors]
    else:
        lines = list(found.warnings)
    return "\n".join(lines).replace(str(GOLDEN), "GOLDEN") + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str) -> None:
    path = GOLDEN / f"{name}.conf"
    assert outcome(path) == path.with_suffix(".expected").read_text()
    told = [line.split()[0] for line in path.read_text().splitlines() if line.strip()[:1] not in ("#", "<")]
    assert [word for word in told if f"{word} " not in outcome(path)] == [], "nothing is said of these"


if __name__ == "__main__":
    for each in NAMES:
        (GOLDEN / f"{each}.expected").write_text(outcome(GOLDEN / f"{each}.conf"))
