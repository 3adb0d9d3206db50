"""Sockets with files: what is replaced, whose they are, and that others can't have us change another file."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mpserver.system import socket_files
from support.processes import run_code

#: Whom the tests become that need somebody without rights.
BECOME = """
import os, socket, stat
from mpserver.system.account import Account, assume
from mpserver.system.socket_files import ForeignSocketError, listen_at
if os.geteuid() == 0:
    assume(Account(65534, 65534, "nobody", "/"))
"""


def mode(path: Path) -> int:
    """The rights of a file."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(open_folder: Path) -> Path:
    """A folder that belongs to whom the tests become."""
    made = open_folder / "folder"
    made.mkdir()
    if os.geteuid() == 0:
        os.chown(made, 65534, 65534)
    return made


def symbolic(name: Path, victim: Path) -> None:
    """A symbolic link takes the place of a file."""
    name.unlink()
    name.symlink_to(victim)


def linked(name: Path, victim: Path) -> None:
    """Another name of a file takes its place."""
    name.unlink()
    name.hardlink_to(victim)


@pytest.mark.parametrize("replace", [symbolic, linked])
def test_what_takes_its_place_while_it_is_made_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: Callable[[Path, Path], None]
) -> None:
    name, victim = tmp_path / "x.sock", tmp_path / "victim"
    victim.touch()
    victim.chmod(0o600)
    permit = socket_files.permit

    def late(*arguments: object) -> None:
        replace(name, victim)
        permit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(socket_files, "permit", late)
    listener, _place = socket_files.listen_at(str(name), 5, 0o666)
    listener.close()
    assert mode(victim) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["victim", "x.sock"]


@pytest.mark.parametrize("replace", [symbolic, linked])
def test_what_took_its_place_later_is_left_alone(tmp_path: Path, replace: Callable[[Path, Path], None]) -> None:
    name, victim = tmp_path / "x.sock", tmp_path / "victim"
    listener, place = socket_files.listen_at(str(name), 5, 0o600)
    with listener, socket.socket(socket.AF_UNIX) as other:
        other.bind(str(victim))
        victim.chmod(0o600)
        assert mode(name) == 0o600
        replace(name, victim)
        with pytest.raises(OSError, match=r"another file has taken its place|symbolic"):
            socket_files.permit(str(name), place, 0o666, -1, -1)
        socket_files.remove(str(name), place)
        assert mode(victim) == 0o600
        assert name.exists()


def test_its_rights_are_those_that_were_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = tmp_path / ("x" * 90 + ".sock")
    before = os.umask(0o077)
    try:
        listener, place = socket_files.listen_at(str(name), 5, 0o622)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    with listener:
        assert mode(name) == 0o622
        assert socket_files.place_of(str(name)) == place
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(name.name)
        socket_files.remove(str(name), place)
    assert list(tmp_path.iterdir()) == []


def test_one_that_nobody_may_connect_to_is_replaced_where_it_is_ours(folder: Path) -> None:
    """A server's owner may have no rights to the socket that it left; and may not steal that of one that lives."""
    code = f"""{BECOME}
file = {str(folder / "x.sock")!r}
first, place = listen_at(file, 5, 0o060)
try:
    listen_at(file, 5)
except OSError as error:
    print(error.strerror, oct(stat.S_IMODE(os.stat(file).st_mode)), os.stat(file).st_ino == place.inode)
first.close()
second, place = listen_at(file, 5, 0o600)
print(oct(stat.S_IMODE(os.stat(file).st_mode)), os.stat(file).st_ino == place.inode, os.listdir({str(folder)!r}))
"""
    assert run_code(code) == "Address already in use 0o60 True\n0o600 True ['x.sock']\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_one_of_another_account_stays(folder: Path) -> None:
    left = socket_files.listen_at(str(folder / "x.sock"), 5, 0o600)[0]
    left.close()
    code = f"""{BECOME}
try:
    listen_at({str(folder / "x.sock")!r}, 5)
except ForeignSocketError as error:
    print(error.uid, error.strerror)
"""
    assert run_code(code) == "0 Permission denied\n"
    assert (folder / "x.sock").is_socket()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_without_all_rights_replaces_what_it_gave_away(tmp_path: Path) -> None:
    """As in the unit: it may give files away, but not do what only their owners may."""
    code = f"""
import ctypes, os
from mpserver.system.socket_files import listen_at
libc = ctypes.CDLL(None, use_errno=True)
# PR_CAPBSET_DROP of CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER, which hold after the next exec
if not os.environ.get("BOUNDED"):
    for capability in (1, 2, 3):
        assert libc.prctl(24, capability, 0, 0, 0) == 0
    import sys
    os.environ["BOUNDED"] = "1"
    os.execv(sys.executable, sys.orig_argv)
file = {str(tmp_path / "x.sock")!r}
first, _place = listen_at(file, 5, 0o660, 65534, 65534)
try:
    listen_at(file, 5, 0o660, 65534, 65534)
except OSError as error:
    print(error.strerror, os.stat(file).st_uid, oct(os.stat(file).st_mode & 0o777))
first.close()
second, place = listen_at(file, 5, 0o660, 65534, 65534)
print(os.stat(file).st_uid, os.stat(file).st_ino == place.inode)
"""
    assert run_code(code) == "Address already in use 65534 0o660\n65534 True\n"
