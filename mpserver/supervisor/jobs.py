"""Jobs of the master that take several steps, over workers and time, while nothing waits for them.

A job is a generator. It yields what it asks of workers (`Questions`) and goes on with their answers, or yields a
worker that it waits for (`UntilServing`), or what will call it (`UntilCalled`). Jobs that change something run one
after the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from functools import partial

from mpserver.ipc import plain_data
from mpserver.ipc.messages import Kind, Message
from mpserver.ipc.worker_messages import LOADED
from mpserver.supervisor.worker_handle import WorkerHandle
from mpserver.typing import Any, NamedTuple

_INT, _TEXT, _NONE = plain_data.of(int), plain_data.of(str), plain_data.of(type(None))
_FACTS = plain_data.mapping(
    _INT,
    plain_data.record(
        {"threads": plain_data.either(_NONE, plain_data.each(list, _INT)), "modules": plain_data.each(list, _TEXT)}
    ),
)
_ORDER = plain_data.row(plain_data.of(tuple), plain_data.each(list, LOADED))
_RECYCLED = plain_data.row(_INT, _TEXT, plain_data.either(_NONE, plain_data.each(list, _ORDER)))
_STACKS = plain_data.mapping(_INT, plain_data.either(_NONE, plain_data.each(list, _TEXT)))
#: What workers answer to each command of `mpserver.routing.worker_commands`.
ANSWERS = {
    "alive": _FACTS, "facts": _FACTS, "leave": _NONE, "recycle": _RECYCLED, "reopen": _FACTS, "reopened": _STACKS,
    "stacks": _STACKS, "trace": plain_data.row(_TEXT, plain_data.of(bytes), _INT),
}  # fmt: skip


class Questions(NamedTuple):
    """What a job asks of workers; it goes on with their answers, None for those that ended.

    ``deadline`` (``time.monotonic()``): then it goes on without those who have not answered. ``fd``: a descriptor that
    goes along; it stays the job's. ``told``: the number of a request of which something may be told meanwhile
    (`UntilTold`).
    """

    asked: Mapping[WorkerHandle, Any]
    deadline: float = float("inf")
    fd: int = -1
    told: int = 0


class UntilServing(NamedTuple):
    """A job waits until a worker serves, or ended; it goes on with why it ended, "" where it serves."""

    worker: WorkerHandle


class UntilCalled(NamedTuple):
    """A job waits until what ``begin`` gets is called, once; it goes on with what that is called with."""

    begin: Callable[[Callable[[Any], None]], None]


class UntilTold(NamedTuple):
    """A job waits for what is told of the request that it has named before; None where that has not come in time."""

    deadline: float


Steps = Generator[Questions | UntilServing | UntilCalled | UntilTold, Any, None]


class Job:
    """A job under way."""

    __slots__ = ("answers", "awaited", "deadline", "listens", "number", "over", "shape", "steps", "told", "unanswered")

    def __init__(self, steps: Steps, over: Callable[[], None]) -> None:
        """``over`` is called at its end."""
        self.steps, self.over = steps, over
        #: Whom it has asked, by the numbers of the questions.
        self.unanswered: dict[int, WorkerHandle] = {}
        self.answers: dict[WorkerHandle, Any] = {}
        #: The form that these have to have.
        self.shape = _NONE
        #: The worker that it waits for.
        self.awaited: WorkerHandle | None = None
        self.deadline = float("inf")
        #: The number of a request, what was told of it, and whether the job waits for that.
        self.number = 0
        self.told: bytes | None = None
        self.listens = False


class Jobs:
    """The jobs under way, and those that wait for their turn."""

    __slots__ = ("_busy", "_number", "_queue", "_running", "_why")

    def __init__(self) -> None:
        self._running: list[Job] = []
        self._queue: deque[tuple[Steps, Callable[[], None]]] = deque()
        self._busy = False
        self._number = 0
        #: Why workers could not start, by their process.
        self._why: dict[int, str] = {}

    def start(self, steps: Steps, over: Callable[[], None]) -> None:
        """Run a job now, beside others. ``over`` is called at its end."""
        self._run(Job(steps, over))

    def enqueue(self, steps: Steps, over: Callable[[], None] = lambda: None) -> None:
        """Run a job when those before it are over."""
        self._queue.append((steps, over))
        self._next()

    def _next(self) -> None:
        if self._busy or not self._queue:
            return
        self._busy = True
        steps, over = self._queue.popleft()

        def ended() -> None:
            over()
            self._busy = False
            self._next()

        self._run(Job(steps, ended))

    def _run(self, job: Job) -> None:
        self._running.append(job)
        self._step(job, None)

    def _step(self, job: Job, value: Any) -> None:
        """Go on with a job until it waits for something."""
        go_on = partial(job.steps.send, value)
        while True:
            try:
                wanted = go_on()
            except StopIteration:
                self._running.remove(job)
                job.over()
                return
            try:
                if self._has_to_wait(job, wanted):
                    return
            except Exception as error:  # its steps say what becomes of it
                job.unanswered.clear()
                go_on = partial(job.steps.throw, error)
            else:
                go_on = partial(job.steps.send, job.told if isinstance(wanted, UntilTold) else job.answers)

    def _has_to_wait(self, job: Job, wanted: Questions | UntilServing | UntilCalled | UntilTold) -> bool:
        """Begin with what a job wants. :returns: whether that takes time, and does not end at once."""
        if isinstance(wanted, UntilServing):
            job.awaited = wanted.worker
            return True
        if isinstance(wanted, UntilCalled):
            wanted.begin(partial(self._step, job))
            return True
        if isinstance(wanted, UntilTold):
            if job.told is None:
                job.deadline, job.listens = wanted.deadline, True
            return job.told is None
        job.number = wanted.told or job.number
        job.deadline, job.answers = wanted.deadline, dict.fromkeys(wanted.asked)
        for worker, what in wanted.asked.items():
            self._number += 1
            job.shape = ANSWERS[what[0]]
            if worker.ask(what, self._number, wanted.fd):
                job.unanswered[self._number] = worker
        return bool(job.unanswered)

    def _answered(self, job: Job) -> None:
        if not job.unanswered:
            job.deadline = float("inf")
            self._step(job, job.answers)

    # ---- what the master hears

    def _heard(self, job: Job) -> None:
        """What a job waits for was told, or is late."""
        job.listens, job.deadline = False, float("inf")
        self._step(job, job.told)

    def told(self, message: Message) -> None:
        """Something was told of a request. Who tells of one knows its number, which nobody guesses."""
        for job in self._running:
            if job.number and job.number == message.number:
                job.told = message.state
                if job.listens:
                    self._heard(job)
                return

    def answer(self, worker: WorkerHandle, message: Message) -> None:
        """Go on with the job that a worker's answer is for; an answer to nothing says why the worker can't start."""
        if message.kind == Kind.TRACED:
            self.told(message)
            return
        if not message.number:
            self._why[worker.pid] = message.state.decode()
        for job in self._running:
            if job.unanswered.get(message.number) is worker:  # (and nobody answers for another one)
                del job.unanswered[message.number]
                try:
                    job.answers[worker] = plain_data.shaped(message.state, job.shape)
                except ValueError:
                    pass  # (a worker runs applications: what it says need not be true. It counts as no answer)
                self._answered(job)
                return

    def ready(self, worker: WorkerHandle) -> None:
        """Go on with the jobs that wait for a worker: it serves."""
        self._no_more_awaited(worker, "")

    def gone(self, worker: WorkerHandle) -> None:
        """Go on with the jobs that wait for a worker, or for its answer: it has ended."""
        self._no_more_awaited(worker, self._why.pop(worker.pid, "the worker ended before it served"))
        for job in list(self._running):
            numbers = [number for number, asked in job.unanswered.items() if asked is worker]
            for number in numbers:
                del job.unanswered[number]
            if numbers:
                self._answered(job)

    def _no_more_awaited(self, worker: WorkerHandle, why: str) -> None:
        for job in list(self._running):
            if job.awaited is worker:
                job.awaited = None
                self._step(job, why)

    def deadline(self) -> float:
        """When `due` wants to be called (``time.monotonic()``)."""
        return min((job.deadline for job in self._running), default=float("inf"))

    def due(self, now: float) -> None:
        """Go on without those that did not answer in time."""
        for job in [job for job in self._running if job.deadline <= now]:
            if job.listens:
                self._heard(job)
                continue
            job.unanswered.clear()
            self._answered(job)
