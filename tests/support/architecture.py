"""The rules of the house, as functions of a tree of sources: what `tests/test_architecture.py` asks of the project.

Each rule takes a `House` and returns what breaks it, a line each; so that the tests can also show them a tree in
which a rule is broken on purpose.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

#: The floor of each place on the road, from the ground up: a module imports from its own place, and from places on
#: floors below. (The longest name that a module's begins with is its place.)
FLOORS = {
    "mpserver": 0,
    "mpserver.alike": 1,
    "mpserver.builtin": 1,
    "mpserver.enumeration": 1,
    "mpserver.errors": 1,
    "mpserver.lazy": 1,
    "mpserver.lazyre": 2,
    "mpserver.ready_regexes": 1,
    "mpserver.remembered": 1,
    "mpserver.typing": 0,
    "mpserver.version": 1,
    "mpserver.ipc": 2,
    "mpserver.config": 3,
    "mpserver.http1": 3,
    "mpserver.locks": 3,
    "mpserver.system": 3,
    "mpserver.tls": 3,
    "mpserver.api": 4,
    "mpserver.modules": 5,
    "mod_python": 5,
    "mpserver.phases": 6,
    "mpserver.supervisor": 6,
    "mpserver.serving": 7,
    "mpserver.certificates": 7,
    "mpserver.telemetry": 7,
    "mpserver.master": 7,
    "mpserver.application": 8,
    "mpserver.interp": 9,
    "mpserver.interpreters": 10,
    "mpserver.routing": 11,
    "mpserver.worker": 12,
    "mpserver.cli": 13,
    "mpserver.testing": 14,
    "mpserver.__main__": 14,
}

#: What everybody stands on.
GROUND = {
    "mpserver", "mpserver.alike", "mpserver.builtin", "mpserver.enumeration", "mpserver.errors", "mpserver.lazy",
    "mpserver.lazyre", "mpserver.ready_regexes", "mpserver.typing", "mpserver.version",
}  # fmt: skip

#: Lines of a file, at most.
LONGEST = 450

#: Functions that import a module by its name.
BY_NAME = frozenset({"__import__", "import_module", "importlib.import_module", "lazy.module"})

#: Methods that change what they belong to.
CHANGING = frozenset({
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "setdefault", "sort", "update",
})  # fmt: skip
#: What modules keep all the same: what an interpreter lends to its applications, and what each thread has for itself.
KEPT = {("mpserver.api.runtime", "_lent"), ("mod_python._cgi.stage", "_thread")}


class Import(NamedTuple):
    """One imported module: its full name, its line, and whether importing the file imports it."""

    name: str
    line: int
    at_import: bool


class House(NamedTuple):
    """The sources of the project by the modules' dotted names; ``packages`` are its folders."""

    sources: Mapping[str, str]
    packages: frozenset[str]

    def imports(self, name: str) -> Iterator[Import]:
        """Every import of a module, absolute, ``from package import module`` told from names in a module.

        (Not for modules of others: there a name in a module looks like a module.) What is imported of the server
        by a name that stands there (`BY_NAME`) counts as well; mod_python is met by its name on purpose.
        Imports in functions and those under ``if TYPE_CHECKING`` are knowledge of a floor above as well.
        """
        package = name if name in self.packages else name.rpartition(".")[0]
        yield from self._walk(_tree(self.sources[name]), package, True)

    def _walk(self, node: ast.AST, package: str, at_import: bool) -> Iterator[Import]:
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
                    ours = base in self.sources and inner not in self.sources
                    yield Import(base if ours else inner, child.lineno, at_import)
            else:
                if isinstance(child, ast.Call) and (called := _imported(child)).startswith("mpserver."):
                    yield Import(called, child.lineno, at_import)
                runs = not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from self._walk(child, package, at_import and runs and not is_type_checking(child))


@functools.lru_cache(maxsize=2)
def _tree(source: str) -> ast.Module:
    """The tree of a source, which the rules look at one after the other."""
    return ast.parse(source)


def house_of(root: Path) -> House:
    """The project's own house."""
    sources: dict[str, str] = {}
    packages: set[str] = set()
    for top in ("mpserver", "mod_python"):
        for path in (root / top).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            sources[name] = path.read_text()
            packages.update(".".join(parts[:count]) for count in range(1, len(parts)))
    return House(sources, frozenset(packages))


