"""Counts the visits of one site: each has an interpreter of its own, and so a module of its own."""

from __future__ import annotations

import itertools

_numbers = itertools.count(1)


def next() -> int:
    """The number of this visit."""
    return _numbers.__next__()
