"""The master's commands to a worker: to tell facts about its interpreters, to replace some, to leave.

A command is an ASK on the control socket (`mpserver.ipc.worker_messages`); its state is the command's name and
arguments, marshalled::

    facts                       answered with facts by index on the scoreboard: threads (the kernel's numbers), modules
    alive                       answered with no facts, at once
    stacks   name               answered with the stacks of that interpreter's threads, by index on the scoreboard
    recycle  name               answered with how many were replaced, why not, and what another worker has to start with
    leave                       answered with None, when nothing is accepted any more
    moved    interpreter id     not answered
    reopen   number             answered with no facts, when the descriptor that comes along has taken the place of that
                                number: a log is another file
    trace    number, request, local address, whether over TLS
                                answered with why it could not be asked, else with "", the beginning of the answer and
                                its length, when its connection is closed
    reopened                    answered when the process interpreters have done the same: by index on the scoreboard,
                                with nothing, and None for those that are in a request
"""

from __future__ import annotations

import marshal
import os
import time
from collections.abc import Callable

from mpserver.interpreters.handle import InterpreterHandle, InterpreterState
from mpserver.interpreters.replacement import REPLACEABLE
from mpserver.ipc import messages, plain_data, questions
from mpserver.ipc.control_path import EVERY
from mpserver.ipc.worker_messages import NEWS
from mpserver.phases.plan import InterpreterId
from mpserver.serving.answers import REOPEN, STACKS
from mpserver.system.log_files import take_over
from mpserver.system.loop import Loop
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.routing.router import Router
    from mpserver.supervisor.worker_start import WorkerStart

#: How long interpreters have to tell their facts, in seconds: those in a request can't.
FACTS_TIMEOUT = 0.25
#: And to tell their stacks.
STACKS_TIMEOUT = 3.0
#: And to have other files for their logs.
REOPEN_TIMEOUT = 3.0


