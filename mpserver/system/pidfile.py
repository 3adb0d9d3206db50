"""The pid file: how the command finds the running server, and how a left-over file is recognised."""

from __future__ import annotations

import fcntl
import os

from mpserver.errors import StartError
from mpserver.system.titles import parts, title
from mpserver.typing import NamedTuple

#: How the titles of processes begin that own a pid file.
MASTER_TITLE = "mpserver: master"
ONE_PROCESS_TITLE = "mpserver: one process"


class Found(NamedTuple):
    """What the pid file says: the process's number (None: no file), and whether that is a running server."""

    pid: int | None
    running: bool


def look(path: str) -> Found:
    """Read the file, and look whether its process is a server.

    :raises StartError: the file holds no process number, or can't be read.
    """
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(64).strip()
    except FileNotFoundError:
        return Found(None, False)
    except OSError as error:
        raise StartError(f"({error.errno}){error.strerror}: AH00031: Error retrieving pid file {path}") from error
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31):
        raise StartError(
            f"AH00031: Error retrieving pid file {path}\nAH00032: Remove it before continuing if it is corrupted."
        )
    # (our own number was that of a server before us: containers give the same ones at each start. The first one is 1)
    return Found(int(text), int(text) != os.getpid() and is_server(int(text)))


def is_server(pid: int) -> bool:
    """Whether the process lives and is a master (or a one-process server): numbers are given anew after a crash."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        words = process.cmdline()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True  # hidden from us (hidepid): rather a second look by a human than a second server
    name = title(words)
    if name.startswith("mpserver: "):
        return name.startswith((MASTER_TITLE, ONE_PROCESS_TITLE))
    return _is_command(words)


def _is_command(words: list[str]) -> bool:
    """Whether a process that did not name itself may be a server: python -m mpserver, or the script mpserver.

    Others may have its name among their words: who reads its log, or edits its configuration.
    """
    first, *rest = words or [""]
    if os.path.basename(first) == "mpserver":
        return True
    while rest and rest[0].startswith("-") and rest[0] != "-m":  # (options of Python)
        rest = rest[2 if rest[0] in ("-X", "-W") else 1 :]
    named = rest[1:2] == ["mpserver"] if rest[:1] == ["-m"] else os.path.basename("".join(rest[:1])) == "mpserver"
    return named and "python" in os.path.basename(first)


def configuration(pid: int) -> str | None:
    """The configuration that a running server has, as its process says; None where it doesn't say."""
    import psutil

    try:
        start, told = parts(title(psutil.Process(pid).cmdline()))
    except psutil.Error:
        return None
    return told or None if start in (MASTER_TITLE, ONE_PROCESS_TITLE) else None


def claim(path: str, former: int = 0) -> Found:
    """Write our number, where no running server has the file; of two that try at once, one is refused.

    :param former: the process of a server whose file it may be, for we take its place; 0: of none.
    :returns: what the file said before.
    :raises StartError: it is a running server's, or can't be written.
    """
    with _Turn(path):
        found = look(path)
        if found.pid is not None and found.running and found.pid != former:
            raise StartError(of_another(path, found.pid))
        write(path)
    return found


def of_another(path: str, pid: int) -> str:
    """What is told where a file is a running server's."""
    theirs = configuration(pid)
    whose = f"pid {pid}, with the configuration {theirs}" if theirs else f"pid {pid}"
    return f"PidFile {path} is that of a running server ({whose}): stop that one, or give this one a PidFile of its own"


class _Turn:
    """Be the only one who looks at the file and writes it.

    The filelock library would take 80 ms of each start for this moment, and leave 4.4 MB and its functions at forks in
    the master and in all that are forked from it.
    """

    __slots__ = ("_fd", "_lock", "_path")

    def __init__(self, path: str) -> None:
        self._path, self._lock = path, f"{path}.lock"
        self._fd = -1

    def __enter__(self) -> None:
        while self._fd < 0:
            try:
                fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except OSError as error:
                raise _unwritable(self._path, error) from error
            fcntl.flock(fd, fcntl.LOCK_EX)
            if self._is_there(fd):
                self._fd = fd
            else:
                os.close(fd)

    def _is_there(self, fd: int) -> bool:
        """Who had it before has removed it: the lock of a file without a name excludes nobody."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._lock))
        except FileNotFoundError:
            return False

    def __exit__(self, *_: object) -> None:
        os.unlink(self._lock)
        os.close(self._fd)


def write(path: str, pid: int = 0) -> None:
    """Write our number, or another one's (``pid``); the file appears whole or not at all.

    :raises StartError: it can't be written.
    """
    temporary = f"{path}.{os.getpid()}"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.write(fd, f"{pid or os.getpid()}\n".encode())
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError as error:
        if not isinstance(error, FileExistsError):
            _drop(temporary)  # (who has our number next, as in a container, could not make it)
        raise _unwritable(path, error) from error


def _drop(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # there is none


def _unwritable(path: str, error: OSError) -> StartError:
    hint = "" if os.path.isdir(os.path.dirname(path)) else " Create its folder, or name another with PidFile."
    return StartError(f"({error.errno}){error.strerror}: AH00100: could not log pid to file {path}.{hint}")


def remove(path: str) -> None:
    """Remove the file if it is ours: a new server may have written it while we drained."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            ours = file.read(64).strip() == str(os.getpid())
        if ours:
            os.unlink(path)
    except OSError:
        # Gone already, or not ours to remove any more: `look` tells a left-over file from a live one.
        pass
