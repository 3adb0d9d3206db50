"""What applications set in the public modules, as the folders that hold the parts of these modules see it."""

from __future__ import annotations

import sys

from mpserver.typing import TypeVar

T = TypeVar("T")


def current_value(module: str, name: str, default: T) -> T:
    """A constant or function as it is now: applications set those that the manual names, ``Session.DFT_TIMEOUT = 600``.

    :param module: the public module, such as ``mod_python.Session``.
    :param default: its value where the module is not loaded, or nobody has set another.
    """
    found: T = getattr(sys.modules.get(module), name, default)
    return found
