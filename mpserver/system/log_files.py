"""The log files: opened by the master before it drops anything, inherited by all others as descriptors.

What they may be, and under which names their descriptors are found: `mpserver.system.log_targets`.

Each generation opens its logs anew: that is how files are reopened on a restart, while workers that
still drain go on writing to the file they had, wherever a rotation moved it. Without a restart `Logs.open_again` opens
them, and every process that has their descriptors lets these be the new files (`take_over`).
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Iterable

from mpserver.errors import StartError
from mpserver.system import descriptors
from mpserver.system.account import name_of
from mpserver.system.log_targets import QUEUE, SYSLOG, log_key

#: What a program that reads messages (`QUEUE`) gets with another socket that it is to read from.
OFFER = b"+"
#: So many are given at a time: the kernel has room for less than three hundred messages of any size.
GIVEN = 16
#: How such a program begins: the server's packages are found where they are here, and nothing in the current folder.
_BEGIN = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), run_name='__main__')"
)
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

#: Files that are descriptors which we have already; opening them anew fails where they are sockets.
_STANDARD = {"/dev/stdout": 1, "/proc/self/fd/1": 1, "/dev/stderr": 2, "/proc/self/fd/2": 2}

#: A program of the server's own that ends so soon after its start (in seconds), and so often in a row, is left alone.
SOON, TRIES = 10.0, 5

#: Signals that the server handles or ignores and a piped program wants at their defaults.
_DEFAULTED = ("SIGPIPE", "SIGHUP", "SIGUSR1", "SIGWINCH", "SIGTERM", "SIGINT")


class _Pipe:
    """A program that takes a log on its standard input.

    The master keeps both ends of the pipe, so that a program that died is started again and finds the lines that were
    written meanwhile.
    """

    __slots__ = ("_actions", "_apart", "_soft", "command", "name", "pid", "reader", "soon", "started", "writer")

    def __init__(self, command: list[str], ends: tuple[int, int], soft: int, name: str, stderr: int = 2) -> None:
        """:param ends: of the pipe, the one to read from first.

        :param name: what it is called in messages.
        :param stderr: what is the program's standard error.
        """
        self._soft = soft
        #: The ends of the sockets that others write to which have one of their own.
        self._apart: list[int] = []
        self.command, self.name = command, name
        self.reader, self.writer = ends
        self._actions = [(os.POSIX_SPAWN_DUP2, self.reader, 0)]
        if stderr != 2:
            self._actions.append((os.POSIX_SPAWN_DUP2, stderr, 2))
        self.pid = 0
        #: How often in a row it has ended soon after its start.
        self.soon = 0
        try:
            self.start()
        except StartError:
            self.close()
            raise

    def start(self) -> None:
        """Start the program. :raises StartError: it can't be started; the pipe stays open, for others write to it."""
        import signal  # (as above)

        self.started = time.monotonic()
        try:
            self.pid = descriptors.ProgramStarter(self._soft).start(
                os.posix_spawnp,
                self.command[0],
                self.command,
                os.environ,
                file_actions=self._actions,
                setsigdef=[getattr(signal, name) for name in _DEFAULTED],
                setsigmask=(),
            )
        except OSError as error:
            raise StartError(
                f"({error.errno}){error.strerror}: AH00104: unable to start piped log program '{self.name}'"
            ) from error

        self._offer(self._apart)

    def apart(self) -> int:
        """A socket of its own for somebody who writes; the program gets the other end, and so does each later one.

        What that one does to it harms nobody else.

        :raises OSError: there are no more descriptors.
        """
        self._forget()
        reader, writer = _queue()
        self._apart.append(reader)
        self._offer((reader,))
        return writer

    def _offer(self, ends: Iterable[int]) -> None:
        """Give the program ends to read from: by its own socket, which nobody else writes to."""
        from array import array  # (as above)

        several = array("i", ends)
        if not several:
            return
        import socket  # (as above)

        with socket.socket(fileno=os.dup(self.writer)) as told:
            for at in range(0, len(several), GIVEN):
                try:
                    told.sendmsg([OFFER], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, several[at : at + GIVEN])])
                except OSError:
                    pass  # (it does not read, and will not)

    def _forget(self) -> None:
        """Close the ends whose others are closed, and that have been read, or will not be."""
        import select  # (as above)

        poll = select.poll()
        for end in self._apart:
            poll.register(end, select.POLLIN)
        for end, event in poll.poll(0):
            # (the end of a connection may always be "read", too; where no program runs, none will read what is left)
            if event & select.POLLHUP and not (self.pid and _unread(end)):
                self._apart.remove(end)
                os.close(end)

    def close(self) -> None:
        """Close both ends of the pipe."""
        for end in (self.reader, self.writer, *self._apart):
            os.close(end)


