"""What ``mpserver serve`` is given: which kind of application it is, and the lines of a configuration that serve it.

Applications are looked at, and not loaded here: a process of its own does that, so that a fault shows at the start in
one line.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import PathFinder

from mpserver import alike
from mpserver.api import named_objects
from mpserver.cli import served_folders
from mpserver.config.lexer import quote
from mpserver.errors import UsageError
from mpserver.system import own_imports
from mpserver.typing import NamedTuple

#: So many addresses are shown at most.
_SHOWN = 12
#: How long loading may take, in seconds.
PATIENCE = 60.0

#: Loads a module, or a script, and says what is wrong with it, or nothing.
_LOADS = """
import importlib, os, sys, traceback
folder, module, path, server = sys.argv[1:5]
sys.path.insert(0, folder)
sys.path.append(server)
def end(said):
    print("\\n" + said, flush=True)
    os._exit(0)  # (what the module does at its end is none of ours)
try:
    if module[:1] == "/":
        from mpserver.api import scripts
        found = scripts.load(module)
    else:
        found = importlib.import_module(module)
except BaseException as error:
    if "needs a running server" in str(error) or getattr(error, "name", "") == "_apache":
        end("")  # (the first request loads it)
    last = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(folder)]
    where = f" ({last[-1].filename}, line {last[-1].lineno})" if last else ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f" ({error.filename}, line {error.lineno})"
        error = type(error)(error.msg)
    end(f"{module} can't be loaded: {type(error).__name__}: {error}{where}")
for name in path.split("."):
    if not hasattr(found, name):
        end("-" + " ".join(n for n, v in vars(found).items() if callable(v) and not n.startswith("_")))
    found = getattr(found, name)
end("" if callable(found) else f"{path} of {module} can't be called: it is of the type {type(found).__name__}")
"""


class Served(NamedTuple):
    """What is served: in words, and in lines of a configuration; whether it has an interpreter."""

    what: str
    lines: tuple[str, ...]
    is_application: bool = True
    #: Addresses to begin with.
    paths: tuple[str, ...] = ("/",)


def find(text: str, folder: str) -> Served:
    """Find out what is meant.

    :param folder: where we are.
    :raises UsageError: there is no such thing, or it can't be loaded.
    """
    path = os.path.abspath(os.path.join(folder, text))
    if "${" in path or "\n" in path:
        raise UsageError(f"{path!r} can't stand in a configuration, where ${{...}} is a variable: rename it")
    if os.path.isdir(path):
        return _folder(path)
    ending = os.path.splitext(path)[1]
    if os.path.isfile(path):
        by_ending = _FILES.get(ending)
        if by_ending is None:
            raise UsageError(f"{text} is no application: name a folder, a module, or a file {', '.join(_FILES)}")
        return by_ending(path)
    if ending in _FILES or "/" in text:
        raise UsageError(f"there is no {path}{_alike(os.path.basename(path), os.path.dirname(path))}")
    return _wsgi(text, folder)


# ---- WSGI


def _wsgi(text: str, folder: str) -> Served:
    named = named_objects.parse(text)
    module = named.module
    if not all(part.isidentifier() for part in module.split(".")):
        raise UsageError(f"{text} is neither a file nor a module: write module:object, a folder, or a file's name")
    if not _is_there(module, folder):
        raise UsageError(f"no module '{module}' in {folder}{_alike(module, folder)}")
    path = named.path or _object(ast_of(_file(module, folder)))
    _test(folder, module, path, text)
    call = "()" if named.is_factory else ""
    return Served(
        f"The WSGI application {path}{call} of {module}, in {folder}",
        _application(f"{module}:{path}{call}", folder),
    )


def _application(name: str, folder: str) -> tuple[str, ...]:
    return (
        f"PythonPath {quote(f'[{folder!r}] + sys.path')}",
        "<Location />",
        "    Require all granted",
        "    SetHandler mod_python",
        "    PythonHandler mod_python.wsgi",
        f"    PythonOption mod_python.wsgi.application {quote(name)}",
        "</Location>",
    )


def _is_there(module: str, folder: str) -> bool:
    top = module.partition(".")[0]
    return PathFinder.find_spec(top, [folder, *sys.path]) is not None


def _file(module: str, folder: str) -> str:
    base = os.path.join(folder, *module.split("."))
    return next((file for file in (f"{base}.py", os.path.join(base, "__init__.py")) if os.path.isfile(file)), "")


def ast_of(file: str) -> ast.Module | None:
    """What a file says; None: nothing that can be read (loading it tells)."""
    try:
        with open(file, "rb") as opened:
            return ast.parse(opened.read())
    except (OSError, SyntaxError, ValueError):
        return None


def defined(tree: ast.Module | None) -> Iterator[str]:
    """The names that a module defines at its level."""
    for node in [] if tree is None else tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name for alias in names)


def _object(tree: ast.Module | None) -> str:
    names = set(defined(tree))
    return next((name for name in named_objects.OFTEN if name in names), named_objects.OFTEN[0])


def _test(folder: str, module: str, path: str = "", text: str = "") -> None:
    """Load it in a process of its own.

    :param path: an object in it that has to be there; "": none.
    :raises UsageError: it can't be loaded, or has no such object.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _LOADS, folder, module, path, own_imports.ROOT],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True, timeout=PATIENCE,
            check=False, cwd=folder,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return  # (it is loaded by the first request, then)
    said = (done.stdout.splitlines() or [""])[-1]
    if said.startswith("-"):
        if not path:
            return
        raise UsageError(_lacking(module, path, said[1:].split(), text))
    if said:
        raise UsageError(said)


