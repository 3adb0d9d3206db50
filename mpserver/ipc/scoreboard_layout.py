"""How the memory of the scoreboard is laid out, and the states that stand there.

It is a memory file: every process inherits its descriptor, and every interpreter maps it by itself (an ``mmap``
object can't cross interpreters, a descriptor can). Every field has one writer, so there are no locks; a reader may
see a value that is a moment old.

One page per worker slot::

    0     pid, generation, start time, oldest generation   written by the master
    64    one state per interpreter (index 0: the router)  written by that interpreter
    512   one count of requests per interpreter            written by that interpreter
    4096  the crc32 of each interpreter's key              written by that interpreter
    6144  how many threads of each are in a request        written by that interpreter, under the worker MPM; where
          requests wait for other servers, these as well, and under either MPM
    7040  how each interpreter ended, see `End`            written by the router
    7488  whether its counts are kept (`mpserver.ipc.history`): its place can be had again    written by the master
    8192  the process groups of the programs that run for each interpreter's requests, 0: none
    65536 how many requests of each wait for bodies in their handlers    written by that interpreter
    66048 how many KiB each keeps in memory for slow clients, then on the disk    written by that interpreter
    69632 the number of the question about stacks that each was asked last    written by the router
    73728 how many connections each has taken that it was given    written by that interpreter

A key is kind and name of an interpreter (`mpserver.phases.plan.InterpreterId.key`). After the workers' pages comes one
with the keys of the applications that moved from subinterpreters to processes, written by the keeper of zygotes, then
which members of balancers have failed their health checks (`mpserver.ipc.member_health`), and at its end the soft limit
of descriptors that the server was started with; then the interpreters' figures (`mpserver.ipc.interpreter_stats`), what
is kept of those that ended (`mpserver.ipc.history`), how many connections each address has
(`mpserver.ipc.address_table`), the requests that wait for other servers (`mpserver.ipc.waiting_requests`), and the
lines of access logs that are about to be written (`mpserver.ipc.log_lines`).

States and what ends them; index 0 of a slot is its worker as a whole::

    OPEN       the slot has no worker             the master is about to fork one: STARTING
    STARTING   the worker does not serve yet      it accepts connections: IDLE
    IDLE       nothing is being served            a request begins: WORKING;  the worker drains: FINISHING
    WORKING    a request is in its handlers, under the worker MPM as many as there are threads    it ends: IDLE
    FINISHING  the worker serves what it has and takes nothing new    it has ended: OPEN

A byte of zero in another place than index 0: there is no interpreter, or it does not serve yet.
"""

from __future__ import annotations

import struct
import zlib

from mpserver.enumeration import IntEnum
from mpserver.ipc import interpreter_stats

PAGE = 77824
STATES = 64
COUNTS = 512
KEYS = 4096
THREADS = 6144
ENDS = 7040
KEPT = 7488
GROUPS = 8192
STREAMS = 65536
SLOW_CLIENTS = 66048
QUESTIONS = 69632
TAKEN = 73728

#: Interpreters of one worker that have an index, the router (index 0) among them.
INTERPRETERS = COUNTS - STATES

#: So many programs of one interpreter are known at a time.
PROGRAMS = 32

#: The size of the figures of one worker's interpreters, in bytes.
STATS = INTERPRETERS * interpreter_stats.RECORD

#: pid, generation, started (seconds since the epoch), the oldest generation whose connections it may take
WORKER = struct.Struct("=QQdQ")
COUNT = struct.Struct("=Q")
CRC = struct.Struct("=I")
GROUP = struct.Struct("=I")
BUSY = struct.Struct("=H")
#: crc32 of a key, generation
MOVED = struct.Struct("=II")
#: The soft limit of descriptors, in the page after the workers'.
DESCRIPTORS = PAGE - COUNT.size
#: Before it, the health of members: so many entries of 24 bytes.
HEALTH_ENTRIES = 1024
HEALTH = DESCRIPTORS - HEALTH_ENTRIES * 24


#: What is kept of interpreters that ended: where the master's facts and the entries begin, their number and size.
FACTS = 64
HISTORY_ENTRIES = 65536
ENTRIES = 2048
ENTRY = 1024
HISTORY = HISTORY_ENTRIES + ENTRIES * ENTRY


#: The room for the requests of one interpreter that wait for other servers, in bytes.
WAITING_AREA = 16384
#: The room for the lines of one interpreter that wait to be written, in bytes.
LINES_AREA = 65536

#: The table of addresses: what stands before the places, how many of these each worker has, and their size.
ADDRESSES_HEAD = 4096 + (1 << 18)
PLACES = 1 << 16
PLACE = struct.Struct("=8sQ")
ADDRESSES = PLACES * PLACE.size

#: What the memory file has once, and for each worker.
COMMON = PAGE + HISTORY + ADDRESSES_HEAD
PER_WORKER = PAGE + STATS + ADDRESSES + INTERPRETERS * (WAITING_AREA + LINES_AREA)

#: Added to an `End` once the interpreter has ended; before, that tells only how it will.
ENDED = 0x80


class End(IntEnum):
    """How an interpreter ended; the last is no end, but stands for its requests that took too long."""

    NORMAL = 0
    RECYCLED = 1
    CRASHED = 2
    TIMED_OUT = 3
    TIMEOUTS = 4


class State(IntEnum):
    """What a worker or an interpreter is doing, by the letters of httpd's server-status."""

    OPEN = ord(".")
    STARTING = ord("S")
    IDLE = ord("_")
    WORKING = ord("W")
    FINISHING = ord("G")


def crc(key: str) -> int:
    """What stands on the scoreboard for an interpreter's key."""
    return zlib.crc32(key.encode("utf-8", "surrogateescape"))