def _program(target: str) -> list[str]:
    """The words of a piped log's program."""
    import shlex  # (interpreters have what was opened)

    text = target.lstrip("|")
    command = ["/bin/sh", "-c", text[1:].strip()] if text.startswith("$") else shlex.split(text)
    if not command:
        raise StartError(f"The log '{target}' names no program. Write '|/path/to/program arguments'.")
    return command


def _own_program(words: Iterable[str]) -> list[str]:
    """How a module of the server becomes a program: its name is the first word, and the others are its arguments."""
    return [sys.executable, "-P", "-c", _BEGIN, _ROOT, *words]


def _queue() -> tuple[int, int]:
    """A socket of messages, the end to read from first: nobody who writes is held up, and what has no room is lost."""
    import socket  # (as above)

    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    writer.setblocking(False)
    return reader.detach(), writer.detach()


def _unread(end: int) -> int:
    """How many bytes nobody has read yet of what came to a socket."""
    import fcntl  # (as above)
    import termios

    return int.from_bytes(fcntl.ioctl(end, termios.FIONREAD, bytes(4)), sys.byteorder)


class Logs:
    """The open logs of one generation: ``fds`` by `key`."""

    __slots__ = ("_own", "_pipes", "_soft", "fds")

    def __init__(self, root: str, targets: Iterable[str], soft: int = 0, own: str = "") -> None:
        """Open all of them; the first is the error log.

        :param soft: the limit of descriptors of the programs, 0: as it is.
        :param own: the last argument of programs of the server's own (`QUEUE`).
        :raises StartError: one can't be opened; none stays open then.
        """
        self.fds: dict[str, int] = {}
        self._pipes: list[_Pipe] = []
        self._soft, self._own = soft, own
        try:
            for name in dict.fromkeys(log_key(root, target) for target in targets):
                self.fds[name] = self._open(name)
        except BaseException:
            self.close()
            raise

    def _open(self, name: str) -> int:
        if name.startswith(QUEUE):
            words = name.removeprefix(QUEUE).split(" ")
            errors = next(iter(self.fds.values()), 2)
            pipe = _Pipe(_own_program([*words, self._own]), _queue(), self._soft, words[0], errors)
        elif name.startswith("|"):
            command = _program(name)
            pipe = _Pipe(command, os.pipe(), self._soft, command[0])
        else:
            return _open_file(name) if name.startswith("/") else _open_syslog()
        self._pipes.append(pipe)
        return pipe.writer

    def reaped(self, pid: int) -> str | None:
        """A child ended: if it was one of the piped programs, start it again and give back its name.

        :raises StartError: it can't be started again; the next worker that writes blocks when the pipe is full.
        """
        for pipe in self._pipes:
            if pipe.pid == pid:
                pipe.pid = 0
                pipe.soon = pipe.soon + 1 if time.monotonic() - pipe.started < SOON else 0
                if pipe.soon >= TRIES and any(
                    self.fds[key] == pipe.writer for key in self.fds if key.startswith(QUEUE)
                ):
                    # (whoever has its socket may have closed it for all; what is told is lost, and nobody waits)
                    raise StartError(f"'{pipe.name}' ends again and again: it is started again at the next restart")
                pipe.start()
                return pipe.name
        return None

    def apart(self) -> dict[int, int]:
        """Sockets to the server's own programs for a process that is about to be forked, which nobody else writes to.

        :returns: by the descriptors whose places they take there; they are the caller's to close.
        :raises OSError: there are no more descriptors.
        """
        own = {fd for key, fd in self.fds.items() if key.startswith(QUEUE)}
        made: dict[int, int] = {}
        try:
            for pipe in self._pipes:
                if pipe.writer in own:
                    made[pipe.writer] = pipe.apart()
        except OSError:
            for fd in made.values():
                os.close(fd)
            raise
        return made

    def open_again(self) -> dict[int, int]:
        """Open those that are files anew, beside those that there are.

        :returns: the new descriptors, which are the caller's, by those that they are for.
        :raises StartError: one can't be opened; none is then.
        """
        opened: dict[int, int] = {}
        try:
            for name, fd in self.fds.items():
                if name.startswith("/") and name not in _STANDARD and stat.S_ISREG(os.fstat(fd).st_mode):
                    opened[fd] = _open_file(name)
        except StartError:
            for fd in opened.values():
                os.close(fd)
            raise
        return opened

    def renew_own(self, files: Iterable[int]) -> None:
        """Let programs of the server's own end where the error log is among these files: the next ones have it anew."""
        import signal  # (as above)

        if next(iter(self.fds.values()), -1) not in files:
            return
        own = {fd for key, fd in self.fds.items() if key.startswith(QUEUE)}
        for pipe in self._pipes:
            if pipe.writer in own and pipe.pid:
                pipe.started = float("-inf")
                try:
                    os.kill(pipe.pid, signal.SIGUSR1)
                except ProcessLookupError:
                    pass  # (it is just being started again)

    def own(self, pid: int) -> bool:
        """Whether a process is one of the piped programs."""
        return any(pipe.pid == pid for pipe in self._pipes)

    def close(self) -> None:
        """Close the master's descriptors: a piped program ends when the last worker closed its own."""
        pipes = {pipe.writer for pipe in self._pipes}
        for fd in self.fds.values():
            if fd not in pipes:
                os.close(fd)
        for pipe in self._pipes:
            pipe.close()
        self.fds, self._pipes = {}, []


