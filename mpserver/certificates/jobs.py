"""The certificates of one domain: when they are looked at, asked for and renewed, and what is kept of that."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Mapping

from mpserver.api.error_log import ERROR, INFO, NOTICE
from mpserver.certificates import schedule
from mpserver.certificates.client import Authority, Issued
from mpserver.certificates.errors import Failed
from mpserver.certificates.events import Events, Log
from mpserver.certificates.schedule import Life
from mpserver.modules.md import KeyKind
from mpserver.modules.md.domains import Domain, Shared
from mpserver.modules.md.store import Store
from mpserver.tls import certificate
from mpserver.typing import NamedTuple

#: Gets a domain's name, its errors in a row, when it is looked at next (seconds since the epoch), and what went wrong.
Tell = Callable[[str, int, float, str], None]


class Kept(NamedTuple):
    """What is kept of a domain between two processes: errors in a row, and when it is tried again."""

    errors: int = 0
    again: float = 0.0


class Found(NamedTuple):
    """A certificate that is there: when it is good, and for which names."""

    life: Life
    names: frozenset[str]
    chain: bytes


class Job:
    """What is to be done for one domain."""

    def __init__(
        self, domain: Domain, shared: Shared, store: Store, locks: Mapping[str, threading.Lock], log: Log,
        tell: Tell, *, fresh: bool,
    ) -> None:  # fmt: skip
        """``locks``: of the authorities, by their URLs; ``tell`` is told after each look how the domain stands.

        ``fresh``: a person has started the server or told it to read its configuration: errors are tried again.
        """
        self._domain, self._shared, self._store, self._locks = domain, shared, store, locks
        self._tell = tell
        self._events = Events(domain.name, shared, log)
        self._kept = self._read_kept()
        #: When it is looked at next.
        self.due = time.time() + shared.initial_delay
        if not fresh:
            self.due = max(self.due, self._kept.again)
        #: When the authority wants the certificates of a kind to be renewed, and when it is asked again.
        self._wanted: dict[KeyKind, float] = {}
        self._ask_again: dict[KeyKind, float] = {}
        #: When those were had that this process had.
        self._issued: dict[KeyKind, float] = {}
        self._error_told = self._end_told = 0.0

    def look(self) -> None:
        """Do what is to be done now."""
        now = time.time()
        kinds = [kind for kind in self._domain.keys if self._is_due(kind, now)] if self._domain.drives else []
        if kinds:
            try:
                self._renew(kinds)
            except (Failed, OSError) as error:
                self._failed(str(error))
                self._warn(now)
                return
            self._succeeded()
            for kind in kinds:  # (when to renew is to be known from the start)
                self._is_due(kind, time.time())
        self._warn(now)
        self.due = self._next(time.time())
        self._tell(self._domain.name, 0, self.due, "")

    # ---- whether

    def _is_due(self, kind: KeyKind, now: float) -> bool:
        found = self._find(kind)
        if found is None or not found.names.issuperset(self._domain.names):
            return True
        if found.life.renewed_from(self._domain.renew) <= now:
            return True
        if self._domain.ari and now >= self._ask_again.get(kind, 0.0):
            self._ask_when(kind, found, now)
        # (an authority that wants what it has just signed to be renewed shall not get us into a circle)
        rests = now - self._issued.get(kind, 0.0) < self._shared.check_interval * schedule.REST
        return not rests and self._wanted.get(kind, now + 1) <= now

    def _ask_when(self, kind: KeyKind, found: Found, now: float) -> None:
        """Ask the authority when it wants the certificate to be renewed (RFC 9773)."""
        try:
            wanted, again = self._authority().renewal_time(found.chain)
        except Failed as error:
            self._events.log(INFO, f"when to renew could not be asked for: {error}")
            self._ask_again[kind] = now + self._shared.check_interval
            return
        # (what it says may be absurd: it is asked each second at most)
        self._ask_again[kind] = max(again, now + 1)
        if wanted is not None and wanted != self._wanted.get(kind):
            self._wanted[kind] = wanted

    def _find(self, kind: KeyKind) -> Found | None:
        """The certificate that is there; None: there is none that can be used."""
        return _read(self._store.chain(self._domain.name, kind.label))

    def _authority(self) -> Authority:
        domain = self._domain
        place = schedule.authority(len(domain.authorities), self._kept.errors, self._shared.retry_failover)
        url = domain.authorities[place]
        return Authority(url, self._shared, self._store, self._locks[url])

    # ---- what is done

    def _renew(self, kinds: list[KeyKind]) -> None:
        """Get certificates. :raises Failed: there are none."""
        domain = self._domain
        self._events.renewing()
        self._events.log(INFO, f"a certificate is asked for: {', '.join(domain.names)}")
        authority = self._authority()
        for kind in kinds:
            self._keep(authority.obtain(domain, kind, self._events))
            self._wanted.pop(kind, None)
            self._ask_again.pop(kind, None)
            self._issued[kind] = time.time()

    def _keep(self, issued: Issued) -> None:
        store, name = self._store, self._domain.name
        # (the server takes both once neither changes any more)
        store.write(store.key(name, issued.kind.label), issued.key, secret=True)
        store.write(store.chain(name, issued.kind.label), issued.chain)

    def _succeeded(self) -> None:
        self._kept = Kept()
        self._write_kept()
        found = [its for kind in self._domain.keys if (its := self._find(kind)) is not None]
        if found:
            ends = min(its.life.ends for its in found)
            renewed = min(its.life.renewed_from(self._domain.renew) for its in found)
            text = f"a new certificate is there, good until {_when(ends)}; its renewal begins {_when(renewed)}"
            self._events.log(NOTICE, text)
        self._events.renewed()

    def _failed(self, why: str) -> None:
        now = time.time()
        errors = self._kept.errors + 1
        self.due = now + schedule.delay(self._shared.retry_delay, errors)
        self._kept = Kept(errors, self.due)
        try:
            self._write_kept()
        except OSError as error:
            why += f"; and that can't be noted: {error}"
        times = "" if errors == 1 else f" ({errors} times in a row)"
        self._events.log(ERROR, f"no certificate could be had{times}: {why}. It is tried again {_when(self.due)}")
        self._tell(self._domain.name, errors, self.due, why)
        if now - self._error_told >= schedule.TELL_ERRORS:
            self._error_told = now
            self._events.errored()

    def _warn(self, now: float) -> None:
        """Tell of a certificate that ends soon (MDWarnWindow)."""
        domain = self._domain
        files = domain.static or [self._store.chain(domain.name, kind.label) for kind in domain.keys]
        lives = [found.life for file in files if (found := _read(file)) is not None]
        ending = [life.ends for life in lives if life.renewed_from(domain.warn) <= now]
        if ending and now - self._end_told >= schedule.TELL_ENDS:
            self._end_told = now
            self._events.expiring(f"its certificate is good until {_when(min(ending))} only, and there is no new one")

    def _next(self, now: float) -> float:
        """When it is looked at next: spread, so that authorities don't hear of all the world at a time."""
        moments = [now + self._shared.check_interval * random.uniform(0.5, 1.5)]  # noqa: S311 - no secret
        if self._domain.drives:
            for kind in self._domain.keys:
                found = self._find(kind)
                if found is not None:
                    moments.append(found.life.renewed_from(self._domain.renew))
            moments += [*self._wanted.values(), *(self._ask_again.values() if self._domain.ari else ())]
        return max(min(moments), now + 1)

    # ---- what is kept

    def _read_kept(self) -> Kept:
        try:
            with open(self._store.domain(self._domain.name, "job.json"), encoding="utf-8") as file:
                found = json.load(file)
            return Kept(max(int(found["errors"]), 0), float(found["again"]))
        except (OSError, ValueError, LookupError, TypeError, OverflowError):
            return Kept()

    def _write_kept(self) -> None:
        self._store.write(
            self._store.domain(self._domain.name, "job.json"), json.dumps(self._kept._asdict()).encode(), secret=True
        )


def _read(path: str) -> Found | None:
    """The certificate in a file; None: there is none that can be read."""
    try:
        with open(path, "rb") as file:
            chain = file.read()
        read = certificate.read(certificate.ders(chain)[0])
    except (OSError, IndexError, ValueError):
        return None
    return Found(Life(read.begins, read.ends), frozenset(name.lower() for name in read.hosts), chain)


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
