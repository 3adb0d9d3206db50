"""Bodies of requests: what is read of them in large pieces, and what is left where they break off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mpserver.api.input import Input
from mpserver.api.kept_body import KeptBody, Room
from mpserver.errors import ClientGone
from mpserver.http1.body import LengthBody

#: A body that is long beside the pieces that it is read in, in bytes.
LONG = 1 << 25


class Client:
    """Sends a body in pieces, and leaves after them."""

    keep_alive = True

    def __init__(self, *pieces: bytes) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)

    def receive(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise ClientGone("it has left")

    def send(self, parts: object) -> None:
        """Nobody is there."""

    def unread(self, data: bytes) -> None:
        """Nothing follows."""


def kept(folder: Path) -> Input:
    """A long body without ends of lines, most of it in a file."""
    body = Input(Client(), LengthBody(LONG), b"", False)
    body.keep(KeptBody(Room(1 << 16, str(folder), LONG)))
    for _ in range(LONG >> 20):
        body.take_in(b"x" * (1 << 20))
    return body


def streamed(_folder: Path) -> Input:
    """The same, which comes as it is read."""
    return Input(Client(*[b"x" * 65536] * (LONG >> 16)), LengthBody(LONG), b"", False)


def took(read: Callable[[], bytes]) -> float:
    """How long reading all takes this process, in seconds of its own."""
    begun = time.process_time()
    assert len(read()) == LONG
    return time.process_time() - begun


@pytest.mark.parametrize("make", [kept, streamed])
def test_the_time_of_a_body_grows_with_its_length_alone(tmp_path: Path, make: Callable[[Path], Input]) -> None:
    """However it is read: what came is not put together anew for each piece."""
    whole = took(make(tmp_path).read)
    for read in (lambda body: body.read(LONG), Input.readline, lambda body: body.readline(LONG)):
        body = make(tmp_path)
        assert took(lambda: read(body)) < 10 * whole + 0.1  # noqa: B023  (called at once)


@pytest.mark.parametrize("size", [-1, 0, 1, 3, 4, 5, 9, 100])
def test_lines_over_pieces(size: int) -> None:
    pieces = (b"a", b"bc\nd", b"ef", b"g\n\n", b"hi")
    body = Input(Client(*pieces), LengthBody(12), b"", False)
    text, lines = b"".join(pieces), []
    while size and (line := body.readline(size)):
        lines.append(line)
    if not size:
        assert body.readline(0) == b""
        return
    assert b"".join(lines) == text
    expected, at = [], 0
    while at < len(text):
        end = text.find(b"\n", at) + 1 or len(text)
        end = end if size < 0 else min(end, at + size)
        expected.append(text[at:end])
        at = end
    assert lines == expected


@pytest.mark.parametrize("read", [lambda body: body.read(50), lambda body: body.readline()])
def test_what_came_before_the_client_left_can_be_read(read: Callable[[Input], bytes]) -> None:
    body = Input(Client(b"some", b" of it"), LengthBody(50), b"", False)
    with pytest.raises(ClientGone):
        read(body)
    assert body.read(body.waiting) == b"some of it"
