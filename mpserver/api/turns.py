"""Threads that load modules one after the other."""

from __future__ import annotations

from _thread import RLock

#: How long a thread waits for another one that loads a module, in seconds.
LOADING_PATIENCE = 10.0


class Turn:
    """A lock that is held in a with statement; after `LOADING_PATIENCE` that goes on without it."""

    __slots__ = ("_gate", "_got")

    def __init__(self, gate: RLock) -> None:
        self._gate = gate
        self._got = False

    def __enter__(self) -> None:
        self._got = self._gate.acquire(timeout=LOADING_PATIENCE)

    def __exit__(self, *_error: object) -> None:
        if self._got:
            self._gate.release()
