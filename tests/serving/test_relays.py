"""The thread that carries connections whose TLS is spoken elsewhere, where there is no room for it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mpserver.errors import is_crowded
from mpserver.serving.relays import Relays


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """This process may open nothing more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_without_descriptors_it_is_tried_again_with_the_next_connection() -> None:
    relays = Relays("app")
    with no_descriptor_left(), pytest.raises(OSError, match="open files") as raised:
        relays.prepare()
    assert is_crowded(raised.value)
    relays.prepare()
    relays.prepare()
    relays.stop()
    assert not relays.count
