"""Whether workers get on: they are asked now and then, and one that is well answers at once.

What is found out is told to systemd where its watchdog is on (``WatchdogSec=``), and ends workers that hang
(WorkerTimeout). Where neither is asked for nobody is asked anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mpserver.supervisor.jobs import Jobs, Questions, Steps
from mpserver.supervisor.worker_handle import WorkerHandle

#: How often workers are asked in the time that one has.
TIMES = 3


class Pulse:
    """Asks the workers, and remembers when each has answered last."""

    __slots__ = ("_asking", "_beat", "_heard", "_jobs", "_next", "_watchdog", "_workers", "limit")

    def __init__(
        self, jobs: Jobs, workers: Callable[[], Sequence[WorkerHandle]], beat: Callable[[], None], watchdog: float
    ) -> None:
        """``workers`` gives those that serve now.

        :param beat: is called when some worker gets on, or when there is none to ask.
        :param watchdog: within how many seconds ``beat`` has to be called again; 0: it need not be.
        """
        self._jobs, self._workers, self._beat, self._watchdog = jobs, workers, beat, watchdog
        #: WorkerTimeout: the seconds for which a worker may be silent; 0: for ever.
        self.limit = 0.0
        #: By process number, when each worker has answered last, or was asked first (monotonic).
        self._heard: dict[int, float] = {}
        self._asking = False
        self._next = 0.0

    def _interval(self) -> float:
        return min((span for span in (self._watchdog, self.limit) if span), default=float("inf")) / TIMES

    def deadline(self) -> float:
        """When `due` wants to be called (``time.monotonic()``)."""
        return self._next if self._interval() < float("inf") else float("inf")

    def due(self, now: float) -> list[WorkerHandle]:
        """Ask again, where it is time. :returns: the workers that have been silent for too long."""
        if self.deadline() > now:
            return []
        interval = self._interval()
        late = now - self._next > interval  # (we were held up, and heard nobody)
        self._next = now + interval
        workers = self._workers()
        self._heard = {worker.pid: now if late else self._heard.get(worker.pid, now) for worker in workers}
        if not self._asking:
            self._asking = True
            self._jobs.start(self._ask(workers, now + interval), self._over)
        return [worker for worker in workers if self.limit and now - self._heard[worker.pid] >= self.limit]

    def _ask(self, workers: Sequence[WorkerHandle], deadline: float) -> Steps:
        answers = yield Questions(dict.fromkeys(workers, ("alive",)), deadline)
        now = time.monotonic()
        well = [worker for worker in workers if answers[worker] is not None]
        self._heard.update((worker.pid, now) for worker in well)
        if well or not workers:
            self._beat()

    def _over(self) -> None:
        self._asking = False
