"""Whether a module that was loaded has the objects that the configuration names."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

from mpserver import alike
from mpserver.api import named_objects
from mpserver.api.named_objects import USUAL


def lacking(name: str, module: ModuleType, objects: Iterable[str]) -> str:
    """Which of them it has not, in words that begin with its name and the object's; "": it has all.

    :param name: how the configuration names the module.
    :param objects: their paths in it, with dots.
    """
    return next((_told(name, module, path) for path in objects if not _is_there(module, path)), "")


def _is_there(module: ModuleType, path: str) -> bool:
    """What a class on the way makes shows with a request only."""
    found: object = module
    for name in path.split("."):
        if isinstance(found, type):
            return True
        try:
            found = getattr(found, name)
        except AttributeError:
            return False
        except Exception:  # (it is the application's to say)
            return True
    return True


def _told(name: str, module: ModuleType, path: str) -> str:
    known, usual = named_objects.known(module)
    meant = alike.nearest(path, known) or (usual if path == USUAL else "")
    remedy = alike.question(f"{name}::{meant}", "; ") if meant else "; define it there, or name another one"
    return f"{name}::{path} is not there: {getattr(module, '__file__', None) or name} has no such object{remedy}"
