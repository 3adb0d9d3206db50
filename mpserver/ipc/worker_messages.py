"""What a worker and its master tell each other on the control socket between them."""

from __future__ import annotations

#: What a worker tells its master on ``control`` (all else is a request for the keeper).
READY = b"ready"  # it serves


#: A connection for another worker: this, the worker's slot (4 bytes, little endian), the message.
PASS = b"pass"

#: In the place of that slot: for any other worker.
ANYONE = 0xFFFFFFFF


#: What an encoded `mpserver.ipc.messages.Message` follows: an answer, or changed files.
NEWS = b"news"


LEAVING = b"leaving"  # it takes nothing new (MaxConnectionsPerChild...) and wants to be replaced


MESSAGE_FDS = 16
