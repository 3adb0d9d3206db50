"""What `req.write` and `flush` make of a response, read by another implementation of HTTP (h11)."""

from __future__ import annotations

from typing import Any, cast

import h11
from hypothesis import given
from hypothesis import strategies as st

from mpserver.api.parts import Begun, Part
from mpserver.api.request import Request
from mpserver.api.response_head import Clock
from mpserver.http1.head import Limits, parse_head
from mpserver.http1.response import REASONS, chunked_beginning


class FakeLink:
    """Keeps what is sent."""

    keep_alive = True
    input = None
    requests_left = 9
    keep_alive_timeout = 5.0

    def __init__(self, holds: str) -> None:
        self.sent = b""
        self.holds = holds
        self.held: Begun | None = None

    def hold(self, head: bytes, body: bytes) -> bool:
        if self.holds == "late":  # what is held leaves before its end comes
            self.sent += chunked_beginning(head, body)
        elif self.holds == "in part":
            whole = chunked_beginning(head, body)
            self.sent += whole[:20]
            self.held = whole[20:], None
        elif self.holds == "in time":
            self.held = head, body
        return self.holds != "never"

    def take_held(self) -> Begun | None:
        held, self.held = self.held, None
        return held

    def send(self, parts: list[Part]) -> None:
        held = self.take_held()
        if held is not None:
            self.sent += chunked_beginning(*held)
        self.sent += b"".join(cast("list[bytes]", parts))

    def finish(self, parts: list[Part]) -> None:
        self.sent += b"".join(cast("list[bytes]", parts))

    def finish_whole(self, data: bytes) -> None:
        self.sent += data


@given(
    st.sampled_from(["GET", "HEAD", "POST"]),
    st.sampled_from([status for status in REASONS if status >= 200]),
    st.sampled_from([0, 1]),
    st.lists(st.tuples(st.binary(max_size=9), st.booleans())),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["never", "in time", "in part", "late"]),
)
def test_clients_see_where_a_response_ends(
    method: str,
    status: int,
    minor: int,
    pieces: list[tuple[bytes, bool]],
    known: bool,
    keep: bool,
    holds: str,
) -> None:
    connection = "" if keep and minor else "Connection: Keep-Alive\r\n" if keep else "Connection: close\r\n"
    head = parse_head(f"{method} / HTTP/1.{minor}\r\nHost: h\r\n{connection}\r\n".encode(), Limits())
    assert head is not None
    link = FakeLink(holds)
    link.keep_alive = keep
    req = Request(cast(Any, link), head, None, Clock("s"), 0.0)
    body = b"".join(piece for piece, _ in pieces)
    req.status = status
    if known:
        req.set_content_length(len(body))
    for piece, flush in pieces:
        req.write(piece, flush)
    req.mp_finish()

    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(link.sent)
    if not link.keep_alive:
        client.receive_data(b"")
    assert isinstance(client.next_event(), h11.Response)
    received = b""
    while isinstance(event := client.next_event(), h11.Data):
        received += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert received == (b"" if method == "HEAD" or status in (204, 304) else body)
    assert client.trailing_data == (b"", not link.keep_alive)
    assert (client.their_state is h11.DONE) is link.keep_alive or minor == 0
