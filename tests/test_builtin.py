"""What the engine has of modules that are built in is what others have."""

from __future__ import annotations

import collections
import functools
import operator

from mpserver import builtin


def test_the_types_and_functions_are_the_library_s() -> None:
    assert builtin.deque is collections.deque
    assert builtin.partial is functools.partial
    assert builtin.index is operator.index
    assert builtin.attrgetter is operator.attrgetter


def test_results_are_remembered_as_often_as_wanted() -> None:
    asked = []

    @builtin.lru_cache(maxsize=2)
    def double(number: int) -> int:
        asked.append(number)
        return 2 * number

    assert [double(number) for number in (1, 2, 1, 3, 1, 2)] == [2, 4, 2, 6, 2, 4]
    assert asked == [1, 2, 3, 2]
    assert list(double.cache_info()) == [2, 4, 2, 2]
