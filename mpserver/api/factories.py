"""Factories of WSGI applications (``module:make()``), which are called before anybody asks for the application."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

from mpserver.api.early_errors import EarlyErrors
from mpserver.typing import Any


class Factories:
    """What factories have made, or raised, for those who ask first: so it is done once.

    A factory is known by its module, the state of that, and its name there.
    """

    __slots__ = ("_errors", "_made")

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}
        self._errors = EarlyErrors()

    def call_early(self, key: Hashable, factory: Callable[[], Any]) -> None:
        """Have an application made. :raises Exception: what the factory raises, and `call` once more."""
        try:
            self._made[key] = factory()
        except BaseException as error:
            self._errors.keep(key, error)
            raise

    def call(self, key: Hashable, factory: Callable[[], Any]) -> Any:
        """The application that a factory makes; each who asks gets another one.

        :raises Exception: what the factory raises.
        """
        try:
            return self._made.pop(key)
        except KeyError:
            pass
        self._errors.meet(key, time.time())
        return factory()
