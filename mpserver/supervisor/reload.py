"""Restarts: the generations of the configuration, and how one follows another.

A graceful restart brings the next generation up beside the current one; only when all its workers serve does the
current one drain. If they can't start, the current one stays. Nothing waits here: a restart under way is a state, and
whoever asked for it is called when it is over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from mpserver.api import error_log
from mpserver.errors import ConfigError, ConfigErrors, StartError
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.supervisor.generation import Generation, open_generation
from mpserver.supervisor.worker_handle import WorkerHandle
from mpserver.supervisor.workers import Workers
from mpserver.system.listeners import Listeners
from mpserver.system.systemd import Notifier
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.supervisor.reading import Reading

#: Is called with why a graceful restart failed; "" where the new generation serves.
Told = Callable[[str], None]


class Reload:
    """The generations of a server: the current one, the next one while a graceful restart is under way, former ones."""

    __slots__ = (
        "_adopt", "_again", "_asked", "_generations", "_notifier", "_number", "_read", "_ready_told", "_scoreboard",
        "_switched", "_switching", "_workers", "current", "next", "outcome",
    )  # fmt: skip

    def __init__(
        self,
        first: Generation,
        workers: Workers,
        scoreboard: Scoreboard,
        notifier: Notifier,
        *,
        read: Callable[[], Reading],
        adopt: Callable[[Generation], None],
        switching: Callable[[Generation, Generation], None],
        switched: Callable[[Generation], None],
    ) -> None:
        """``first`` is the generation to start with.

        :param read: reads the configuration again; raises ConfigErrors or ConfigError where it is faulty.
        :param adopt: is called with each generation that was opened, the first one included.
        :param switching: is called with the current generation and the one that is to be it; raises StartError where
            that can't be.
        :param switched: is called with the current generation, where that is another one.
        """
        self.current = first
        self.next: Generation | None = None
        self._workers, self._scoreboard, self._notifier = workers, scoreboard, notifier
        self._read, self._adopt, self._switching, self._switched = read, adopt, switching, switched
        self._generations: dict[int, Generation] = {}
        self._number = 0
        #: Who asked for the graceful restart that is under way, and for the one after it, if there is to be one.
        self._asked: Sequence[Told] = ()
        self._again: tuple[Told, ...] | None = None
        #: How the last restart ended, for the service manager; "": there was none.
        self.outcome = ""
        self._ready_told = False

    def begin(self) -> None:
        """Adopt the first generation."""
        self._add(self.current)

    def __iter__(self) -> Iterator[Generation]:
        """All generations, those included whose workers drain."""
        return iter(self._generations.values())

    def growing(self) -> list[Generation]:
        """The generations that should have workers."""
        return [self.current] if self.next is None else [self.current, self.next]

    # ---- what is asked for

    def at_once(self) -> None:
        """Restart at once: all workers end, new ones start; the ports stay open."""
        asked = self._asked
        superseded = (*asked, *(self._again or ()))
        generation = self._read_again()
        if generation is None:
            return
        if why := self._not_to_be(generation):
            self._asked = asked
            self._note(why)
            self._retire(generation)
            self._notifier.ready()
            return
        for told in superseded:
            told("a restart at once came between")
        replaced = self.growing()
        self.next = self._again = None
        self._ready_told = False
        for worker in self._workers:
            worker.end()
        self._switch(generation)
        self._note("")
        for old in replaced:
            self._retire(old)

    def gracefully(self, *told: Told) -> None:
        """Restart without a pause: the next generation first. ``told`` are called when it is over."""
        if self.next is not None:
            self._again = (*(self._again or ()), *told)
        else:
            self.next = self._read_again(told)

    def _over(self, why: str) -> None:
        """A graceful restart has ended: tell all that want to know."""
        self._note(why)
        asked, self._asked = self._asked, ()
        for told in asked:
            told(why)

    def _note(self, why: str) -> None:
        """A restart has failed, or not (""): keep that for the service manager."""
        self.outcome = f"restarted at {time.strftime('%H:%M:%S')}"
        if why:
            self.current.listeners.permit_again()  # (the other configuration may have changed who may connect)
            self.outcome = f"the restart at {time.strftime('%H:%M:%S')} failed, the old configuration serves: {why}"
        self._notifier.status(self.outcome)

    def report(self, figures: str) -> None:
        """Tell the service manager how the server does, and how the last restart ended."""
        self._notifier.status(f"{figures}; {self.outcome}" if self.outcome else figures)

    # ---- what becomes of workers

    def ready(self, worker: WorkerHandle) -> None:
        """Take note that a worker serves: its generation may be complete."""
        generation = worker.generation
        if worker.told is not None:
            return
        if generation is self.next:
            if self._workers.all_serve(generation):
                self._promote(generation)
        elif generation is self.current and not self._ready_told:
            self._ready_told = True
            self._notifier.ready()

    def gone(self, worker: WorkerHandle) -> None:
        """Take note that a worker ended: its generation may be given up, or over."""
        self.due(time.monotonic())
        generation = worker.generation
        if generation not in (self.current, self.next):
            self._retire(generation)

    def due(self, now: float) -> None:
        """Give the next generation up where its workers can't start, or have had their time."""
        if self.next is not None and (why := self.next.why_given_up(now)):
            text = f"The workers of the new configuration can't start: the old one stays in effect ({why})"
            self.current.error_log.log(error_log.ERROR, text)
            self._give_up(self.next, why)

    # ---- from one to the next

    def _add(self, generation: Generation) -> None:
        self._number = generation.number
        self._generations[generation.number] = generation
        self._adopt(generation)

    def _read_again(self, asked: Sequence[Told] = ()) -> Generation | None:
        """Open the next generation; None where the configuration is faulty: the log says why, and so do we.

        :param asked: who wants to know how it ends.
        """
        self._notifier.reloading()
        self._notifier.status("the configuration is read again")
        try:
            generation = open_generation(
                self._number + 1, self._read(), self._listeners(), self._scoreboard.descriptors
            )
        except ConfigErrors as errors:
            faults = [str(error) for error in errors.errors]
        except (ConfigError, StartError) as error:
            faults = [str(error)]
        except Exception as error:  # (no room for another descriptor, say: a server that serves is not to end by that)
            faults = [f"{type(error).__name__}: {error}"]
        else:
            self._limit_workers(generation)
            generation.follow(self.current)
            self._add(generation)
            self._asked = asked
            return generation
        for text in (*faults, "The configuration is faulty: the restart is off, the old one stays in effect"):
            self.current.error_log.log(error_log.ERROR, text)
        why = "; ".join(faults)
        self._note(why)
        for told in asked:
            told(why)
        self._notifier.ready()
        return None

    def _limit_workers(self, generation: Generation) -> None:
        """Let a generation have no more workers than the scoreboard has room for beside another generation's."""
        limit = self._scoreboard.slots // 2
        if generation.conf.server_limit <= limit:
            return
        text = "changing ServerLimit upwards takes a stop and a start"
        self.current.error_log.log(error_log.WARN, text, number=165)
        rules = generation.conf.rules
        rules = rules._replace(start=min(rules.start, limit), max_workers=min(rules.max_workers, limit))
        generation.conf = generation.conf._replace(rules=rules)
        generation.target = rules.start

    def _switch(self, generation: Generation) -> None:
        """Make a generation the current one."""
        old, self.current = self.current, generation
        old.listeners.close(but=generation.listeners)
        self._switched(generation)

    def _promote(self, generation: Generation) -> None:
        """The next generation serves: the current one drains."""
        if why := self._not_to_be(generation):
            self._give_up(generation, why)
            return
        self.next = None
        old = self.current
        self._switch(generation)
        for worker in self._workers.of(old):
            worker.drain()
        self._retire(old)
        self._over("")
        self._notifier.ready()
        self._resume()

    def _not_to_be(self, generation: Generation) -> str:
        """Why a generation can't be the current one, which the log says; "": it can."""
        try:
            self._switching(self.current, generation)
        except StartError as error:
            text = f"{error}: the restart is off, the old configuration stays in effect"
            self.current.error_log.log(error_log.ERROR, text)
            return str(error)
        return ""

    def _give_up(self, generation: Generation, why: str) -> None:
        """The next generation can't be the current one, which goes on."""
        self.next = None
        for worker in self._workers.of(generation):
            worker.drain()  # (some serve, where others can't)
        self._retire(generation)
        self._over(why)
        self._notifier.ready()
        self._resume()

    def _resume(self) -> None:
        if self._again is not None:
            asked, self._again = self._again, None
            self.gracefully(*asked)

    def _retire(self, generation: Generation) -> None:
        """Close a former generation once its last worker is gone."""
        if not self._workers.has_any(generation) and self._generations.pop(generation.number, None) is not None:
            # (the next one may have sockets of one that was refused, or the other way)
            generation.close(listeners_but=self._listeners())

    def _listeners(self) -> Listeners:
        """Those of the generations that should have workers."""
        found = Listeners(inherited=self.current.listeners.inherited)
        for growing in self.growing():
            found.add(growing.listeners)
        return found
