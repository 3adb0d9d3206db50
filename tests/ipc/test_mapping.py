"""Memory files as they are mapped."""

from __future__ import annotations

import os
import sys

from mpserver.ipc.mapping import mapped


def test_a_map_is_of_the_file_and_keeps_no_descriptor_where_python_can() -> None:
    fd = os.memfd_create("test")
    try:
        os.ftruncate(fd, 8192)
        before = set(os.listdir("/proc/self/fd"))
        whole, part = mapped(fd), mapped(fd, 4096, 4096)
        kept = len(set(os.listdir("/proc/self/fd")) - before)
        assert kept == (0 if sys.version_info >= (3, 13) else 2)
        whole[4096:4099] = b"abc"
        assert part[:3] == os.pread(fd, 3, 4096) == b"abc"
        assert (len(whole), len(part)) == (8192, 4096)
        whole.close()
        part.close()
    finally:
        os.close(fd)
