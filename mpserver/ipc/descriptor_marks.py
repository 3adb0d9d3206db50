"""What descriptors of a worker are good for, in memory that others can read when it hangs (WorkerTimeout).

A worker that hangs can't give its connections away. So each connection has a byte there, at the number of its
descriptor: whoever owns it writes it, without telling anybody (`mpserver.serving.found_connection`)::

    NOTHING   no connection of a client
    IDLE      all requests that were read are answered                  the client sends: ASKED
    ASKED     a request is read, maybe in part, or waits for its turn   its turn comes: BEGUN
    BEGUN     the request is in its phases                              a byte of the answer is sent: ANSWERED
    ANSWERED  bytes of an answer are sent, and there may be more        the whole of it is sent: IDLE or ASKED
    INBOX     an interpreter's end of its inbox, the worker's of its control socket: nobody has begun with what is there
    OUTBOX    the router's end: what is in there comes back from the interpreter

`mpserver.supervisor.rescue` reads them before and after the worker is killed. There is such memory only where
WorkerTimeout is set.
"""

from __future__ import annotations

import os

from mpserver.enumeration import IntEnum
from mpserver.ipc.connection_states import ConnectionState


class Mark(IntEnum):
    """What the byte of a descriptor says."""

    NOTHING = 0
    #: (The same as of a `mpserver.ipc.connection_states.ConnectionState`, for the same code writes both.)
    IDLE = ConnectionState.IDLE
    ASKED = ConnectionState.ASKED
    ANSWERED = ConnectionState.ANSWERED
    BEGUN = 5
    INBOX = 6
    OUTBOX = 7


NOTHING, IDLE, ASKED, ANSWERED, BEGUN, INBOX, OUTBOX = Mark

#: How many descriptors have a byte; those with higher numbers are nobody's business.
ENTRIES = 1 << 16


def make() -> int:
    """The memory for one worker: its descriptor. :raises OSError: there is none left."""
    fd = os.memfd_create("mpserver-descriptors", os.MFD_CLOEXEC)
    try:
        os.ftruncate(fd, ENTRIES)
    except OSError:
        os.close(fd)
        raise
    return fd


def write(marks: int, fd: int, mark: Mark) -> None:
    """Write the mark of one descriptor, where there are any (``marks`` is not -1)."""
    if marks >= 0 and 0 <= fd < ENTRIES:
        os.pwrite(marks, bytes((mark,)), fd)
