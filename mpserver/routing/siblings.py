"""Passing connections on to sibling workers."""

from __future__ import annotations

#: A sibling that was given a connection is not given another one of the same place for so long, in seconds.
SETTLE = 0.005
