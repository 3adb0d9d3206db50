"""File information: ``req.finfo`` and ``apache.stat()`` (api 3.5 1.3)."""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Callable
from typing import Any

from mpserver.api import constants

#: stat's file types by constants of APR.
TYPES: tuple[tuple[Callable[[int], bool], int], ...] = (
    (modes.S_ISREG, constants.APR_REG),
    (modes.S_ISDIR, constants.APR_DIR),
    (modes.S_ISCHR, constants.APR_CHR),
    (modes.S_ISBLK, constants.APR_BLK),
    (modes.S_ISFIFO, constants.APR_PIPE),
    (modes.S_ISLNK, constants.APR_LNK),
    (modes.S_ISSOCK, constants.APR_SOCK),
)
#: The order of FINFO_*.
ORDER = (
    "protection", "inode", "device", "nlink", "user", "group",
    "size", "atime", "mtime", "ctime", "fname", "name", "filetype",
)  # fmt: skip


class FileInfo:
    """What stat says of a file. Of a missing one: filetype APR_NOFILE, the rest None. Times are whole seconds."""

    __slots__ = (
        "atime", "ctime", "device", "filetype", "fname", "group", "inode",
        "mtime", "name", "nlink", "protection", "size", "user", "valid",
    )  # fmt: skip

    def __init__(self, fname: str | None, found: os.stat_result | None) -> None:
        self.fname = fname
        self.name: str | None = None
        self.filetype = constants.APR_NOFILE
        self.valid = 0
        self.protection: int | None = None
        self.user: int | None = None
        self.group: int | None = None
        self.size: int | None = None
        self.inode: int | None = None
        self.device: int | None = None
        self.nlink: int | None = None
        self.atime: int | None = None
        self.mtime: int | None = None
        self.ctime: int | None = None
        if found is not None:
            self.valid = constants.APR_FINFO_MIN | constants.APR_FINFO_IDENT | constants.APR_FINFO_NLINK
            self.filetype = next((kind for test, kind in TYPES if test(found.st_mode)), constants.APR_UNKFILE)
            self.protection = _protection(found.st_mode)
            self.user, self.group = found.st_uid, found.st_gid
            self.size, self.inode, self.device = found.st_size, found.st_ino, found.st_dev
            self.nlink = found.st_nlink
            self.atime, self.mtime, self.ctime = int(found.st_atime), int(found.st_mtime), int(found.st_ctime)

    def __getitem__(self, index: int) -> Any:
        """By FINFO_* number."""
        return getattr(self, ORDER[index])

    def __repr__(self) -> str:
        return f"<finfo {self.fname!r}>"


def _protection(mode: int) -> int:
    """APR's bits: one hex digit each for owner, group and others; set-id bits above."""
    bits = (mode >> 6 & 7) << 8 | (mode >> 3 & 7) << 4 | (mode & 7)
    return bits | (0x8000 if mode & 0o4000 else 0) | (0x4000 if mode & 0o2000 else 0) | (0x2000 if mode & 0o1000 else 0)


def stat(fname: str, wanted: int) -> FileInfo:
    """``apache.stat()``: no error for a missing file. :raises OSError: the file can't be looked at."""
    if not isinstance(fname, str):
        raise TypeError("fname must be a string")
    look = os.lstat if wanted & constants.APR_FINFO_LINK else os.stat
    try:
        return FileInfo(fname, look(fname))
    except (FileNotFoundError, NotADirectoryError):
        return FileInfo(fname, None)
