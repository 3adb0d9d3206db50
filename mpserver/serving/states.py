"""The states of a connection, and what ends each of them.

::

    WAITING    between requests     first byte -> READING;  KeepAliveTimeout -> closed
    READING    head or short body   complete -> the owner;  Timeout -> 408 or closed
    SENDING    the rest of a response  sent -> WAITING, SKIPPING or LINGERING;  Timeout -> closed
    SKIPPING   the answer is sent, the rest of a short body comes  its end -> WAITING;  Timeout -> closed
    LINGERING  the client may still read the answer (RFC 9112 9.6)  its end, 2 s of silence, or 30 s -> closed
    GONE       closed, or handed to another owner
    TLS        the handshake  done -> READING;  Timeout -> closed
    IN_THREAD  a thread of the pool serves its request (worker MPM)  the thread is done -> any of the others
    AWAITING   its request waits for its body, or for its turn to read it (`mpserver.serving.bodies`)  that has come,
               or will not -> served as one that was read
"""

from __future__ import annotations

WAITING, READING, SENDING, SKIPPING, LINGERING, GONE, IN_THREAD, TLS, AWAITING = range(9)

#: The states in which nothing but the client is waited for.
IDLE_STATES = frozenset({WAITING, SKIPPING, LINGERING})

#: How long a connection that only waits for its client is kept once its owner ends, in seconds: the client may be
#: about to ask, or still reading the answer.
LAST_WAIT = 5.0
