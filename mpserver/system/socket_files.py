"""Listening sockets that are files (Unix sockets).

A socket's file is made in a folder that nobody else can enter, and only its name appears where it is wanted; its rights
are changed by a descriptor of the file itself. So whoever may write to that place can't have us change those of
another file by a symbolic link, or by another name of that one.
"""

from __future__ import annotations

import errno
import os
import socket
import stat

from mpserver.ipc.control_path import near
from mpserver.typing import NamedTuple


class ForeignSocketError(OSError):
    """There is a socket of another account, and whether anybody listens at it can't be said."""

    def __init__(self, uid: int) -> None:
        """``uid``: whose it is."""
        super().__init__(errno.EACCES, os.strerror(errno.EACCES))
        self.uid = uid


class Place(NamedTuple):
    """What tells a file from every other one, whatever its names."""

    device: int
    inode: int


def listen_at(file: str, backlog: int, mode: int = 0o660, uid: int = -1, gid: int = -1) -> tuple[socket.socket, Place]:
    """Listen at a file; a socket that a dead server left is replaced, any other file is not.

    :param uid: whom it is to belong to, as ``gid``; -1: nobody else than us.
    :returns: the socket, and which file it is.
    :raises OSError: there can be no listener.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        folder, name = near(file)
        try:
            drop_dead(name)
            place = _appear(listener, name, mode, uid, gid)
        finally:
            os.close(folder)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener, place


def _appear(listener: socket.socket, name: str, mode: int, uid: int, gid: int) -> Place:
    """Bind a socket to a file in a folder of its own, and give that the name. :raises OSError: it can't be."""
    path = f"{os.path.dirname(name)}/.mpserver-{os.urandom(8).hex()}"
    os.mkdir(path, 0o700)
    folder = -1
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        found = os.fstat(folder)
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:  # (somebody has put another one there)
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        return _appear_from(f"/proc/self/fd/{folder}/socket", listener, name, mode, uid, gid)
    finally:
        if folder >= 0:
            os.close(folder)
        try:
            os.rmdir(path)
        except OSError:
            pass  # somebody has moved it


def _appear_from(made: str, listener: socket.socket, name: str, mode: int, uid: int, gid: int) -> Place:
    """The same; ``made``: where it is bound first."""
    mask = os.umask(0o777)  # (nobody comes before all is as it should be)
    try:
        listener.bind(made)
    finally:
        os.umask(mask)
    try:
        # (which replaces nothing. It comes first: a socket of others can't be given a name)
        os.link(made, name, follow_symlinks=False)
        try:
            place = _place(os.lstat(made))
            permit(made, place, mode, uid, gid)
        except OSError:
            os.unlink(name)
            raise
    except FileExistsError as error:
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)) from error
    finally:
        os.unlink(made)
    return place


def permit(file: str, place: Place, mode: int, uid: int, gid: int) -> None:
    """Say whose a socket's file is, and who may connect.

    :param place: which file it has to be.
    :raises OSError: we may not, or it is another one.
    """
    fd = os.open(file, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if _place(os.fstat(fd)) != place:
            raise FileNotFoundError(errno.ENOENT, "another file has taken its place")
        itself = f"/proc/self/fd/{fd}"
        if (uid, gid) != (-1, -1):
            os.chown(itself, os.geteuid(), -1)  # (what is another's takes CAP_FOWNER)
        os.chmod(itself, mode)
        if (uid, gid) != (-1, -1):
            os.chown(itself, uid, gid)
    finally:
        os.close(fd)


def drop_dead(name: str) -> None:
    """Remove a socket at which nobody listens any more.

    One that we may not connect to is tried where it is ours, or ours to take: its rights are put back where somebody
    listens.

    :raises ForeignSocketError: it is neither, so whether anybody listens can't be said.
    """
    try:
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return  # there is none, or binding will tell
    try:
        found = os.fstat(fd)
        if stat.S_ISSOCK(found.st_mode) and not _is_heard(f"/proc/self/fd/{fd}", found):
            remove(name, _place(found))
    finally:
        os.close(fd)


def _is_heard(name: str, found: os.stat_result) -> bool:
    """Whether anybody listens at a socket. :raises ForeignSocketError: that can't be said."""
    heard = _answers(name)
    if heard is not None:
        return heard
    ours = os.geteuid()
    try:
        if found.st_uid != ours:
            os.chown(name, ours, -1)
        os.chmod(name, stat.S_IMODE(found.st_mode) | stat.S_IWUSR)
    except PermissionError as error:
        raise ForeignSocketError(found.st_uid) from error
    heard = _answers(name)
    if heard is not False:
        os.chmod(name, stat.S_IMODE(found.st_mode))
        if found.st_uid != ours:
            os.chown(name, found.st_uid, found.st_gid)
    return heard is not False


def _answers(name: str) -> bool | None:
    """Whether a connection is taken; None: we may not connect."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            return False
        except PermissionError:
            return None
        except OSError:
            pass  # it is of another type, or many wait there
    return True


def place_of(file: str) -> Place | None:
    """Which file has a name; None: none."""
    try:
        return _place(os.lstat(file))
    except OSError:
        return None


def place_of_socket(file: str) -> Place | None:
    """The same for a socket that has this name alone; None: it is anything else, which may be another's."""
    try:
        found = os.lstat(file)
    except OSError:
        return None
    return _place(found) if stat.S_ISSOCK(found.st_mode) and found.st_nlink == 1 else None


def _place(found: os.stat_result) -> Place:
    return Place(found.st_dev, found.st_ino)


def remove(file: str, place: Place | None) -> None:
    """Remove a socket's file, if it is still the one that it was."""
    if place is not None and place_of(file) == place:
        try:
            os.unlink(file)
        except OSError:
            pass  # gone already
