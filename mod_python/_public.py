"""What applications set in the public modules, as the folders that hold the parts of these modules see it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping

from mpserver.typing import Any, TypeVar

T = TypeVar("T")


def current_value(module: str, name: str, default: T) -> T:
    """A constant or function as it is now: applications set those that the manual names, ``Session.DFT_TIMEOUT = 600``.

    :param module: the public module, such as ``mod_python.Session``.
    :param default: its value where the module is not loaded, or nobody has set another.
    """
    found: T = getattr(sys.modules.get(module), name, default)
    return found


def lazily(module: str, others: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` that gives other modules, imported when they are asked for.

    Programs take them from where the published package happens to have them: ``util.apache``, ``publisher.util``.

    :param others: by the names here, the modules.
    """

    def find(name: str) -> Any:
        try:
            return importlib.import_module(others[name])
        except (KeyError, ModuleNotFoundError):
            raise AttributeError(f"module {module!r} has no attribute {name!r}") from None

    return find
