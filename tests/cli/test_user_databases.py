"""``mpserver htdbm`` and ``mpserver httxt2dbm``: what they make is what Python's dbm opens."""

from __future__ import annotations

import dbm
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mpserver.cli.user_databases import htdbm, httxt2dbm
from mpserver.modules import passwords
from mpserver.modules.databases import Database
from support.commands import run


def values(path: Path) -> dict[bytes, bytes]:
    """What a file has."""
    with closing(sqlite3.connect(path)) as file:
        return dict(file.execute("SELECT key, value FROM Dict").fetchall())


def test_users_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "users.db"
    assert run(tmp_path, "htdbm", "-cis", "users.db", "joe", told="secret\n") == (0, "", "")
    assert run(tmp_path, "htdbm", "-bBt", "-C", "4", "users.db", "ann", "pw", "staff,admin:at work")[0] == 0
    assert run(tmp_path, "htdbm", "-l", "users.db")[1] == "ann\njoe\n"
    kept = values(path)
    assert kept[b"joe"].decode() == passwords.sha1(b"secret")
    encrypted, _, remark = kept[b"ann"].decode().partition(":")
    assert passwords.matches(b"pw", encrypted)
    assert remark == "staff,admin:at work"
    assert htdbm(["-vb", str(path), "ann", "pw"]) == 0
    assert htdbm(["-vb", str(path), "ann", "secret"]) == 3
    assert htdbm(["-x", str(path), "joe"]) == 0
    assert htdbm(["-x", str(path), "joe"]) == 6
    assert list(values(path)) == [b"ann"]
    path.chmod(0o604)
    assert htdbm(["-cbs", str(path), "Jörg", "pw"]) == 0
    assert list(values(path)) == ["Jörg".encode()]
    assert path.stat().st_mode & 0o777 == 0o604
    assert os.listdir(tmp_path) == ["users.db"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_new_one_belongs_to_whom_the_one_before_did(tmp_path: Path) -> None:
    path = tmp_path / "users.db"
    assert htdbm(["-cbs", str(path), "joe", "pw"]) == 0
    os.chown(path, 65534, 65533)
    path.chmod(0o600)
    assert htdbm(["-cbs", str(path), "ann", "pw"]) == 0
    assert list(values(path)) == [b"ann"]
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (65534, 65533, 0o600)


def test_a_text_becomes_a_database(tmp_path: Path) -> None:
    text, path = tmp_path / "groups", tmp_path / "groups.db"
    text.write_text("# remark\njoe staff,admin\n\nbob  a b \nalone\njoe staff\n")
    assert httxt2dbm(["-i", str(text), "-o", str(path), "-f", "default"]) == 0
    assert values(path) == {b"joe": b"staff", b"bob": b"a b"}
    database = Database(str(path))
    assert (database.get(b"bob"), database.get(b"no", b"joe"), database.get(b"no")) == (b"a b", b"staff", None)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="dbm.sqlite3 is new in Python 3.13")
def test_it_is_what_python_has(tmp_path: Path) -> None:
    path = str(tmp_path / "users.db")
    assert htdbm(["-cbs", path, "joe", "pw"]) == 0
    assert dbm.whichdb(path) == "dbm.sqlite3"
    with dbm.open(path, "w") as file:
        assert file["joe"].decode() == passwords.sha1(b"pw")
        file["ann"] = "written"
        assert Database(path).get(b"ann") == b"written"
    assert Database(path).get(b"ann") == b"written"
    assert os.listdir(tmp_path) == ["users.db"]


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["-b", "users", "joe", "x"], 1, "-c makes one"),
        (["-l", "users"], 1, "-c makes one"),
        (["-z", "users", "joe"], 2, "no option -z"),
        (["-cb", "users", "a:b", "x"], 2, "the user name can't"),
        (["-cbBm", "users", "joe", "x"], 2, "exclude each other"),
        (["-cnb", "joe", "x"], 2, "exclude each other"),
        (["-cbTGDBM", "users", "joe", "x"], 2, "no option -T"),
        (["-TGDBM", "-cb", "users", "joe", "x"], 2, "'GDBM' can't be made: there are default and sqlite"),
        (["-T", "SDBM", "-cb", "users", "joe", "x"], 2, "'SDBM' can't be made"),
        (["users"], 2, "too few"),
    ],
)
def test_faults(
    words: list[str], status: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert htdbm(words) == status
    assert text in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_files_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "users"
    path.write_text("joe:pw\n" * 100)
    assert htdbm(["-bs", str(path), "joe", "pw"]) == 1
    assert "file is not a database" in capsys.readouterr().err
    assert path.read_text() == "joe:pw\n" * 100
    assert httxt2dbm(["-i", str(path)]) == 2
    assert httxt2dbm(["-i", str(tmp_path / "none"), "-o", str(path)]) == 1
    assert httxt2dbm(["-f", "DB", "-i", str(path), "-o", str(path)]) == 2
    with pytest.raises(OSError, match="SQLite database"):
        Database(str(path)).get(b"joe")
    assert (htdbm([]), httxt2dbm(["--help"])) == (2, 0)
