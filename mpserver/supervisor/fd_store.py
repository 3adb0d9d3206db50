"""The service manager keeps the listening sockets while the server is started anew (``FileDescriptorStoreMax=``).

Clients that come meanwhile wait, and are served by the next server, which gets the sockets by `LISTEN_FDS` with the
names that they were given here. What is listened at no more is kept no more.
"""

from __future__ import annotations

from mpserver.system.inherited import kept_name
from mpserver.system.listeners import Address, Listeners
from mpserver.system.systemd import Notifier


class FdStore:
    """What the service manager keeps."""

    __slots__ = ("_kept", "_notifier", "_seen", "_settled")

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._kept: set[str] = set()
        self._seen: Listeners | None = None
        self._settled = False

    def follow(self, listeners: Listeners) -> None:
        """Have the sockets kept that the server listens at now; to be called each second or so.

        What is new is kept the next time: after an upgrade the manager has to hear from the former server first that
        this one speaks for the service.
        """
        if not self._notifier.room or (self._settled and listeners is self._seen):
            return
        if listeners is not self._seen:
            self._seen, self._settled = listeners, False
            return
        listeners.inherited.close_kept()
        wanted = self._wanted(listeners)
        stale = listeners.inherited.stale
        for name in sorted((self._kept - wanted.keys()) | stale):
            self._notifier.forget(name)
        for name in sorted(wanted.keys() - (self._kept - stale)):
            self._notifier.store(name, [sock.fileno() for sock in listeners.by_address[wanted[name]]])
        self._kept, self._settled = set(wanted), True
        listeners.stored = set(wanted.values())
        stale.clear()

    def _wanted(self, listeners: Listeners) -> dict[str, Address]:
        """The addresses by their names: as many as there is room for, and none of those that are another unit's."""
        found: dict[str, Address] = {}
        room = self._notifier.room
        for address, socks in listeners.by_address.items():
            if not address.name and not any(sock in listeners.inherited.systemds for sock in socks):
                room -= len(socks)
                if room >= 0:
                    found[kept_name(str(address))] = address
        return found
