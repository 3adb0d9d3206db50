"""Listening sockets that are files (Unix sockets)."""

from __future__ import annotations

import os
import socket
import stat

from mpserver.ipc.control_path import near


def listen_at(file: str, backlog: int, mode: int = 0o660, uid: int = -1, gid: int = -1) -> socket.socket:
    """Listen at a file; a socket that a dead server left is replaced, any other file is not.

    :param uid: whom it is to belong to, as ``gid``; -1: nobody else than us.
    :raises OSError: there can be no listener.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o777)  # (nobody comes before all is as it should be)
    try:
        folder, name = near(file)
        try:
            drop_dead(name)
            listener.bind(name)
            try:
                permit(name, mode, uid, gid)
            except OSError:
                os.unlink(name)
                raise
        finally:
            os.close(folder)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    return listener


def permit(file: str, mode: int, uid: int, gid: int) -> None:
    """Say whose a socket's file is, and who may connect.

    :raises OSError: we may not.
    """
    if (uid, gid) != (-1, -1):
        os.chown(file, os.geteuid(), -1, follow_symlinks=False)  # (what is another's takes CAP_FOWNER)
    os.chmod(file, mode)
    if (uid, gid) != (-1, -1):
        os.chown(file, uid, gid, follow_symlinks=False)


def drop_dead(name: str) -> None:
    """Remove a socket at which nobody listens any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            if stat.S_ISSOCK(os.lstat(name).st_mode):
                os.unlink(name)
        except OSError:
            pass  # there is none, or it is alive: bind will tell
