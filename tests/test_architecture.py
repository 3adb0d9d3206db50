"""The floors: a module imports from its own folder and from floors below, never from above.

The order is that of the road: ``config`` and ``http1`` know bytes and text only, ``api`` is what
applications touch, ``modules`` stand on it, ``phases`` on these, and the processes on top.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: The floor of each folder of the package; the package's own modules are on the top one.
FLOORS = {"config": 0, "http1": 0, "api": 1, "modules": 2, "phases": 3}
TOP = 4

#: Modules of the package itself that everybody may import: the ground under all floors.
GROUND = {"mpserver", "mpserver.errors", "mpserver.lazyre", "mpserver.typing", "mpserver.version"}

#: What floors 0 to 3 may import beside the standard library: they load in interpreters with a GIL of
#: their own, which extension modules of others may refuse. mod_python's forms need ``multipart``, and its
#: RedisSession ``redis``.
THIRD_PARTY = {"mod_python": {"multipart", "redis"}}

#: Of the standard library, what each interpreter would pay for at its creation.
HEAVY = {
    "asyncio",
    "dataclasses",
    "email",
    "http",
    "logging",
    "urllib.request",
    "xml",
    "ssl",
    "pydoc",
    "unittest",
    "traceback",
    "subprocess",
    "pickle",
    "glob",
    "pathlib",
    "typing",
    "urllib.parse",
    "ipaddress",
    "sysconfig",
    "random",
    "contextlib",
}
#: Loaded only by interpreters that have pages with server side includes.
ON_DEMAND = {f"mpserver.modules.{name}" for name in ("elements", "expressions", "ssi")}

#: Known to be needed by what a module does, imported where it is used.
SOURCES = sorted((ROOT / "mpserver").rglob("*.py"))
BESIDE = sorted((ROOT / "mod_python").rglob("*.py"))


class Import(NamedTuple):
    """One imported module: its full name, its line, and whether importing the file imports it."""

    name: str
    line: int
    at_import: bool


def module_name(path: Path) -> str:
    """The dotted name of a file of the project."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    """Whether a dotted name is a module or package of the project."""
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file, absolute, ``from package import module`` told from names in a module.

    Imports under ``if TYPE_CHECKING`` run nowhere, but they are knowledge of a floor above as well.
    """
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]

    def walk(node: ast.AST, at_import: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, at_import)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    above = package.split(".")[: len(package.split(".")) - child.level + 1]
                    base = ".".join([*above, *([base] if base else [])])
                for alias in child.names:
                    inner = f"{base}.{alias.name}"
                    yield Import(inner if is_module(inner) else base, child.lineno, at_import)
            else:
                runs = not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, at_import and runs and not is_type_checking(child))

    yield from walk(ast.parse(path.read_text(), str(path)), True)


def is_type_checking(node: ast.AST) -> bool:
    """Whether a node is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def floor(name: str) -> int:
    """The floor of one of the package's modules."""
    parts = name.split(".")
    return FLOORS.get(parts[1], TOP) if len(parts) > 1 else TOP


def ids(path: Path) -> str:
    """A file's name for the test's name."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_imports_go_down(path: Path) -> None:
    name = module_name(path)
    if name in GROUND:
        wrong = [i for i in imports(path) if i.name.startswith("mpserver") and i.name not in GROUND]
    else:
        folder = name.split(".")[1]
        wrong = [
            i
            for i in imports(path)
            if i.name.startswith("mpserver")
            and i.name not in GROUND
            and not (i.name.split(".")[1] == folder if floor(name) < TOP else True)
            and floor(i.name) >= floor(name)
        ]
    assert not wrong, f"{name} imports from its floor's neighbour or from above: {wrong}"


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_engine_meets_mod_python_by_handler_name_alone(path: Path) -> None:
    assert [i for i in imports(path) if i.name.split(".")[0] == "mod_python"] == []


@pytest.mark.parametrize("path", BESIDE, ids=ids)
def test_mod_python_stands_on_the_api(path: Path) -> None:
    wrong = [
        i
        for i in imports(path)
        if i.name.split(".")[0] == "mpserver" and i.name.split(".")[1:2] != ["api"] and i.name not in GROUND
    ]
    assert wrong == []


@pytest.mark.parametrize("path", [p for p in SOURCES if floor(module_name(p)) < TOP] + BESIDE, ids=ids)
def test_what_interpreters_import_is_light(path: Path) -> None:
    known = sys.stdlib_module_names | {"mpserver", "mod_python"}
    allowed = known | THIRD_PARTY.get(module_name(path).split(".")[0], set())
    if module_name(path).startswith("mpserver") and module_name(path) not in ON_DEMAND:
        heavy = [
            i for i in imports(path) if i.at_import and (i.name in HEAVY or i.name.split(".")[0] in HEAVY)
        ]
        assert heavy == [], "import it in the function that needs it"
    assert [i for i in imports(path) if i.name.split(".")[0] not in allowed] == []


@pytest.mark.parametrize("path", [*SOURCES, *BESIDE], ids=ids)
def test_files_stay_readable(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 600, "past 600 lines a file wants to be two"


@pytest.mark.parametrize("path", [*SOURCES, *BESIDE], ids=ids)
def test_no_module_level_state_and_no_bare_except(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert [n.lineno for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.type is None] == []
    assert [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Global)] == []


def test_the_test_sees_an_import_from_above() -> None:
    assert floor("mpserver.config.tree") < floor("mpserver.api.request") < floor("mpserver.worker")
    found = {i.name for i in imports(ROOT / "mpserver" / "config" / "registry.py")}
    assert "mpserver.config.settings" in found
