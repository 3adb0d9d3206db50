"""``mpserver check-app``: what of an older application, or its configuration, does not run here as it is."""

from __future__ import annotations

import argparse
import ast
import importlib.util
import itertools
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from mpserver.cli.old_code import REMOVED, RENAMED, Finding, findings, imported, plain
from mpserver.config.tree import Node, Tree
from mpserver.errors import ConfigError, ConfigErrors

#: The endings of what is looked at, and folders that hold nothing of an application's own.
SOURCES = (".py", ".psp", ".wsgi")
SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages", ".git", ".hg", ".svn", ".tox"})

#: Directives that name folders of an application, as their last words.
_FOLDERS = frozenset({"documentroot", "alias", "scriptalias", "wsgiscriptalias"})


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(
        "mpserver check-app",
        description="Look through an application, or a configuration with the applications that it names, and tell "
        "what does not run here as it is: file, line and what to do. Nothing of the application runs, but installed "
        "packages with extension modules are loaded, each in a process of its own, to see which kinds of interpreter "
        "they allow.",
    )
    made.add_argument("path", help="a folder, a file of Python, or a configuration")
    return made


def main(arguments: Sequence[str]) -> int:
    """The command. :returns: 0, or 1 where something does not run as it is."""
    path = Path(parser().parse_args(arguments).path)
    if not path.exists():
        sys.stderr.write(f"mpserver check-app: there is no {path.absolute()}\n")
        return 1
    found: list[Finding] = []
    folders: list[Path] = [path]
    named: dict[str, Finding] = {}
    if path.is_file() and path.suffix not in SOURCES:
        found, folders, named = configuration(path)
    refused: list[tuple[str, OSError]] = []

    def note(error: OSError) -> None:
        refused.append((str(error.filename), error))

    files = list(dict.fromkeys(file for folder in folders for file in sources(folder, note)))
    packages = {file.parent for file in files if file.name == "__init__.py"}
    own = frozenset({file.stem for file in files if file.parent not in packages} | {one.name for one in packages})
    modules: dict[str, Finding] = {}
    for file in files:
        try:
            text = file.read_text("utf-8", "replace")
        except OSError as error:
            refused.append((str(file), error))
            continue
        is_page = file.suffix == ".psp"
        beside = {one.stem for one in files if one.parent == file.parent} if file.parent in packages else set()
        found += findings(_python(text) if is_page else text, str(file), not is_page, own | beside)
        for number, line in enumerate(plain(text).split("\n"), 1):
            for name in imported(line):
                top, where = name.partition(".")[0], Finding(str(file), number, "")
                if top in beside - own:
                    found.append(where._replace(text=f"{top} is a module of the same package: from . import {top}"))
                modules.setdefault(top, where)
    found += [Finding(str(Path(name)), 0, f"this can't be read: {error.strerror}") for name, error in refused]
    ours = own | {file.stem for file in files}
    found += _packages({name: where for name, where in (modules | named).items() if name not in ours})
    for finding in sorted(found):
        print(finding)
    failing = sum(finding.fails for finding in found)
    notes = len(found) - failing
    print(f"{_of(len(files), 'file')}: {_of(failing, 'place')} to change, and {notes} to look at")
    return 1 if failing else 0


def _of(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def sources(path: Path, refused: Callable[[OSError], object] = lambda _error: None) -> Iterator[Path]:
    """The sources in a folder, in their order; a file is itself. ``refused`` gets what is said of folders below."""
    if path.is_file():
        yield path
        return
    for folder, folders, names in os.walk(path, onerror=refused):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith(".venv"))
        if "pyvenv.cfg" in names:
            folders.clear()  # (a virtual environment)
            continue
        found = (Path(folder) / name for name in sorted(names) if name.endswith(SOURCES))
        yield from (file for file in found if file.is_file())  # (editors leave links that lead nowhere)


def _python(page: str) -> str:
    """The Python of a page of PSP, at its lines."""
    kept: list[str] = []
    for number, piece in enumerate(page.replace("%>", "<%").split("<%")):
        kept.append(piece.removeprefix("=").removeprefix("!") if number % 2 else "\n" * piece.count("\n"))
    return "".join(kept)


# ---- configurations


