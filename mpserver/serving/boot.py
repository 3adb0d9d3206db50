"""The boot record: all that an interpreter needs to begin, and its form as bytes."""

from __future__ import annotations

import marshal

from mpserver.config.finished import Finished
from mpserver.modules.all import registry
from mpserver.phases.plan import InterpreterId
from mpserver.serving.lifetime import UNLIMITED, InterpreterLifetime
from mpserver.typing import Any, NamedTuple


class Boot(NamedTuple):
    """All that an interpreter needs to begin.

    ``kind`` is what it really is, where ``interpreter_id`` says auto. ``slot`` is its worker's number,
    ``scoreboard_index`` its own place on the worker's page of the scoreboard.
    """

    interpreter_id: InterpreterId
    kind: str
    scoreboard_index: int
    slot: int
    generation: int
    configuration: Finished
    logs: dict[str, int]
    scoreboard: int
    one_process: bool
    #: The descriptor of its connection states, where it is a process.
    connection_states: int = -1
    #: The descriptor of the marks of its connections (`mpserver.ipc.descriptor_marks`); -1: there are none.
    marks: int = -1
    lifetime: InterpreterLifetime = UNLIMITED


def pack(boot: Boot) -> bytes:
    """The boot record as bytes, for an interpreter that shares no objects with this one."""
    record: tuple[Any, ...] = boot[1:5] + boot[6:-1]
    return marshal.dumps((tuple(boot.interpreter_id), tuple(boot.lifetime), boot.configuration.fd, *record))


def unpack(data: bytes) -> Boot:
    """Make the record of what `pack` gave."""
    interpreter_id, lifetime, fd, kind, scoreboard_index, slot, generation, *rest = marshal.loads(data)  # noqa: S302 - the worker says it
    configuration = Finished(fd, registry)
    boot = Boot(InterpreterId(*interpreter_id), kind, scoreboard_index, slot, generation, configuration, *rest)
    return boot._replace(lifetime=InterpreterLifetime(*lifetime))
