"""The names of the published package's modules, and why some of them are not here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from covering.sections import SECTIONS

HERE = Path(__file__).parent
#: What tools/published-names was told.
PUBLISHED = HERE / "published.json"
LEFT_OUT = HERE / "left_out.txt"

#: Which module a published one is here, where that differs; and sections of its objects.
MODULES = {"_apache": "mod_python._served"}
OBJECTS = ("request", "server", "table")

TITLE = "## Names of the published package's modules that are not here"


class Reason(NamedTuple):
    """Why names of a module are left out."""

    module: re.Pattern[str]
    names: re.Pattern[str]
    why: str


@cache
def reasons() -> tuple[Reason, ...]:
    """left_out.txt."""
    found = []
    for line in LEFT_OUT.read_text().splitlines():
        if line and not line.startswith("#"):
            module, names, why = line.split(": ", 2)
            found.append(Reason(re.compile(".*" if module == "*" else module), re.compile(names), why))
    return tuple(found)


def missing() -> Iterator[tuple[str, str]]:
    """The names that are not here, with their modules."""
    published: dict[str, list[str] | None] = json.loads(PUBLISHED.read_text())
    for module, names in published.items():
        for name in names or ():
            if not re.search(r"(^|\.)__", name) and not _exists(module, name):
                yield module, name


def _exists(module: str, name: str) -> bool:
    if module in OBJECTS:
        return SECTIONS[module].exists(name)
    if module == "mod_python.apache" and SECTIONS["apache"].exists(name):
        return True
    try:
        found: Any = import_module(MODULES.get(module, module))
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return name == "_apache"  # (it is there in a server)
    return True


def left_out() -> tuple[list[tuple[str, str, str]], list[str]]:
    """Rows of module, names and reason; and what is wrong: names without a reason, reasons without a name."""
    rows: dict[tuple[str, str], list[str]] = {}
    faults: list[str] = []
    used: set[Reason] = set()
    for module, name in missing():
        reason = next((r for r in reasons() if r.module.fullmatch(module) and r.names.fullmatch(name)), None)
        if reason is None:
            faults.append(f"{module}: {name} of the published package is not here, and left_out.txt does not say why")
        else:
            used.add(reason)
            rows.setdefault((module, reason.why), []).append(name)
    faults += [f"left_out.txt: nothing is left out by {r.names.pattern}" for r in reasons() if r not in used]
    return [(module, ", ".join(f"`{name}`" for name in names), why) for (module, why), names in rows.items()], faults


def section() -> str:
    """The section of the page."""
    lines = "".join(f"| `{module}` | {names} | {why} |\n" for module, names, why in left_out()[0])
    return f"{TITLE}\n\n| module | names | why |\n| --- | --- | --- |\n{lines}\n"
