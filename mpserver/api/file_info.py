"""File information: ``req.finfo`` and ``apache.stat()`` (api 3.5 1.3)."""

from __future__ import annotations

import os
import stat as modes
from collections.abc import Callable

from mpserver.api import constants
from mpserver.api.members import named, string
from mpserver.builtin import index
from mpserver.typing import Any, Self

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
#: What stat tells of a file, as APR_FINFO_* bits.
KNOWN = constants.APR_FINFO_NORM | constants.APR_FINFO_CSIZE | constants.APR_FINFO_NLINK


def _fact(number: int, doc: str) -> Any:
    def getter(self: FileInfo) -> Any:
        return self._facts[number]

    def setter(self: FileInfo, value: Any) -> None:
        raise TypeError("finfo objects have only read-only attributes")

    return property(getter, setter, doc=doc)


@named("mp_finfo")
class FileInfo:
    """What stat says of a file, for reading. Of a missing one: filetype APR_NOFILE, the rest None."""

    __slots__ = ("_facts", "valid")

    def __init__(self, fname: str | None, found: os.stat_result | None) -> None:
        #: Which facts are known, as APR_FINFO_* bits; None of a missing file.
        self.valid: int | None = None if found is None else KNOWN
        #: In the order of FINFO_*.
        self._facts: tuple[Any, ...]
        if found is None:
            self._facts = (*[None] * 10, fname, None, constants.APR_NOFILE)
            return
        self._facts = (
            _protection(found.st_mode), found.st_ino, found.st_dev, found.st_nlink, found.st_uid, found.st_gid,
            found.st_size, int(found.st_atime), int(found.st_mtime), int(found.st_ctime), fname, None,
            next((kind for test, kind in TYPES if test(found.st_mode)), constants.APR_UNKFILE),
        )  # fmt: skip

    def pack(self) -> tuple[Any, ...]:
        """It as plain data."""
        return self.valid, *self._facts

    @classmethod
    def unpack(cls, packed: tuple[Any, ...]) -> Self:
        """What was packed."""
        made = cls(None, None)
        made.valid, *facts = packed
        made._facts = tuple(facts)
        return made

    protection: int | None = _fact(constants.FINFO_MODE, "APR's bits: a hex digit each for owner, group, others.")
    inode: int | None = _fact(constants.FINFO_INO, "The inode's number.")
    device: int | None = _fact(constants.FINFO_DEV, "The device's number.")
    nlink: int | None = _fact(constants.FINFO_NLINK, "How many names the file has.")
    user: int | None = _fact(constants.FINFO_UID, "The owner's number.")
    group: int | None = _fact(constants.FINFO_GID, "The group's number.")
    size: int | None = _fact(constants.FINFO_SIZE, "Bytes.")
    atime: int | None = _fact(constants.FINFO_ATIME, "The last access, whole seconds since the epoch.")
    mtime: int | None = _fact(constants.FINFO_MTIME, "The last modification.")
    ctime: int | None = _fact(constants.FINFO_CTIME, "The last change of the inode.")
    fname: str | None = _fact(constants.FINFO_FNAME, "The path that was asked for.")
    name: str | None = _fact(constants.FINFO_NAME, "The file's true name: not asked for, so None.")
    filetype: int = _fact(constants.FINFO_FILETYPE, "One of APR_NOFILE, APR_REG, APR_DIR...")

    def __getitem__(self, index: int) -> Any:
        """By FINFO_* number. :raises IndexError: there is no such fact."""
        if index < 0:
            raise IndexError("tuple index out of range")
        return self._facts[index]

    def __repr__(self) -> str:
        return f"<finfo {self.fname!r}>"


def _protection(mode: int) -> int:
    """APR's bits: one hex digit each for owner, group and others; set-id bits above."""
    bits = (mode >> 6 & 7) << 8 | (mode >> 3 & 7) << 4 | (mode & 7)
    return bits | (0x8000 if mode & 0o4000 else 0) | (0x4000 if mode & 0o2000 else 0) | (0x2000 if mode & 0o1000 else 0)


def stat(fname: str, wanted: int) -> FileInfo:
    """``apache.stat()``: no error for a missing file. :raises OSError: the file can't be looked at."""
    string(1, fname)
    look = os.lstat if index(wanted) & constants.APR_FINFO_LINK else os.stat
    try:
        return FileInfo(fname, look(fname))
    except FileNotFoundError:
        return FileInfo(None, None)
