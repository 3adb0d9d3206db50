"""What a handler flushes first waits for what follows: who sends it, and when."""

from __future__ import annotations

import time

import pytest

from mpserver.serving.delayed_flush import TICK, DelayedFlush

LONG_AGO = 1.0
#: A request that began so far ahead stays new, however slow the test is (seconds).
AHEAD = 3600.0


class Watcher:
    """The thread that looks, which is the test here."""

    asleep = False
    woken = 0

    def wake(self) -> None:
        self.woken += 1


class Client:
    """A connection that takes so many bytes at a time."""

    def __init__(self, takes: int = 1000) -> None:
        self.takes, self.got = takes, b""

    def send_held(self, data: bytes) -> int:
        if not self.takes:
            raise BlockingIOError
        self.got += data[: self.takes]
        return min(len(data), self.takes)

    def release_held(self) -> None:
        raise AssertionError("the response goes on")


@pytest.fixture(name="watcher")
def make_watcher() -> Watcher:
    return Watcher()


@pytest.fixture(name="flush")
def make_flush(watcher: Watcher) -> DelayedFlush:
    return DelayedFlush(watcher)


def test_who_looks_is_woken_only_where_it_sleeps(flush: DelayedFlush, watcher: Watcher) -> None:
    flush.hold(Client(), (b"head", b"body"))
    assert watcher.woken == 0
    flush.take()
    watcher.asleep = True
    flush.hold(Client(), (b"head", b"body"))
    assert watcher.woken == 1


def test_what_a_new_request_holds_waits_for_the_second_look(flush: DelayedFlush) -> None:
    client = Client()
    now = time.time() + AHEAD
    flush.hold(client, (b"", b"body"))
    flush.look(now)
    assert (client.got, flush.waits) == (b"", True)
    flush.look(now)
    assert b"body" in client.got
    assert not flush.waits
    assert flush.take() is None


def test_each_response_waits_for_itself(flush: DelayedFlush) -> None:
    first, second = Client(), Client()
    now = time.time() + AHEAD
    flush.hold(first, (b"", b"first"))
    flush.look(now)
    assert flush.take() == (b"", b"first")
    flush.hold(second, (b"", b"second"))
    flush.look(now)
    assert (first.got, second.got) == (b"", b"")
    assert flush.take() == (b"", b"second")
    flush.look(now)
    assert second.got == b""


def test_what_a_long_request_holds_leaves_at_the_first_look(flush: DelayedFlush) -> None:
    client = Client()
    flush.hold(client, (b"", b"body"))
    flush.look(time.time() - 2 * TICK)
    assert b"body" in client.got


def test_a_long_request_is_noticed(flush: DelayedFlush) -> None:
    """What it flushes then is not held: see `mpserver.serving.stream.Stream.hold`."""
    new, old = time.time() + AHEAD, time.time() - 2 * TICK
    for began, found in ((0.0, 0.0), (new, 0.0), (old, old), (new, old)):
        flush.look(began)
        assert flush.long == found


def test_what_the_client_does_not_take_is_there_again(flush: DelayedFlush) -> None:
    client = Client(takes=3)
    flush.hold(client, (b"", b"body"))
    flush.look(LONG_AGO)
    assert len(client.got) == 3
    assert flush.waits
    client.takes = 0
    flush.look(LONG_AGO)
    assert flush.waits
    rest = flush.take()
    assert rest is not None
    assert b"body" in client.got + rest[0]


def test_another_response_that_is_held_by_then_goes_to_its_own_client(flush: DelayedFlush) -> None:
    """The interpreter's thread may end one and hold the next, between the look and the sending."""
    first, second = Client(), Client()

    class Gate:
        def __enter__(self) -> None:
            assert flush.take() == (b"", b"first")
            flush.hold(second, (b"", b"second"))

        def __exit__(self, *_: object) -> None:
            pass

    flush.hold(first, (b"", b"first"))
    flush._gate = Gate()  # type: ignore[assignment]
    flush.look(LONG_AGO)
    assert first.got == b""
    assert b"second" in second.got
