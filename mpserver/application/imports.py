"""What an interpreter imports before it serves: PythonImport's modules, and those of its predecessor.

An interpreter that takes the place of another one imports what that had loaded for its handlers, so that the first
request finds it warm, and so that a module that can't be loaded shows before any request depends on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

from mpserver.api.loader import LoadedModule, Loader, resolve_object
from mpserver.modules import python
from mpserver.modules.python.environment import Environment
from mpserver.phases.plan import InterpreterId
from mpserver.phases.plan_compiler import identify
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.finished import Finished


def imports(
    configuration: Finished, where: InterpreterId, environments: Mapping[str, Environment], loader: Loader
) -> Iterator[tuple[str, BaseException]]:
    """PythonImport for an interpreter (api 3.5 1.7): in reverse order. Yields what failed, and goes on."""
    main = configuration.main
    path = main.base[python.PYTHON_PATH]
    backend = main.base[python.INTERP_BACKEND]
    named = main.conf[python.PYTHON_IMPORTS]
    for name, interpreter in reversed(named):
        if identify(interpreter, backend, environments.get(interpreter, ())) != where:
            continue
        module, _, function = name.partition("::")
        try:
            if path is not None:
                loader.use_path(path)
            imported = loader.import_module(module, True, False, None)
            if function:
                resolve_object(imported, function)()
        except BaseException as error:  # an application's module may raise anything
            yield name, error


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
