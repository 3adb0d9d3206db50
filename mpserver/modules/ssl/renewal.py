"""Certificates are renewed while the server runs: their files are watched, and what is good of them is served.

Who wrote the configuration watches, for it may read keys that workers may not. Handshakes look at what is kept with
the configuration (`mpserver.config.records`), so nothing has to be started again.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from mpserver.api import error_log
from mpserver.config import records
from mpserver.modules.ssl.pieces import packed, unpacked
from mpserver.modules.ssl.profiles import Encryption
from mpserver.tls import certificate, contexts, tickets
from mpserver.tls.profile import Profile
from mpserver.typing import Any

#: Seconds between two looks, at least; and for each file, so that thousands cost next to nothing.
INTERVAL = 1.0
#: Seconds after which the keys of tickets are other ones: who gets them can read what was said by older ones.
TICKETS = 24 * 3600.0
FOR_EACH = 0.0005

#: What shows that a file is another one.
Look = tuple[Any, ...]


class Renewal:
    """The files of one configuration."""

    def __init__(self, encryption: Encryption, fd: int, log: Callable[[int, str], None]) -> None:
        """``fd``: the descriptor of the file with the pieces; ``log`` gets levels and texts."""
        self._encryption, self._fd, self._log = encryption, fd, log
        self._records = records.Records(fd)
        encryption.files.pieces.clear()  # (processes of other users are forked from this one: no keys stay at hand)
        self._sources = encryption.files.sources
        self._interval = max(INTERVAL, FOR_EACH * len(self._sources))
        #: What those look like that are served.
        self._looks = [_look(source.names) for source in self._sources]
        #: What they looked like when they were looked at last; and when they were taken last, be it in vain.
        self._seen = list(self._looks)
        self._tried = self._seen
        #: When they are looked at next, ``time.monotonic()``.
        self.deadline = 0.0
        #: When tickets get other keys; None: with the first look.
        self._rotation: float | None = None

    def due(self, now: float) -> None:
        """Look, if it is time."""
        if now >= self.deadline:
            self.expire(now)

    def expire(self, now: float) -> None:
        """It is time, see `mpserver.system.loop.Timed`."""
        self.deadline = now + self._interval
        self.look()
        if self._rotation is None:
            self._rotation = now + TICKETS
        elif now >= self._rotation:
            self._rotation = now + TICKETS
            self._rotate()

    def look(self) -> None:
        """Take what has changed, once it changes no more: a certificate and its key are written one after the other."""
        seen, self._seen = self._seen, [_look(source.names) for source in self._sources]
        changed = [number for number, look in enumerate(self._seen) if look != self._looks[number]]
        if not changed or seen != self._seen or seen == self._tried:
            return
        self._tried = seen
        names = ", ".join(dict.fromkeys(name for number in changed for name in self._sources[number].names))
        try:
            pieces = self._read(changed)
            for profile in self._of(changed):
                contexts.make(profile, lambda number, is_key=False: unpacked(pieces[number], is_key))
        except (OSError, contexts.ContextError) as error:
            text = f"{names} changed, but can't be used: {error}; what was there before is served on"
            self._log(error_log.ERROR, text)
            return
        try:
            records.renew(self._fd, pieces)
        except OSError as error:
            self._log(error_log.ERROR, f"{names} changed, but can't be kept: {error.strerror}")
            return
        self._looks = list(seen)
        self._log(error_log.NOTICE, f"{names} changed: new connections get what is there now")

    def _rotate(self) -> None:
        """Another secret for the keys of tickets: what clients hold is resumed no more."""
        if self._encryption.files.secret < 0:
            return
        pieces = self._read([])
        pieces[self._encryption.files.secret] = os.urandom(tickets.SECRET)
        try:
            records.renew(self._fd, pieces)
        except OSError as error:
            self._log(error_log.ERROR, f"the keys of TLS tickets can't be renewed: {error.strerror}")

    def ends(self) -> list[dict[str, Any]]:
        """Until when the certificates are good that are served: their files, and seconds since the epoch."""
        profiles = dict.fromkeys(self._encryption.profiles.values())
        numbers = dict.fromkeys(pair.chain for profile in profiles for pair in profile.certificates)
        found = []
        for number in numbers:
            source = self._sources[number]
            if source.owner >= 0 and None in self._seen[number]:
                continue  # (it has not come yet: what stands for it is nobody's)
            chain = certificate.ders(self._records.piece(number))
            try:
                ends = certificate.read(chain[0]).ends
            except (IndexError, ValueError):
                continue  # (OpenSSL takes some that are not read here: their date is not known then)
            found.append({"file": source.names[0], "ends": ends})
        return found

    def _read(self, changed: list[int]) -> list[bytes]:
        """The pieces, the changed ones read anew."""
        pieces = [self._records.piece(number) for number in range(len(self._sources))]
        for number in changed:
            source = self._sources[number]
            phrase = unpacked(pieces[number], True)[1] if source.is_key else None
            pieces[number] = packed(source.read(), phrase)
        return pieces

    def _of(self, changed: list[int]) -> list[Profile]:
        """The profiles that some files are part of."""
        wanted = set(changed)
        return [
            profile
            for profile in dict.fromkeys(self._encryption.profiles.values())
            if wanted.intersection(profile.files())
        ]


def _look(names: tuple[str, ...]) -> Look:
    found: list[Any] = []
    for name in names:
        try:
            status = os.stat(name)
        except OSError:
            found.append(None)  # (it is about to be replaced)
        else:
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)