class WorkerCommands:
    """The master's commands to one worker."""

    def __init__(self, router: Router, start: WorkerStart) -> None:
        """The router of a worker, and what that one started with."""
        self._router, self._control = router, start.control
        self._scoreboard, self._slot = start.scoreboard, start.number
        #: The logs that are other files now, which process interpreters don't know yet.
        self._reopened: list[int] = []
        self._commands: dict[str, Callable[..., None]] = {
            "alive": self._alive, "facts": self._facts, "leave": self._leave, "recycle": self._recycle,
            "moved": self._moved, "stacks": self._stacks, "reopen": self._reopen, "reopened": self._spread,
            "trace": self._trace,
        }  # fmt: skip

    def take(self, message: messages.Message) -> None:
        """Do what a command says."""
        name, *arguments = marshal.loads(message.state)  # noqa: S302 - the master says it
        number = message.number
        if message.fd >= 0:
            arguments.append(message.fd)
        self._commands[name](lambda answer: self._tell(number, answer), *arguments)

    def _tell(self, number: int, answer: Any) -> None:
        """Answer a command."""
        self._send(messages.Message(messages.Kind.TOLD, number=number, state=plain_data.pack(answer)))

    def _send(self, message: messages.Message) -> None:
        try:
            messages.send(self._control, message, before=NEWS)
        except OSError:
            pass  # the master is gone, and so are we soon

    def _facts(self, answer: Callable[[Any], None]) -> None:
        """By scoreboard index: the kernel's numbers of an interpreter's threads, and its application's modules."""
        interps = self._router.pool.all()

        def done(told: dict[int, Any]) -> None:
            facts = {}
            for interp in interps:
                index = interp.boot.scoreboard_index
                threads, modules = told.get(index) or (None, [name for name, *_rest in interp.loaded_modules])
                facts[index] = {"threads": threads, "modules": modules}
            answer(facts)

        Inquiry(self._router.loop, FACTS_TIMEOUT, InterpreterHandle.ask, done).begin(interps)

    def _stacks(self, answer: Callable[[Any], None], name: str) -> None:
        """By scoreboard index, the stacks of the threads of the interpreters of a name; None where they don't say."""
        its = [interp for interp in self._router.pool.all() if interp.interpreter_id.name == name]

        def ask(interp: InterpreterHandle, tell: Callable[[Any], None]) -> None:
            # (in its inbox, and where those look that are in a request)
            number = interp.ask(tell, STACKS)
            questions.ask(self._scoreboard, self._slot, interp.boot.scoreboard_index, number)

        def done(told: dict[int, Any]) -> None:
            answer({index: told.get(index) for index in (interp.boot.scoreboard_index for interp in its)})

        Inquiry(self._router.loop, STACKS_TIMEOUT, ask, done).begin(its)

    def _trace(
        self, answer: Callable[[Any], None], number: int, data: bytes, local: tuple[str, int], tls: bool
    ) -> None:
        """Make a request of which all is told, see `mpserver.routing.traced`."""
        from mpserver.routing.traced import ask  # (few are asked)

        ask(self._router, data, (*local, number), tls, answer)

    def _alive(self, answer: Callable[[Any], None]) -> None:
        """That it can answer is all that is asked (`mpserver.supervisor.pulse`)."""
        answer({})

    def _moved(self, _answer: Callable[[Any], None], interpreter_id: tuple[Any, ...]) -> None:
        """An application needs processes. There is nothing to answer."""
        self._router.pool.moved(InterpreterId(*interpreter_id))

    def _reopen(self, answer: Callable[[Any], None], number: int, fd: int) -> None:
        """A log is another file: for this process at once, and for those of process interpreters by `_spread`."""
        take_over(number, fd)
        self._reopened.append(number)
        answer({})

    def _spread(self, answer: Callable[[Any], None]) -> None:
        """Pass the new files of logs on to the process interpreters, to each as fast as it takes them."""
        numbers, self._reopened = self._reopened, []
        its = [interp for interp in self._router.pool.all() if interp.boot.kind == "process" and numbers]

        def ask(interp: InterpreterHandle, tell: Callable[[Any], None]) -> None:
            left = iter(numbers)

            def next_one(_told: object) -> None:
                number = next(left, None)
                if number is None:
                    tell([])
                elif (fd := _copy(number)) >= 0:
                    interp.ask(next_one, REOPEN + b"%d" % number, fd)

            next_one(None)

        def done(told: dict[int, Any]) -> None:
            answer({interp.boot.scoreboard_index: told.get(interp.boot.scoreboard_index) for interp in its})

        for interp in [interp for interp in its if interp.state is InterpreterState.STARTING]:
            # (its zygote may have forked it before it knew; no request comes before this)
            for number in reversed(numbers):
                if (fd := _copy(number)) >= 0:
                    interp.ask(lambda _told: None, REOPEN + b"%d" % number, fd, first=True)
            its.remove(interp)
        Inquiry(self._router.loop, REOPEN_TIMEOUT, ask, done).begin(its)

    # ---- replacing

    def _leave(self, answer: Callable[[Any], None]) -> None:
        """Another worker has its place: accept nothing from before the answer on."""
        self._router.drain()
        answer(None)

    def _recycle(self, answer: Callable[[Any], None], name: str) -> None:
        """Replace the interpreters of a name, or all. Answers (how many were, why not, orders).

        Orders are there where it takes another worker: for that one, see `prepare`.
        """
        interps = self._router.pool.interpreters
        interpreter_ids = [
            interpreter_id
            for interpreter_id, interp in interps.items()
            if interpreter_id.name == name or (name == EVERY and (interp.loaded_modules or interp.boot.kind != "main"))
        ]
        if any(interps[interpreter_id].boot.kind not in REPLACEABLE for interpreter_id in interpreter_ids):
            orders = [(tuple(its), interps[its].loaded_modules) for its in interpreter_ids]
            answer((0, "", orders))
            return
        self._replace(answer, interpreter_ids, 0)

    def _replace(self, answer: Callable[[Any], None], interpreter_ids: list[InterpreterId], count: int) -> None:
        if not interpreter_ids:
            answer((count, "", None))
            return
        interpreter_id, *rest = interpreter_ids

        def done(why: str) -> None:
            if why:
                answer((count, f"interpreter '{interpreter_id.name}': {why}", None))
            else:
                self._replace(answer, rest, count + 1)

        self._router.replacement.replace(interpreter_id, done)

    def prepare(self, orders: list[tuple[tuple[str, str], Any]], done: Callable[[str], None]) -> None:
        """Start interpreters with what others had loaded, before anything is served; ``done`` gets why it failed."""
        if not orders:
            done("")
            return
        (interpreter_id, loaded_modules), *rest = orders

        def next_one(why: str) -> None:
            if why:
                done(f"interpreter '{interpreter_id[1]}': {why}")
            else:
                self.prepare(rest, done)

        self._router.replacement.prepare(InterpreterId(*interpreter_id), loaded_modules, next_one)

    def refuse(self, why: str) -> None:
        """This worker can't start: tell why."""
        self._send(messages.Message(messages.Kind.TOLD, state=why.encode("utf-8", "replace")))


def _copy(number: int) -> int:
    """A copy of a descriptor, to be sent; -1: there is no room for one (then nobody answers, and is late)."""
    try:
        return os.dup(number)
    except OSError:
        return -1


class Inquiry:
    """Asks some interpreters for something; what is not there in time is left out."""

    def __init__(
        self,
        loop: Loop,
        seconds: float,
        ask: Callable[[InterpreterHandle, Callable[[Any], None]], object],
        answer: Callable[[dict[int, Any]], None],
    ) -> None:
        """``ask`` asks one of them, which tells the function; ``answer`` gets what all told, by scoreboard index."""
        self._loop, self._ask, self._answer = loop, ask, answer
        self._told: dict[int, Any] = {}
        self._missing = 0
        self.deadline = time.monotonic() + seconds

    def begin(self, interps: list[InterpreterHandle]) -> None:
        """Ask them all."""
        self._loop.watch(self)
        for interp in interps:
            if interp.state is InterpreterState.SERVING:
                self._missing += 1
                self._ask(interp, lambda told, index=interp.boot.scoreboard_index: self._on_told(index, told))  # type: ignore[misc]
        if not self._missing:
            self._finish()

    def _on_told(self, index: int, told: Any) -> None:
        self._told[index] = told
        self._missing -= 1
        if not self._missing:
            self._finish()

    def expire(self, _now: float) -> None:
        """The others are in a request, or don't tell."""
        self._finish()

    def _finish(self) -> None:
        if self.deadline:
            self.deadline = 0.0
            self._loop.unwatch(self)
            self._answer(self._told)