def configuration(path: Path) -> tuple[list[Finding], list[Path], dict[str, Finding]]:
    """The faults of a configuration, the folders of its applications, and its handlers' modules with their lines."""
    from mpserver.config.configuration import load
    from mpserver.config.reader import Reader
    from mpserver.modules.all import registry

    root = str(path.absolute().parent)
    found: list[Finding] = []
    try:
        load(str(path.absolute()), registry(), root=root)
    except ConfigErrors as errors:
        found = [Finding(error.file or str(path), error.line or 0, error.message) for error in errors.errors]
    reader = Reader(registry(), root, {})
    try:
        reader.read_file(str(path.absolute()))
    except (OSError, ConfigError):
        return found, [], {}
    folders = [Path(folder) for folder in dict.fromkeys(_folders(tuple(reader.tree), root))]
    return found, [folder for folder in folders if folder.exists()], dict(_handlers(tuple(reader.tree)))


def _handlers(tree: Tree) -> Iterator[tuple[str, Finding]]:
    """The modules that handlers' directives name."""
    for node in tree:
        name = node.name.lower()
        if name == "pythonimport":
            words: Sequence[str] = node.args[:1]
        elif name.startswith("python") and name.endswith("handler"):
            words = list(itertools.takewhile(lambda word: word != "|", node.args))
        else:
            words = ()
        for word in words:
            yield word.partition("::")[0].partition(".")[0].strip("~"), Finding(node.file, node.line, "")
        yield from _handlers(node.children or ())


def _folders(tree: Tree, root: str) -> Iterator[str]:
    for node in tree:
        name = node.name.lower()
        if name == "pythonpath":
            yield from _on_path(node)
        elif name in _FOLDERS and node.args:
            yield os.path.join(root, node.args[-1])
        elif name == "directory" and node.args and node.args[0].startswith("/") and _has_handler(node):
            yield node.args[0]
        yield from _folders(node.children or (), root)


def _has_handler(node: Node) -> bool:
    return any(child.name.lower().startswith("python") for child in node.children or ())


def _on_path(node: Node) -> Iterator[str]:
    """The folders that a PythonPath names."""
    try:
        tree = ast.parse(" ".join(node.args).strip(), mode="eval")
    except (SyntaxError, ValueError):
        return
    for part in ast.walk(tree):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.startswith("/"):
            yield part.value


# ---- packages


def _packages(modules: dict[str, Finding]) -> Iterable[Finding]:
    """What of other packages is missing, or allows not every kind of interpreter."""
    known = sys.stdlib_module_names | {"mod_python", "mpserver", "_apache", "__future__"}
    wanted: dict[str, Finding] = {}
    for name, where in modules.items():
        if name in known or not name.isidentifier():
            continue
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            if name not in RENAMED and name not in REMOVED:
                text = f"the module {name} is not here: install its package, or name its folder in PythonPath"
                yield where._replace(text=text, fails=False)
        elif _has_extensions(spec.origin, spec.submodule_search_locations):
            wanted[name] = where
    yield from _kinds(wanted) if wanted else ()


def _has_extensions(origin: str | None, folders: Iterable[str] | None) -> bool:
    if origin is not None and origin.endswith(".so"):
        return True
    return any(
        name.endswith(".so") for folder in folders or () for _path, _dirs, names in os.walk(folder) for name in names
    )


def _kinds(modules: dict[str, Finding]) -> Iterator[Finding]:
    """Try which kinds of interpreter packages with extension modules allow."""
    from mpserver.cli import check_interp
    from mpserver.config.configuration import load
    from mpserver.modules.all import registry
    from mpserver.phases.facts import Wanted
    from mpserver.phases.survey import finish

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "check.conf"
        file.write_text("Listen 127.0.0.1:80\nServerName localhost\n")
        finished = finish(load(str(file), registry(), root=folder))
        for name, where in modules.items():
            outcome = check_interp.attempt("own", finished, "check", [Wanted(name, None, None)])
            if outcome.result == check_interp.YES and not outcome.why:
                continue
            if outcome.result == check_interp.FAILS:
                yield where._replace(text=outcome.why, fails=False)
                continue
            text = (
                f"{name}: {outcome.why or 'it refuses subinterpreters of its own'}: PythonInterpBackend auto moves the "
                "application to a process by itself, process has it there from the start"
            )
            yield where._replace(text=text, fails=False)
