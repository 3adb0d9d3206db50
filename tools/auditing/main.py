"""Looks for what is known to be dangerous: bandit in our code, pip-audit in packages, and our eyes on what is shipped.

    pip install --group audit   # bandit and pip-audit
    tools/audit                 # exit status 1 where anything is neither clean nor argued

Each line that bandit finds is argued where it stands, by the number that ruff has for the same rule, or in the table of
`auditing.code`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from auditing import code, deployment, packages

ROOT = Path(__file__).resolve().parents[2]

#: What is looked at, by the name on the command line. Each tells what is wrong, a line each.
PARTS: dict[str, Callable[[Path], list[str]]] = {
    "code": code.look,
    "packages": packages.look,
    "deployment": deployment.look,
}


def main(arguments: list[str] | None = None) -> int:
    """The command. :returns: its exit status."""
    parser = argparse.ArgumentParser(
        "tools/audit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; without: all")
    chosen = parser.parse_args(arguments).parts or list(PARTS)
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}: choose from {', '.join(PARTS)}")
    status = 0
    for part in chosen:
        found = PARTS[part](ROOT)
        print(f"{part}: {'clean' if not found else len(found)}")
        for line in found:
            print(f"  {line}")
        status = 1 if found else status
    return status
