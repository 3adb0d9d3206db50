"""apache.stat and req.finfo."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpserver.api import constants
from mpserver.api.file_info import FileInfo, stat


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("12345")
    path.chmod(0o4640)
    os.utime(path, (1000.9, 2000.9))
    info = stat(str(path), constants.APR_FINFO_NORM)
    assert (info.fname, info.filetype, info.size, info.name) == (str(path), constants.APR_REG, 5, None)
    assert (info.atime, info.mtime) == (1000, 2000)
    assert info.protection == 0x8640
    assert info.valid == 0x73F370
    assert [info[number] for number in (constants.FINFO_SIZE, constants.FINFO_MTIME, constants.FINFO_FILETYPE)] == [
        5, 2000, constants.APR_REG,
    ]  # fmt: skip


def test_all_that_stat_says(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("12345")
    found, info = path.stat(), stat(str(path), constants.APR_FINFO_NORM)
    assert (info.user, info.group, info.inode, info.device) == (
        found.st_uid,
        found.st_gid,
        found.st_ino,
        found.st_dev,
    )
    assert (info.nlink, info.ctime) == (1, int(found.st_ctime))


def test_what_is_missing(tmp_path: Path) -> None:
    info = stat(str(tmp_path / "missing"), 0)
    assert (info.fname, info.filetype, info.valid, info.size) == (None, constants.APR_NOFILE, None, None)
    assert FileInfo("/asked", None).fname == "/asked"


def test_what_cant_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(NotADirectoryError):
        stat(str(tmp_path / "f" / "x"), 0)


def test_links(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert stat(str(tmp_path / "link"), 0).filetype == constants.APR_DIR
    assert stat(str(tmp_path / "link"), constants.APR_FINFO_LINK).filetype == constants.APR_LNK


def test_it_is_for_reading() -> None:
    info = FileInfo("x", None)
    with pytest.raises(TypeError, match="read-only"):
        setattr(info, "size", 5)  # noqa: B010 - what the type checker refuses, too
    for number in (-1, 13):
        with pytest.raises(IndexError):
            info[number]
