"""PythonInterpLazyImports: what an application imports is executed when it is first used (PEP 810).

Only installed packages and the standard library are imported so, and what they import of each other. Three kinds of
imports are carried out where they stand, as ever:

    the engine's          it decides for itself what is loaded when
    the application's     modules of its own folders are often imported for what they do: register pages, or models
    those that would fail a module that is missing is told of when the application is loaded
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial

from mpserver.system import own_imports
from mpserver.system.module_finder import OURS
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec


def install() -> None:
    """Have this interpreter import so from now on. A second time does nothing."""
    from importlib.util import find_spec  # (nobody else in the server needs it)

    system: Any = sys  # (what knows the types of an older Python's functions knows nothing of these)
    system.set_lazy_imports_filter(partial(may_wait, find_spec))
    system.set_lazy_imports("all")


def may_wait(
    find_spec: Callable[[str], ModuleSpec | None], _importer: str, name: str, names: tuple[str, ...] | None
) -> bool:
    """Whether an import may be carried out when what it gives is first used (``sys.set_lazy_imports_filter``).

    :param find_spec: that of ``importlib.util``.
    :param name: the full name of the module.
    :param names: what is taken from it; None: nothing, as in ``import name``.
    """
    if names is None and name in sys.modules:
        return False  # (there is nothing to wait for)
    if own_imports.is_engine(sys._getframe(1)):  # noqa: SLF001  (there is no other way to the stack)
        return False
    top = name.partition(".")[0]
    if top in OURS:
        return False
    try:
        spec = find_spec(top)
    except Exception:  # it is in sys.modules without a spec, or a finder of the application fails: the import will tell
        return False
    return spec is not None and _is_installed(spec)


def _is_installed(spec: ModuleSpec) -> bool:
    """Whether a module is of the standard library or in a folder of installed packages."""
    place = spec.origin if spec.has_location else None
    if place is None:  # (it is built in, or a namespace in several folders)
        folders = spec.submodule_search_locations
        return folders is None or all(_has_packages(os.path.join(folder, "")) for folder in folders)
    return own_imports.is_library(place) or _has_packages(place)


def _has_packages(place: str) -> bool:
    return any(f"{os.sep}{kind}{own_imports.PACKAGES}{os.sep}" in place for kind in ("site", "dist"))
