"""What the threads of an interpreter share is made once for all of them, whoever comes first."""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable, Hashable

from mpserver.typing import Generic, TypeVar

T = TypeVar("T")

#: For so many different arguments.
MOST = 64


class Once(Generic[T]):
    """Calls a function once for the same arguments, and keeps what it gives, for the last `MOST` of them.

    `functools.lru_cache` calls it again for each thread that comes meanwhile, and each gets one of its own.
    """

    __slots__ = ("_gate", "_kept", "_make")

    def __init__(self, make: Callable[..., T]) -> None:
        self._make = make
        self._kept: dict[tuple[Hashable, ...], T] = {}
        self._gate = allocate_lock()

    def __call__(self, *key: Hashable) -> T:
        """What the function makes of the arguments. :raises Exception: what it raises; the next call tries again."""
        found = self._kept.get(key)
        if found is None:
            with self._gate:
                found = self._kept.get(key)
                if found is None:
                    found = self._make(*key)
                    if len(self._kept) >= MOST:
                        del self._kept[next(iter(self._kept))]
                    self._kept[key] = found
        return found

    def cache_clear(self) -> None:
        """Forget all, as that of `functools.lru_cache` does."""
        with self._gate:
            self._kept.clear()
