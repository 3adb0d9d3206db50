"""Which siblings of a worker are free, as the scoreboard has it.

Siblings of a worker are the others that may take connections of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from mpserver.ipc.scoreboard import IDLE, WORKING, Scoreboard
from mpserver.ipc.scoreboard_layout import CRC, INTERPRETERS, KEYS, PAGE, STATES, WORKER, crc

#: A request that takes longer than this keeps others waiting, in seconds.
LONG = 0.01

#: How many connections a sibling gets at a time that is in no long request.
PILE = 16


def idle(board: Scoreboard, slot: int, key: str) -> list[int]:
    """The siblings whose interpreter of a key is free.

    Those that have the interpreter already come first; a worker without it could start it.
    """
    warm: list[int] = []
    cold: list[int] = []
    for other, index in _siblings(board, slot, key):
        if index is None:
            cold.append(other)
        elif board.interpreter_state(other, index) == IDLE:
            warm.append(other)
    return warm + cold


def free(board: Scoreboard, slot: int, key: str) -> list[int]:
    """The siblings that have an interpreter of a key, and it is free."""
    found = _siblings(board, slot, key)
    return [other for other, index in found if index is not None and board.interpreter_state(other, index) == IDLE]


def brisk(board: Scoreboard, slot: int, key: str) -> list[int]:
    """The siblings whose interpreter of a key is free, or soon will be: in no long request."""
    now = time.time()
    return [
        other
        for other, index in _siblings(board, slot, key)
        if index is not None and board.interpreter_state(other, index) and not is_stuck(board, other, index, now)
    ]


def room(board: Scoreboard, slot: int, key: str) -> int:
    """How many connections of a worker's interpreter its siblings can take now (`mpserver.routing.siblings`)."""
    quick = brisk(board, slot, key)
    return PILE * len(quick) if quick else len(idle(board, slot, key))


def streaming(board: Scoreboard, slot: int, key: str) -> tuple[int, int]:
    """How many siblings there are; and how many requests of their interpreters of a key wait for bodies."""
    found = list(_siblings(board, slot, key))
    return len(found), sum(board.streams(other, index) for other, index in found if index is not None)


def there_are(board: Scoreboard, slot: int) -> bool:
    """Whether a worker has any siblings."""
    return any(True for _sibling in _siblings(board, slot, ""))


def is_stuck(board: Scoreboard, slot: int, index: int, now: float) -> bool:
    """Whether an interpreter of a worker is in a long request at ``now`` (seconds since the epoch)."""
    return board.interpreter_state(slot, index) == WORKING and now - board.began(slot, index) > LONG


def _siblings(board: Scoreboard, slot: int, key: str) -> Iterator[tuple[int, int | None]]:
    """The siblings of a worker, and the index of the interpreter of a key there; None: it has none.

    They serve, and are of its generation or of one that follows it: a worker that leaves has no others.
    """
    wanted = CRC.pack(crc(key))
    memory = board.memory
    generation = WORKER.unpack_from(memory, slot * PAGE)[1]
    for other in range(slot + 1, slot + board.slots):
        other %= board.slots
        start = other * PAGE
        pid, newest, _started, oldest = WORKER.unpack_from(memory, start)
        if pid and oldest <= generation <= newest and memory[start + STATES] == IDLE:
            yield other, _index(board, start + KEYS, wanted)


def _index(board: Scoreboard, start: int, wanted: bytes) -> int | None:
    """The index of an interpreter among the keys of a worker."""
    end = start + INTERPRETERS * CRC.size
    at = board.memory.find(wanted, start, end)
    while at >= 0 and (at - start) % CRC.size:
        at = board.memory.find(wanted, at + 1, end)
    return None if at < 0 else (at - start) // CRC.size
