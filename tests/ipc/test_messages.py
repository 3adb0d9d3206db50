"""Messages between a router and its interpreters, as the other side gets them."""

from __future__ import annotations

from mpserver.ipc import messages
from mpserver.ipc.messages import Kind, Message


def test_a_long_chain_of_certificates_goes_along() -> None:
    ours, theirs = messages.pair()
    with ours, theirs:
        sent = Message(Kind.CONNECTION, data=b"GET /", state=b"state", origin=b"c" * 70000, luggage=b"notes")
        messages.send(ours, sent)
        assert messages.receive(theirs) == sent
