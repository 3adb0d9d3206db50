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
    """A module's ``__getattr__`` that gives what belongs to other modules, which are imported when it is asked for.

    Programs take modules from where the published package happens to have them: ``util.apache``, ``publisher.util``.

    :param others: by the names here, the modules; with a ``:`` and a name behind it, their members. Those are kept.
    """

    def find(name: str) -> Any:
        try:
            place, _colon, member = others[name].partition(":")
            found = importlib.import_module(place)
        except (KeyError, ModuleNotFoundError):
            raise AttributeError(f"module {module!r} has no attribute {name!r}") from None
        if not member:
            return found
        kept = getattr(found, member)
        setattr(sys.modules[module], name, kept)
        return kept

    return find
