"""``-k reopen``: the files of logs are opened anew, in every process that writes to them, and none of these ends.

Only the master may open them. It passes the new files on as descriptors, and each process puts them in the place of
those that it has (`mpserver.system.log_files.take_over`), which lets no line get lost: what is being written goes to
the file that was, wherever a rotation has moved it, and what comes later to the new one.

The zygotes hear of it before the workers do: so what a worker orders of them after that has the new files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from mpserver.api import error_log
from mpserver.errors import StartError
from mpserver.supervisor.control_socket import Command, Say
from mpserver.supervisor.generation import Generation
from mpserver.supervisor.jobs import Questions, Steps
from mpserver.supervisor.upgrades import Parts
from mpserver.supervisor.worker_handle import WorkerHandle
from mpserver.typing import Any, NamedTuple

#: Seconds that workers have for all of it; what they read later they do nevertheless.
WITHIN = 10.0


class _Opened(NamedTuple):
    """What was opened for a generation: the new descriptors by those that they are for."""

    generation: Generation
    files: Mapping[int, int]


class Reopening:
    """Opens the logs of a master's generations anew."""

    __slots__ = ("_latest", "_master", "_upgrading")

    def __init__(self, master: Parts, upgrading: Callable[[], bool]) -> None:
        """``upgrading`` tells whether another master is about to take over, or has."""
        self._master, self._upgrading = master, upgrading
        #: The last one that was asked for: one before it has older files.
        self._latest = 0

    def command(self) -> Command:
        """The command of the control socket."""
        return Command(self._run, alone=False)

    def _run(self, _asked: Mapping[str, Any], say: Say) -> Steps:
        """Says ``why`` it could not be done ("": it is), and whether that is worth asking ``again``.

        Before that come those who are ``late``: a worker, or an interpreter of it that is in a request. They write to
        the files that were until they have read what they were told.
        """
        log = self._master.reload.current.error_log
        if self._upgrading():
            say({"why": "an upgrade is under way", "again": True})
            return
        try:
            opened = self._open()
        except StartError as error:
            log.log(error_log.ERROR, f"the logs are not reopened: {error}")
            say({"why": str(error)})
            return
        for generation, files in opened:
            generation.reopen(files)
            if generation is self._master.reload.current:
                self._master.companions.reopen(files)
        log.log(error_log.NOTICE, "the logs were reopened")
        yield from self._spread(opened, say)
        say({"why": ""})

    def _open(self) -> list[_Opened]:
        """Open the files of all generations. :raises StartError: one can't be opened; none stays open then."""
        opened: list[_Opened] = []
        try:
            opened.extend(_Opened(generation, generation.logs.open_again()) for generation in self._master.reload)
        except StartError:
            for _generation, files in opened:
                for fd in files.values():
                    os.close(fd)
            raise
        return opened

    def _spread(self, opened: list[_Opened], say: Say) -> Steps:
        """Pass the files on to the workers, one after the other, for a socket has room for some only."""
        self._latest = mine = self._latest + 1
        deadline = time.monotonic() + WITHIN
        late: dict[WorkerHandle, None] = {}
        for generation, files in opened:
            for number, fd in files.items():
                if self._latest == mine:
                    answers = yield Questions(self._ask(generation, ("reopen", number)), deadline, fd)
                    late.update(dict.fromkeys(worker for worker, answer in answers.items() if answer is None))
                os.close(fd)
            answers = yield Questions(self._ask(generation, ("reopened",)), deadline)
            for worker, answer in answers.items():
                late.update({worker: None} if answer is None else {})
                for index, told in (answer or {}).items():
                    if told is None:
                        say({"late": self._name(worker, index)})
        for worker in late:
            if worker.pid in self._master.workers.by_pid:
                say({"late": f"worker {worker.slot} (pid {worker.pid})"})

    def _ask(self, generation: Generation, what: tuple[Any, ...]) -> dict[WorkerHandle, tuple[Any, ...]]:
        return {worker: what for worker in self._master.workers if worker.generation is generation}

    def _name(self, worker: WorkerHandle, index: int) -> str:
        stats = self._master.workers.stats(worker).get(index)
        which = "" if stats is None else f" '{stats.name}' (pid {stats.pid})"
        return f"interpreter{which} of worker {worker.slot}"
