"""What work leaves in memory."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable


def bytes_left(work: Callable[[], object], first: Callable[[], object] = gc.collect) -> int:
    """How many bytes more are in use after some work than before it, and after what comes ``first``."""
    tracemalloc.start()
    try:
        first()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        work()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
