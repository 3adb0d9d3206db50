"""Waiting for a condition instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds that anything may take on a loaded machine before a test gives up on it.
PATIENCE = 30.0


def wait_for(condition: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Call ``condition`` until it is true, and return its value; AssertionError names ``what`` was awaited."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {patience:g} s for {what}"
        time.sleep(0.005)
    return value
