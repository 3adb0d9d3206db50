"""The master's workers: how many there are, their births and deaths."""

from __future__ import annotations

#: A new generation is given up when so many of its workers in a row died before any served.
GIVE_UP_AFTER = 3
