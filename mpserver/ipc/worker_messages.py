"""What a worker and its master tell each other, on the SEQPACKET control socket between them.

Who sends what, and what answers it (``docs/protocol.md`` has the same in tables).

From a worker to its master, told apart by their first bytes::

    READY    it serves
    LEAVING  it takes nothing new (MaxConnectionsPerChild, ...): a successor comes up while it drains
    PASS     a connection for another worker: PASS, that worker's slot (4 bytes, little endian; `ANYONE`: whoever can
             take it), and an encoded `mpserver.ipc.messages.Message`. The master sends the message on to that
             worker; to another one where it can't have it, or back
    NEWS     an encoded message for the master itself: TOLD answers its ASK, CHANGED tells of changed files
    (else)   an order for the keeper of zygotes. No word is before it, just a packed tuple: (interpreter id, index
             on the scoreboard, slot), where the id is a tuple of kind, name and environment, with
             the interpreter's end of its inbox and its connection states as descriptors; or (interpreter id,
             `REFUSAL`): the application of an ``auto`` interpreter needs processes

A worker runs applications under an account that may do less than the master's. So what it says is plain data in forms
that are checked (`mpserver.ipc.plain_data`), and an order gets the environment that the configuration tells.

From the master to a worker: encoded messages without a prefix. ASK has a worker command
(`mpserver.routing.worker_commands`) marshalled in its state, and is answered by NEWS with TOLD of the same number;
CONNECTION and SPARE are from other workers.

In a server of one process the other end of the socket is that of a process that keeps the zygotes. It gets orders,
and where the worker replaces a process interpreter by itself::

    RENEW    RENEW and the name of an application: its next processes come from a new zygote
    SETTLE   SETTLE, 1 or 0 (as text: whether the replacement worked) and the name: the new zygote stays, or the former

The end of the socket is the end of the other side: a worker without its master ends, and a master waits for the
worker's exit status. With one process it is different: the server lives on without the process that keeps its zygotes,
but gets no further process interpreters.
"""

from __future__ import annotations

from enum import Enum

from mpserver.ipc.plain_data import each, either, mapping, of, row


class WorkerMessage(bytes, Enum):
    """The messages of workers by what they begin with."""

    READY = b"ready"
    LEAVING = b"leaving"
    PASS = b"pass"
    NEWS = b"news"
    RENEW = b"renew"
    SETTLE = b"settle"


READY, LEAVING, PASS, NEWS, RENEW, SETTLE = WorkerMessage

#: In the place of a slot after PASS: for any other worker.
ANYONE = 0xFFFFFFFF

#: How many descriptors come with a message at most.
MESSAGE_FDS = 16

_TEXT, _MAYBE_TEXT = of(str), of(str, type(None))
#: An interpreter id; what its environment may be, the configuration tells.
INTERPRETER_ID = row(_TEXT, _TEXT, of(tuple))
#: The state of a connection on its way to the router: the interpreter that it is for, and what goes along.
ADDRESSED = row(INTERPRETER_ID, of(bytes))
#: A `mpserver.api.loader.LoadedModule`.
LOADED = row(_TEXT, either(_MAYBE_TEXT, each(tuple, _TEXT)), _MAYBE_TEXT)
#: What a subinterpreter refused, see `mpserver.ipc.messages.Kind`.
REFUSAL = row(_TEXT, of(bool), _TEXT, each(tuple, _TEXT))
#: What a keeper of zygotes is asked for.
ASKED = either(row(INTERPRETER_ID, of(int), of(int)), row(INTERPRETER_ID, REFUSAL))
#: Files and how they look now; and whose they are.
CHANGES = mapping(_TEXT, either(of(type(None)), row(of(int), of(int))))
CHANGED = row(INTERPRETER_ID, CHANGES)
