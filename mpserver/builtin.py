"""What the engine takes from modules of the library that are built in, without the Python code around them.

`collections`, `functools` and `operator` would be 0.4 MB and 2 ms in each interpreter. An application that uses them
has them as ever.
"""

from __future__ import annotations

from mpserver.typing import TYPE_CHECKING

__all__ = ["attrgetter", "deque", "index", "lru_cache", "partial"]

if TYPE_CHECKING:
    from collections import deque
    from functools import lru_cache, partial
    from operator import attrgetter, index
else:
    from _collections import deque
    from _functools import _lru_cache_wrapper, partial
    from _operator import attrgetter, index

    def lru_cache(maxsize):
        """As `functools.lru_cache`; what ``cache_info()`` gives is a list of its numbers."""
        return lambda function: _lru_cache_wrapper(function, maxsize, False, lambda *numbers: list(numbers))