def is_type_checking(node: ast.AST) -> bool:
    """Whether a node is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _imported(call: ast.Call) -> str:
    """What a call imports by its name; "": it does something else, or the name is no literal."""
    if not call.args or ast.unparse(call.func) not in BY_NAME:
        return ""
    name = call.args[0]
    return name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else ""


def place(name: str) -> str:
    """The place of a module: the longest of FLOORS that its name begins with."""
    while name not in FLOORS:
        name = name.rpartition(".")[0]
    return name


def upward(house: House, name: str) -> list[str]:
    """Imports of a module from its floor's neighbours or from above."""
    own = place(name)
    return [
        f"{name} line {found.line} imports {found.name}"
        for found in house.imports(name)
        if found.name.split(".")[0] in ("mpserver", "mod_python")
        and place(found.name) != own
        and FLOORS[place(found.name)] >= FLOORS[own]
    ]


def circles(house: House) -> list[str]:
    """Modules that import each other, over whatever detour: each circle's modules (Tarjan's components)."""
    graph = {name: sorted({i.name for i in house.imports(name)} & set(house.sources)) for name in house.sources}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[str] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            members = [stack.pop()]
            while members[-1] != name:
                members.append(stack.pop())
            if len(members) > 1 or name in graph[name]:
                found.append(", ".join(sorted(members)))

    for name in graph:
        if name not in index:
            visit(name)
    return found


def beside_the_api(house: House, name: str) -> list[str]:
    """What a module of mod_python imports of the server beside its interface and the ground."""
    return [
        f"{name} line {found.line} imports {found.name}"
        for found in house.imports(name)
        if found.name.split(".")[0] == "mpserver" and place(found.name) != "mpserver.api" and found.name not in GROUND
    ]


def by_name(house: House, name: str) -> list[str]:
    """Imports of mod_python by the server, which meets it by the names of handlers alone."""
    return [
        f"{name} line {found.line} imports {found.name}"
        for found in house.imports(name)
        if found.name.split(".")[0] == "mod_python"
    ]


def too_long(house: House, name: str) -> list[str]:
    """A file of more than LONGEST lines, which wants to be two."""
    count = len(house.sources[name].splitlines())
    return [f"{name} has {count} lines"] if count > LONGEST else []


def unsaid(house: House, name: str) -> list[str]:
    """A folder whose docstring does not say in a sentence what lives there."""
    said = ast.get_docstring(_tree(house.sources.get(name, ""))) or ""
    return [] if said.partition("\n")[0].rstrip().endswith(".") else [f"{name} does not say what lives there"]


def misplaced(house: House) -> list[str]:
    """Modules at the top of the package that belong into a folder."""
    tops = [name for name in house.sources if name.count(".") == 1 and name.startswith("mpserver.")]
    return [f"{name} belongs into a folder" for name in tops if name not in FLOORS]


def heavy(house: House, name: str, parts: Iterable[str]) -> list[str]:
    """Parts of the standard library that come with a module, each with all that is in it."""
    return [
        f"{name} line {found.line} imports {found.name}"
        for found in house.imports(name)
        if found.at_import and any(f"{found.name}.".startswith(f"{part}.") for part in parts)
    ]


def foreign(house: House, name: str, known: Container[str]) -> list[str]:
    """Imports of a module from packages that are not known."""
    return [
        f"{name} line {found.line} imports {found.name}"
        for found in house.imports(name)
        if found.name.split(".")[0] not in known
    ]


def private(house: House, name: str) -> list[str]:
    """Private names of other modules that a module imports; a private module is its package's own."""
    return [
        f"{name} line {node.lineno} imports {alias.name} of {node.module}"
        for node in ast.walk(_tree(house.sources[name]))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name.startswith("_") and f"{node.module}.{alias.name}" not in house.sources
        and (node.level or (node.module or "").split(".")[0] in ("mpserver", "mod_python"))
    ]  # fmt: skip


def stateful(house: House, name: str) -> list[str]:
    """Bare excepts, and functions that assign to names of the module or change what these stand for."""
    tree = _tree(house.sources[name])
    bare = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.type is None]
    state = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Global)]
    kept = sorted({(line, n) for line, n in _changed(tree) if (name, n) not in KEPT})
    return [
        *(f"{name} line {line}: bare except" for line in bare),
        *(f"{name} line {line}: global" for line in state),
        *(f"{name} line {line}: changes {n}, which is the module's" for line, n in kept),
    ]


def _changed(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Where functions change what a name of the module stands for: its items, its attributes, or by its methods."""
    names = {
        n for statement in tree.body if isinstance(statement, ast.Assign | ast.AnnAssign) for n in _bound(statement)
    }
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        own = {n.arg for n in ast.walk(function) if isinstance(n, ast.arg)} | set(_bound(function))
        for node in ast.walk(function):
            changed = None
            if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
                changed = node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
                changed = node.func.value
            if isinstance(changed, ast.Name) and changed.id in names - own:
                yield changed.lineno, changed.id


def _bound(tree: ast.AST) -> Iterator[str]:
    """The names that are assigned to."""
    return (n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
