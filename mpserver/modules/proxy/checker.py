"""The process that checks the members of balancers, one for the whole server.

It asks each one as often as its check says, some at a time, and writes into the scoreboard how it stands
(`mpserver.ipc.member_health`): the balancers of all interpreters look there.
"""

from __future__ import annotations

import heapq
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from mpserver.api import error_log
from mpserver.api.error_log import ErrorLog
from mpserver.ipc.member_health import MemberHealth
from mpserver.modules.proxy.backends import Refused
from mpserver.modules.proxy.checks import Checked, Checks
from mpserver.modules.proxy.probes import probe
from mpserver.typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from mpserver.ipc.scoreboard import Scoreboard

MODULE = "proxy_hcheck"


class Watch:
    """What is known of a member: how many checks have passed, or failed, since it changed last."""

    __slots__ = ("_count", "_health", "_log", "checked", "failed")

    def __init__(self, checked: Checked, health: MemberHealth, log: ErrorLog) -> None:
        self.checked = checked
        self._health, self._log = health, log
        self._count = 0
        self.failed = health.of(checked.check.number).failed

    def look(self) -> None:
        """Check it, and tell what has changed."""
        url = self.checked.url
        self._log.log(error_log.DEBUG, f"Health checking {url}", module=MODULE, number=3256)
        why = ""
        try:
            probe(self.checked)
        except Refused as error:
            why = error.reason
            self._log.log(error_log.DEBUG, f"Health check of {url} failed: {why}", module=MODULE)
        self.judge(why)

    def judge(self, why: str) -> None:
        """A check is over; ``why`` it has failed, "": it has passed.

        As in httpd those are counted that may change how the member stands, and others in between do not matter.
        """
        check = self.checked.check
        if self._health.of(check.number).failed is not self.failed:  # (applications can write there)
            self._health.tell(check.number, self.failed, time.monotonic())
        if bool(why) is self.failed:
            return
        self._count += 1
        if self._count < (check.passes if self.failed else check.fails):
            return
        self._count, self.failed = 0, not self.failed
        self._health.tell(check.number, self.failed, time.monotonic())
        word, number = ("DISABLING", 3303) if self.failed else ("ENABLING", 3302)
        text = f"Health check {word} {self.checked.url}" + (f" of {self.checked.balancer}: {why}" if why else "")
        self._log.log(error_log.INFO, text, module=MODULE, number=number)


def run(checks: Checks, log: ErrorLog, board: Scoreboard) -> NoReturn:
    """Check members for as long as the process lives; whoever forked it ends it."""
    health = MemberHealth(board)
    health.claim((member.check.number, member.check.begins_failed) for member in checks.members)
    watches = [Watch(member, health, log) for member in checks.members]
    pool = ThreadPoolExecutor(max(1, min(checks.threads, len(watches))))
    over: queue.SimpleQueue[tuple[float, int]] = queue.SimpleQueue()

    def look(number: int) -> None:
        began = time.monotonic()
        try:
            watches[number].look()
        except Exception:  # (one member's trouble must not keep the others from being checked)
            import traceback  # (only where something is wrong with this process)

            log.log(error_log.CRIT, "a member could not be checked:\n" + traceback.format_exc(), module=MODULE)
        over.put((began + watches[number].checked.check.interval, number))

    due = [(0.0, number) for number in range(len(watches))]
    while True:
        now = time.monotonic()
        while due and due[0][0] <= now:
            pool.submit(look, heapq.heappop(due)[1])
        try:
            wait = min(max(due[0][0] - now, 0.0), threading.TIMEOUT_MAX) if due else None
            heapq.heappush(due, over.get(timeout=wait))
        except queue.Empty:
            pass  # (another one is due)
