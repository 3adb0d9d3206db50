"""Messages between a router and its interpreters, as the other side gets them."""

from __future__ import annotations

import os

import pytest

from mpserver.ipc import messages
from mpserver.ipc.messages import Kind, Message


def test_a_long_chain_of_certificates_goes_along() -> None:
    ours, theirs = messages.pair()
    with ours, theirs:
        sent = Message(Kind.CONNECTION, data=b"GET /", state=b"state", origin=b"c" * 70000, luggage=b"notes")
        messages.send(ours, sent)
        assert messages.receive(theirs) == sent


@pytest.mark.parametrize("size", [1 << 62, (1 << 63) - 1])
def test_a_message_can_not_be_larger_than_the_memory(size: int) -> None:
    """Its memory need only say so: nothing of it has to be there."""
    payload, fds, memfd = messages.encode(Message(Kind.SPARE, data=b"x" * (messages.INLINE + 1)))
    assert fds == [memfd]
    os.ftruncate(memfd, size)
    with pytest.raises(ValueError, match="this is no message"):
        messages.decode(payload, fds)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(memfd)
