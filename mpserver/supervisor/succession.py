"""``-k upgrade``: another master, of whatever Python and mpserver there are now, takes the place of this one.

The one that runs starts the new one with its own command line, and passes it the listening sockets; so no port closes,
and no client is refused. When all workers of the new one serve, it takes pid file, control socket and ManagementListen
over and says so, and the former one drains. If it can't come so far it says why, and all stays as it was.

It is told by the environment what it is (`Succession`), and by ``LISTEN_FDS`` what it gets, with names that say for
what (`mpserver.system.inherited`). What both do with the parts of a master is in `mpserver.supervisor.upgrades`.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from functools import partial

from mpserver.supervisor.watched import Watched
from mpserver.system.inherited import FIRST
from mpserver.system.process import fork_orphan, reset_signals
from mpserver.typing import NamedTuple, NoReturn

#: The variable that tells a new master whom it succeeds, and through which descriptor it says how that went.
VARIABLE = "MPSERVER_SUCCEEDS"
#: The name of the socket of ManagementListen, before its address.
MANAGEMENT = "management "

#: What the new master says when it serves; anything else is why it does not.
SERVES = b"\0"
#: The longest reason, in bytes.
REASON = 4096


class Succession(NamedTuple):
    """The new master's side: whose place it takes, and where to say how that went."""

    pid: int
    fd: int

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Succession | None:
        """What the environment tells; None: it succeeds nobody."""
        pid, _, fd = environ.pop(VARIABLE, "").partition(":")
        if not pid.isdecimal() or not fd.isdecimal():
            return None
        os.set_inheritable(int(fd), False)
        return cls(int(pid), int(fd))

    def tell(self, text: bytes) -> None:
        """Say how it went: `SERVES`, or why not."""
        try:
            os.write(self.fd, text[:REASON])
            os.close(self.fd)
        except OSError:
            pass  # that one is gone, or was told before


class Socket(NamedTuple):
    """A socket that is passed: for what, and its descriptor."""

    name: str
    fd: int


class Upgrade:
    """The former master's side: the new one, from its fork until it serves or has failed."""

    __slots__ = ("_reader", "_said", "_served", "_told", "_watched", "pid")

    def __init__(self, watched: Watched, served: Callable[[int], None]) -> None:
        """``served`` is called with the number of the new master's process, when it serves."""
        self._watched, self._served = watched, served
        self._told: Callable[[str], None] = lambda _why: None
        self._reader = -1
        self._said = b""
        #: The process that is to succeed us; 0: there is none.
        self.pid = 0

    @property
    def under_way(self) -> bool:
        """Whether another master is about to take over."""
        return self._reader >= 0

    def begin(
        self,
        words: Sequence[str],
        folder: str,
        environ: Mapping[str, str],
        sockets: Sequence[Socket],
        soft: int,
        told: Callable[[str], None],
    ) -> None:
        """Start the new master.

        :param words: its command, in the folder where that was given.
        :param environ: what is more in its environment.
        :param soft: its limit of descriptors; 0: as ours is.
        :param told: is called with why it failed; "" when it serves.
        :raises OSError: the system has no room for a process.
        """
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            pid = fork_orphan(partial(_become, words, folder, environ, sockets, writer, soft, os.getpid()))
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self.pid, self._reader, self._said, self._told = pid, reader, b"", told
        self._watched.add(self, self._hear)

    def fileno(self) -> int:
        """Readable when the new master has said something."""
        return self._reader

    def _hear(self) -> None:
        data = os.read(self._reader, REASON)
        self._said += data
        if self._said == SERVES:
            self._end("")
            self._served(self.pid)
        elif not data:
            self._end(self._said.decode("utf-8", "replace") or "the new server ended before it served")

    def _end(self, why: str) -> None:
        self._watched.remove(self)
        os.close(self._reader)
        self._reader = -1
        if why:
            self.pid = 0
        self._told(why)

    def abandon(self) -> None:
        """End the new master, if there is one that does not serve yet."""
        if self.under_way:
            try:
                os.kill(self.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass  # it has ended, and was reaped


def _become(
    words: Sequence[str],
    folder: str,
    environ: Mapping[str, str],
    sockets: Sequence[Socket],
    writer: int,
    soft: int,
    former: int,
    blocked: Iterable[int],
) -> NoReturn:
    """Become the new master, in a process that the former one made."""
    try:
        reset_signals(blocked)
        if soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        os.chdir(folder)
        place = FIRST + len(sockets)
        # (first out of the way of each other)
        fds = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, place + 1) for fd in (*(sock.fd for sock in sockets), writer)]
        for number, fd in enumerate(fds):
            os.dup2(fd, FIRST + number)
        names = ":".join(os.fsencode(sock.name).hex() for sock in sockets)
        passed = {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names, "LISTEN_PID": str(os.getpid())}
        os.execve(words[0], list(words), {**os.environ, **environ, **passed, VARIABLE: f"{former}:{place}"})  # noqa: S606 - who asked for the upgrade says which Python
    except OSError as error:
        os.write(
            writer,
            f"({error.errno}){error.strerror}: {words[0]} can't be run in {folder}".encode(errors="backslashreplace"),
        )
    finally:
        os._exit(1)
