"""Modules that are imported when they are first used: each interpreter would pay for those that it may never need."""

from __future__ import annotations

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
