"""Memory files as they are mapped."""

from __future__ import annotations

import mmap
import sys


def mapped(fd: int, length: int = 0, offset: int = 0) -> mmap.mmap:
    """Map a memory file, or a part of it, to be read and written.

    From Python 3.13 on that keeps no descriptor of its own: interpreters have several such maps, and there may be many
    interpreters in a process.

    :param length: in bytes; 0: all of it.
    """
    if sys.version_info >= (3, 13):
        return mmap.mmap(fd, length, offset=offset, trackfd=False)
    return mmap.mmap(fd, length, offset=offset)
