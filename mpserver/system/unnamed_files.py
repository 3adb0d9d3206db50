"""Files without a name: nothing of them is left, however the process ends that has one open."""

from __future__ import annotations

import errno
import os

#: What the system says of a file system that has no files without names.
_NEEDS_NAME = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})


def unnamed_file(directory: str, purpose: str) -> int:
    """The descriptor of a new file, to be written and read.

    :param purpose: a part of the name that it has for a moment, where the file system can't do without.
    :raises OSError: there can be none in that directory.
    """
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NEEDS_NAME:
            raise
    for _attempt in range(100):
        name = os.path.join(directory, f"mpserver-{purpose}-{os.urandom(8).hex()}")
        try:
            fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            continue
        os.unlink(name)
        return fd
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), directory)
