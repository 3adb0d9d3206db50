"""Folders and files that only the server's own account can read and write.

Sessions are pickles: who can write one runs code as the server. So a folder of sessions belongs to
the server's account and is closed to all others, and a folder that others can write to, such as
/tmp, gets a folder of that kind in it.
"""

from __future__ import annotations

import os
import stat
from functools import lru_cache


def shared_name() -> str:
    """The name of the private folder in a folder that others can write to."""
    return f"mpserver-sessions-{os.geteuid()}"


def make_directory(path: str) -> str:
    """Make a private folder, or close the one that is there to others. :returns: its path.

    :raises PermissionError: it belongs to somebody else, or somebody else could write to it.
    :raises OSError: it can't be made.
    """
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise OSError(
            error.errno, f"The sessions' folder can't be made ({error.strerror}): the folder that it is to be in "
            "must be there, and the server's account must be able to write to it", path
        ) from error  # fmt: skip
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(
            1, "This is no folder of the server's account that only it can write to, so sessions in it can't be "
            "trusted: remove it, or name another by PythonOption mod_python.session.database_directory", path
        )  # fmt: skip
    if found.st_mode & 0o077:
        os.chmod(path, 0o700)
    return path


def is_shared(path: str) -> bool:
    """Whether others than the server's account (and root) can make files in a folder."""
    found = os.stat(path)
    return bool(found.st_mode & 0o022) or found.st_uid not in (0, os.geteuid())


def is_sticky(path: str) -> bool:
    """Whether nobody but the server's account (and root) can remove or rename what that has in a shared folder."""
    found = os.stat(path)
    return bool(found.st_mode & stat.S_ISVTX) and found.st_uid in (0, os.geteuid())


def named(file: str) -> str:
    """Where a file that an option names is kept: in a private folder beside that place, if others can write there.

    The file alone would not do: a database has more than one, and somebody else could make the others first.

    :raises PermissionError: others could take even the private folder away.
    """
    file = os.path.abspath(file)
    directory = os.path.dirname(file)
    try:
        if not is_shared(directory):
            return file
    except FileNotFoundError:
        return file  # who opens it tells
    if not is_sticky(directory):
        raise PermissionError(
            1, "Others can write to the folder of the sessions' database, and it has no sticky bit: name a file in a "
            "folder of the server's account by PythonOption mod_python.dbm_session.database_filename", file
        )  # fmt: skip
    return os.path.join(make_directory(os.path.join(directory, shared_name())), os.path.basename(file))


def check_file(path: str) -> os.stat_result:
    """What a file of sessions is like. :raises PermissionError: somebody else could have written it."""
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(
            1, "This is no file of the server's account that only it can write to: remove it", path
        )  # fmt: skip
    return found


@lru_cache(maxsize=1)
def temporary() -> str:
    """A private folder in the system's folder for temporary files."""
    import tempfile  # slow to import, and needed where nothing is configured only

    return make_directory(os.path.join(tempfile.gettempdir(), shared_name()))


def unshared(directory: str | None) -> str:
    """A folder that only the server's account can write to: the given one, one in it, or a temporary one."""
    if directory is None:
        return temporary()
    return make_directory(os.path.join(directory, shared_name())) if is_shared(directory) else directory
