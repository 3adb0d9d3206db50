"""Telling systemd how the service is doing: the notification protocol of sd_notify(3), in one datagram each."""

from __future__ import annotations

import os
import select
import socket
import time
from array import array
from collections.abc import MutableMapping, Sequence

#: How long what is told once may wait for a service manager whose queue is full, in seconds.
PATIENCE = 1.0


class Notifier:
    """Sends states to the socket that NOTIFY_SOCKET named; does nothing where there is none."""

    __slots__ = ("_address", "_status", "room", "watchdog")

    def __init__(self, address: str | None = None, watchdog: float = 0.0, room: int = 0) -> None:
        """``address``: a path, or ``@name`` for the abstract name space.

        :param watchdog: the seconds within which `alive` has to be told again and again; 0: nobody waits for it.
        :param room: how many descriptors the service manager keeps for the next start.
        """
        self.room = room if address else 0
        self.watchdog = watchdog if address else 0.0
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self._status = ""

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Notifier:
        """The notifier of the environment; the variables go, so that no application speaks for the server."""
        span, whose = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        ours = span.isdecimal() and whose in ("", str(os.getpid()))
        room = environ.pop("FDSTORE", "")
        return cls(
            environ.pop("NOTIFY_SOCKET", None), int(span) / 1e6 if ours else 0.0, int(room) if room.isdecimal() else 0
        )

    def alive(self) -> None:
        """The workers get on (``WatchdogSec=``)."""
        self._send("WATCHDOG=1")

    def ready(self) -> None:
        """Start-up or a reload is complete."""
        self._send("READY=1", f"MAINPID={os.getpid()}", patience=PATIENCE)

    def reloading(self) -> None:
        """The configuration is being read again; `ready` ends it."""
        self._send(
            "RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}", patience=PATIENCE
        )

    def stopping(self) -> None:
        """The server shuts down."""
        self._send("STOPPING=1", patience=PATIENCE)

    def succeeded(self, pid: int) -> None:
        """Another process is the service's main one from now on, and speaks for it; we are silent."""
        self._send(f"MAINPID={pid}", patience=PATIENCE)
        self._address = None

    def store(self, name: str, fds: Sequence[int]) -> None:
        """Have descriptors kept, and passed to the next start by this name."""
        self._send("FDSTORE=1", f"FDNAME={name}", "FDPOLL=0", fds=fds, patience=PATIENCE)

    def forget(self, name: str) -> None:
        """Have those of a name kept no more."""
        self._send("FDSTOREREMOVE=1", f"FDNAME={name}", patience=PATIENCE)

    def settle(self) -> None:
        """Wait until the manager has done what it was told, a second at most (``BARRIER=1``)."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            self._send("BARRIER=1", fds=[writer], patience=PATIENCE)
        finally:
            os.close(writer)
        poll = select.poll()
        poll.register(reader, 0)  # (its end is told: nobody has the other one any more)
        poll.poll(1000)
        os.close(reader)

    def environ(self) -> dict[str, str]:
        """What a process is told that is to be the service's main one."""
        if not self._address:
            return {}
        found = {"NOTIFY_SOCKET": self._address.replace("\0", "@")}
        if self.watchdog:
            found["WATCHDOG_USEC"] = str(round(self.watchdog * 1e6))
        if self.room:
            found["FDSTORE"] = str(self.room)
        return found

    def status(self, text: str) -> None:
        """A line for ``systemctl status``; sent when it differs from the last one."""
        text = " ".join(text.split("\n"))
        if text != self._status and self._send(f"STATUS={text}"):
            self._status = text

    def _send(self, *lines: str, fds: Sequence[int] = (), patience: float = 0.0) -> bool:
        """Tell something. :returns: whether that was done.

        :param patience: how long the manager may take to have room for it, in seconds.
        """
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(patience)
                data = "\n".join(lines).encode("utf-8", "replace")
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))] if fds else []
                out.sendmsg([data], rights, 0, self._address)  # (`socket.send_fds` forgets the address)
        except OSError:
            return False  # The service manager is gone or busy: serving goes on without it.
        return True