def _lacking(module: str, path: str, names: list[str], text: str) -> str:
    shown = f": it has {', '.join(names[:12])}" if names else ""
    meant = alike.asked(path.partition(".")[0], names, "; ", shown=lambda found: f"{module}:{found}")
    remedy = meant or "; write module:object, or module:make() for a factory"
    wanted = f"'{path}'" if ":" in text else " or ".join(f"'{name}'" for name in named_objects.OFTEN)
    return f"{module} has no {wanted}{shown}{remedy}"


def _alike(name: str, folder: str) -> str:
    """What may be meant by a name that is not there."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return ""
    known = [entry for entry in entries if entry.endswith(tuple(_FILES)) or os.path.isdir(os.path.join(folder, entry))]
    stems = {os.path.splitext(entry)[0]: entry for entry in known if not entry.startswith((".", "_"))}
    return alike.asked(os.path.splitext(name)[0], stems, "; ", shown=stems.__getitem__)


# ---- files


def _python(path: str) -> Served:
    """A Python file: a handler, a WSGI application or functions that are pages, by what it defines."""
    folder, name = os.path.split(path)
    module = name.removesuffix(".py")
    names = set(defined(ast_of(path)))
    if "handler" in names:
        _test(folder, module, "handler", f"{module}:handler")
        return Served(f"The handler {path}", _handler(folder, module))
    if names & set(named_objects.OFTEN):
        return _wsgi(module, folder)
    if not module.isidentifier():
        raise UsageError(f"{path} can't be imported by that name: rename it")
    _test(folder, module)
    pages = [node.name for node in _functions(ast_of(path)) if not node.name.startswith("_")]
    shown = ["/" if page == "index" else f"/{name}/{page}" for page in pages[:_SHOWN]]
    return Served(
        f"The functions of {path}, each a page",
        served_folders.page(folder, name),
        paths=tuple(sorted(shown)) or ("/",),
    )


def _functions(tree: ast.Module | None) -> list[ast.FunctionDef]:
    """The functions at a module's level."""
    return [node for node in ([] if tree is None else tree.body) if isinstance(node, ast.FunctionDef)]


def _handler(folder: str, module: str) -> tuple[str, ...]:
    return (
        f"DocumentRoot {quote(folder)}",
        f"<Directory {served_folders.literal(folder)}>",
        "    Require all granted",
        "    SetHandler mod_python",
        f"    PythonHandler {quote(module)}",
        "</Directory>",
    )


def _script(path: str) -> Served:
    folder = os.path.dirname(path)
    name = _object(ast_of(path))
    _test(folder, path, name, path)
    return Served(f"The WSGI application {name} of {path}", _application(f"{path}:{name}", folder))


def _page(path: str) -> Served:
    folder, name = os.path.split(path)
    return Served(f"The page {path}", served_folders.page(folder, name))


_FILES: Mapping[str, Callable[[str], Served]] = {".py": _python, ".wsgi": _script, ".psp": _page}


def _folder(path: str) -> Served:
    """A folder, and what in it is more than a file."""
    endings = {os.path.splitext(name)[1] for _where, _folders, names in os.walk(path) for name in names}
    if endings & {".py", ".psp"}:
        return Served(f"The folder {path}: its files, pages and modules", served_folders.application(path))
    return Served(f"The files of {path}", served_folders.files(path), is_application=False)
