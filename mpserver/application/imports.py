"""What an interpreter imports before it serves: PythonImport's modules, and those of its predecessor.

An interpreter that takes the place of another one imports what that had loaded for its handlers, so that the first
request finds it warm, and so that a module that can't be loaded shows before any request depends on it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from mpserver.api.loader import LoadedModule, Loader, resolve_object
from mpserver.modules import python
from mpserver.modules.python.environment import Environment
from mpserver.phases import facts
from mpserver.phases.plan import InterpreterId
from mpserver.phases.plan_compiler import identify
from mpserver.system import own_imports
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.finished import Finished


def imports(
    configuration: Finished,
    where: InterpreterId,
    environments: Mapping[str, Environment],
    loader: Loader,
    tell: Callable[[str], None],
) -> Iterator[tuple[str, BaseException]]:
    """PythonImport for an interpreter (api 3.5 1.7): in reverse order. Yields what failed, and goes on.

    :param tell: gets the name of each before it is imported, and "" when all of them were.
    """
    main = configuration.main
    path = main.base[python.PYTHON_PATH]
    backend = main.base[python.INTERP_BACKEND]
    named = main.conf[python.PYTHON_IMPORTS]
    for name, interpreter in reversed(named):
        if identify(interpreter, backend, environments.get(interpreter, ())) != where:
            continue
        module, _, function = name.partition("::")
        tell(name)
        try:
            if path is not None:
                loader.use_path(path)
            imported = loader.import_module(module, True, False, None)
            if function:
                resolve_object(imported, function)()
        except BaseException as error:  # an application's module may raise anything
            yield name, error
    tell("")


def handlers(configuration: Finished, where: InterpreterId, loader: Loader) -> Iterator[tuple[str, BaseException]]:
    """Load what the handlers are in, as far as that shows without a request. Yields what failed, and goes on.

    Factories of WSGI applications are called, too, for what these import may be refused as well.
    Nobody has to be told of it: the request that wants such a module gets the error. Nothing is loaded where modules of
    one name are meant that are not the same: then it depends on the requests which one comes first.
    """
    wanted = facts.handlers(configuration, where.name)
    if not _go_together(wanted, loader):
        return
    for name, directory, path, factory in wanted:
        error = loader.load_early(name, directory, path, factory)
        if error is not None:
            yield name, error


def _go_together(wanted: Iterable[facts.Wanted], loader: Loader) -> bool:
    """Whether each name of a module means the same one, whatever handler imports it."""
    scopes = {(each.directory, each.path) for each in wanted}
    if len(scopes) < 2:
        return True
    known = {each.module.partition(".")[0]: "" for each in wanted}  # (the loader tells these apart)
    base = own_imports.base_path()
    for directory, path in scopes:
        state = loader.path_state()
        try:
            loader.set_path(path, directory)
            folders = [folder for folder in sys.path if folder not in base]
        except BaseException:  # PythonPath may raise anything; the request gets it
            return False
        finally:
            loader.put_back(state)
        found: dict[str, str] = {}
        for name, file in (module for folder in folders for module in _modules_in(folder)):
            found.setdefault(name, file)
        if any(known.setdefault(name, file) not in ("", file) for name, file in found.items()):
            return False
    return True


def _modules_in(folder: str) -> Iterator[tuple[str, str]]:
    """The names of what looks like modules in a folder, and where they really are."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return  # there is none
    for entry in entries:
        name, dot, _end = entry.partition(".")
        if entry.endswith((".py", ".so")) or (not dot and os.path.exists(os.path.join(folder, entry, "__init__.py"))):
            yield name, os.path.realpath(os.path.join(folder, entry))


def inherited(loaded_modules: Iterable[LoadedModule], loader: Loader) -> Iterator[tuple[str, BaseException]]:
    """Load what a predecessor had loaded. Yields what failed, and goes on.

    A page of a publisher that was removed meanwhile is none that anybody asks for: it is left out.
    """
    for loaded in loaded_modules:
        name, where, _path = loaded
        try:
            loader.load_again(loaded)
        except ModuleNotFoundError as error:
            if not (isinstance(where, tuple) and error.name == name and not _exists(name, where)):
                yield name, error
        except BaseException as error:  # an application's module may raise anything
            yield name, error


def _exists(name: str, folders: tuple[str, ...]) -> bool:
    path = name.replace(".", "/")
    return any(os.path.exists(os.path.join(folder, path + end)) for folder in folders for end in (".py", ""))
