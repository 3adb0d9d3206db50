"""Modules and objects that come with their first use: each interpreter would pay for what it may never need."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from mpserver.typing import Any


class _Module:
    """Behaves as a module does, once it is asked for a member; later asks find that at once."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        member = getattr(import_module(self._name), name)
        setattr(self, name, member)
        return member


def module(name: str) -> Any:
    """A module by its full name; an ImportError comes with the first use."""
    return _Module(name)


class _Made:
    """Behaves as an object does that is made once it is asked for a member; later asks find that at once."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make
        self._object: object = None

    def __getattr__(self, name: str) -> Any:
        if self._object is None:
            self._object = self._make()
        member = getattr(self._object, name)
        setattr(self, name, member)
        return member


def made(make: Callable[[], object]) -> Any:
    """What ``make`` makes, with the first use; for its methods, and attributes that stay the same.

    (Threads that come first together may make two.)
    """
    return _Made(make)
