"""The master's commands to a worker: to tell facts about its interpreters, to replace some, to leave.

A command is an ASK on the control socket (`mpserver.ipc.worker_messages`); its state is the command's name and
arguments, marshalled::

    facts                       answered with facts by index on the scoreboard: threads (the kernel's numbers), modules
    alive                       answered with no facts, at once
    stacks   name               answered with the stacks of that interpreter's threads, by index on the scoreboard
    recycle  name               answered with how many were replaced, why not, and what another worker has to start with
    leave                       answered with None, when nothing is accepted any more
    moved    interpreter id     not answered
"""

from __future__ import annotations

import marshal
import time
from collections.abc import Callable

from mpserver.interpreters.handle import InterpreterHandle, InterpreterState
from mpserver.interpreters.replacement import REPLACEABLE
from mpserver.ipc import messages, plain_data, questions
from mpserver.ipc.control_path import EVERY
from mpserver.ipc.worker_messages import NEWS
from mpserver.phases.plan import InterpreterId
from mpserver.serving.answers import STACKS
from mpserver.system.loop import Loop
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.ipc.scoreboard import Scoreboard
    from mpserver.routing.router import Router
    from mpserver.supervisor.worker_start import WorkerStart

#: How long interpreters have to tell their facts, in seconds: those in a request can't.
FACTS_TIMEOUT = 0.25
#: And to tell their stacks.
STACKS_TIMEOUT = 3.0


class WorkerCommands:
    """The master's commands to one worker."""

    def __init__(self, router: Router, start: WorkerStart) -> None:
        """The router of a worker, and what that one started with."""
        self._router, self._control = router, start.control
        self._scoreboard, self._slot = start.scoreboard, start.number
        self._commands: dict[str, Callable[..., None]] = {
            "alive": self._alive, "facts": self._facts, "leave": self._leave, "recycle": self._recycle,
            "moved": self._moved, "stacks": self._stacks,
        }  # fmt: skip

    def take(self, message: messages.Message) -> None:
        """Do what a command says."""
        name, *arguments = marshal.loads(message.state)  # noqa: S302 - the master says it
        number = message.number
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
        Inquiry(self._router.loop, self._router.pool.all(), answer).ask()

    def _stacks(self, answer: Callable[[Any], None], name: str) -> None:
        """By scoreboard index, the stacks of the threads of the interpreters of a name; None where they don't say."""
        its = [interp for interp in self._router.pool.all() if interp.interpreter_id.name == name]
        StackInquiry(self._router.loop, its, answer).ask(self._scoreboard, self._slot)

    def _alive(self, answer: Callable[[Any], None]) -> None:
        """That it can answer is all that is asked (`mpserver.supervisor.pulse`)."""
        answer({})

    def _moved(self, _answer: Callable[[Any], None], interpreter_id: tuple[Any, ...]) -> None:
        """An application needs processes. There is nothing to answer."""
        self._router.pool.moved(InterpreterId(*interpreter_id))

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


class Inquiry:
    """Asks some interpreters for their facts; what is not there in time is left out."""

    def __init__(self, loop: Loop, interps: list[InterpreterHandle], answer: Callable[[Any], None]) -> None:
        self._loop, self._interps, self._answer = loop, interps, answer
        self._facts: dict[int, dict[str, Any]] = {}
        self._missing = 0
        self.deadline = time.monotonic() + FACTS_TIMEOUT

    def ask(self) -> None:
        """Ask them all."""
        self._loop.watch(self)
        for interp in self._interps:
            if interp.state is InterpreterState.SERVING:
                self._missing += 1
                interp.ask(lambda facts, index=interp.boot.scoreboard_index: self._told(index, *facts))  # type: ignore[misc]
        if not self._missing:
            self._finish()

    def _told(self, scoreboard_index: int, threads: list[int], modules: list[str]) -> None:
        self._facts[scoreboard_index] = {"threads": threads, "modules": modules}
        self._missing -= 1
        if not self._missing:
            self._finish()

    def expire(self, _now: float) -> None:
        """The others are in a request."""
        self._finish()

    def _finish(self) -> None:
        if self.deadline:
            self.deadline = 0.0
            self._loop.unwatch(self)
            for interp in self._interps:
                known = {"threads": None, "modules": [name for name, *_rest in interp.loaded_modules]}
                self._facts.setdefault(interp.boot.scoreboard_index, known)
            self._answer(self._facts)


class StackInquiry:
    """Asks some interpreters where their threads are."""

    def __init__(self, loop: Loop, interps: list[InterpreterHandle], answer: Callable[[Any], None]) -> None:
        self._loop, self._interps, self._answer = loop, interps, answer
        self._told: dict[int, list[str] | None] = {interp.boot.scoreboard_index: None for interp in interps}
        self._missing = len(interps)
        self.deadline = time.monotonic() + STACKS_TIMEOUT

    def ask(self, board: Scoreboard, slot: int) -> None:
        """Ask them all: in their inboxes, and where those look that are in a request."""
        self._loop.watch(self)
        for interp in self._interps:
            index = interp.boot.scoreboard_index
            if interp.state is InterpreterState.SERVING:
                number = interp.ask(lambda told, index=index: self._on_told(index, told), STACKS)  # type: ignore[misc]
                questions.ask(board, slot, index, number)
            else:
                self._missing -= 1
        if not self._missing:
            self._finish()

    def _on_told(self, index: int, told: list[str]) -> None:
        self._told[index] = told
        self._missing -= 1
        if not self._missing:
            self._finish()

    def expire(self, _now: float) -> None:
        """The others don't tell."""
        self._finish()

    def _finish(self) -> None:
        if self.deadline:
            self.deadline = 0.0
            self._loop.unwatch(self)
            self._answer(self._told)
