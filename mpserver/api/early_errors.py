"""What modules raised that were loaded before anybody asked for them."""

from __future__ import annotations

import time
from collections.abc import Hashable

#: How long such an error stands for the next try, in seconds: so long a module's file is trusted.
STANDS = 1.0


class EarlyErrors:
    """Errors for those who ask for the modules soon: these are not executed again so soon."""

    __slots__ = ("_errors",)

    def __init__(self) -> None:
        self._errors: dict[Hashable, tuple[BaseException, float]] = {}

    def keep(self, key: Hashable, error: BaseException) -> None:
        """A module has raised an error just now."""
        self._errors[key] = error, time.time()

    def meet(self, key: Hashable, now: float) -> None:
        """Somebody asks for a module, at a time (since the epoch). :raises BaseException: what it has just raised."""
        error, when = self._errors.pop(key, (None, 0.0)) if self._errors else (None, 0.0)
        if error is not None and 0.0 <= now - when < STANDS:
            raise error