def take_over(number: int, fd: int) -> None:
    """As `replace`; ``fd`` is closed."""
    try:
        replace(number, fd)
    finally:
        os.close(fd)


def replace(number: int, fd: int) -> None:
    """Let the descriptor of a log be another file from now on, in this process: ``fd``, which stays the caller's.

    So are standard output and error, where they were the same file.
    """
    former = os.fstat(number)
    for standard in (1, 2):
        try:
            same = os.path.samestat(os.fstat(standard), former)
        except OSError:
            continue  # an application has closed it
        if same:
            os.dup2(fd, standard)
    os.dup2(fd, number, inheritable=False)


def _open_syslog() -> int:
    """A datagram socket to the system's log: each line that is written there becomes a message of it.

    It never blocks, for a log that does not read would hold up every process; who writes waits a little.
    """
    import socket  # (as above)

    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect(SYSLOG)
    except OSError as error:
        sock.close()
        raise StartError(f"({error.errno}){error.strerror}: could not reach the system's log at {SYSLOG}") from error
    return sock.detach()


def _open_file(path: str) -> int:
    standard = _STANDARD.get(path)
    try:
        if standard is not None:
            return os.dup(standard)
        # (a FIFO that nobody reads would hold us up for ever)
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        os.set_blocking(fd, True)
        return fd
    except OSError as error:
        folder = os.path.dirname(path)
        if isinstance(error, FileNotFoundError) and not os.path.isdir(folder):
            raise StartError(
                f"({error.errno}){error.strerror}: AH02291: Cannot access directory '{folder}/' for log file "
                f"{path}. Create it, or name another place with ErrorLog or CustomLog."
            ) from error
        text = f"({error.errno}){error.strerror}: AH00091: could not open log file {path}."
        if error.errno == errno.ENXIO and stat.S_ISFIFO(os.stat(path).st_mode):
            text += " It is a pipe (FIFO) that nobody reads: start its reader first, or name a file."
        raise StartError(f"{text}{_refused(folder) if error.errno == errno.EACCES else ''}") from error


def _refused(folder: str) -> str:
    """Who may not write to a folder, and whose it is, for the end of a message."""
    try:
        found = os.stat(folder)
    except OSError:
        return ""
    who = name_of(os.geteuid())
    # (systemd's units take it away: root is an account as any other, then)
    rights = ", without the capability CAP_DAC_OVERRIDE," if os.geteuid() == 0 else ""
    whose = f"{name_of(found.st_uid)}'s (mode {found.st_mode & 0o7777:04o})"
    remedy = f"give the folder to {who}, or name another place with ErrorLog or CustomLog."
    return f" It is {who}{rights} that opens it, and {folder} is {whose}: {remedy}"


def file_of(root: str, target: str) -> str:
    """The path of a log that is a file, and can be moved; "": it is none."""
    name = log_key(root, target)
    return name if name.startswith("/") and name not in _STANDARD and not name.startswith("/dev/") else ""
