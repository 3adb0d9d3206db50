"""Waiting for a condition instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds that anything may take on a loaded machine before a test gives up on it.
PATIENCE = 30.0


def wait_for(condition: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Call ``condition`` until it is true, and return its value; AssertionError names ``what`` was awaited.

    What takes long to look at is looked at less often: the server that it waits for has the same few cores.
    """
    began = time.monotonic()
    deadline = began + patience
    while not (value := condition()):
        now = time.monotonic()
        assert now < deadline, f"waited {patience:g} s for {what}"
        time.sleep(min(max(0.005, now - began), 0.1))
        began = time.monotonic()
    return value


def quickest(act: Callable[[], object], limit: float, tries: int = 10) -> list[float]:
    """How long something took each time, in seconds: again until it took less than ``limit``, if not too often.

    For what should be quick, on a machine that others use, too.
    """
    took: list[float] = []
    while len(took) < tries and not (took and took[-1] < limit):
        began = time.monotonic()
        act()
        took.append(time.monotonic() - began)
    return took
