"""Makes bytes of a corpus by chance, runs a target on them, and makes what it stumbles over short."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from random import Random
from types import FrameType
from typing import NamedTuple

from fuzzing.targets import ODD, Target

#: Seconds of processor time that one input may take. Inputs are short: more is a hang, or grows too fast.
LONGEST = 2.0
#: Bytes of an input, at most.
LARGEST = 1 << 17
#: How often a part of an input may come again: mostly not, and now and then so often that what is quadratic shows.
TIMES = (1, 1, 1, 1, 2, 3, 10, 300, 20_000)
#: How many tries it may take to make a fault short.
TRIES = 3000


class TooSlowError(Exception):
    """An input takes longer than it may."""


class Fault(NamedTuple):
    """An input that a target stumbles over, as short as it could be made."""

    data: bytes
    error: Exception


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlowError(f"more than {LONGEST} seconds of processor time")


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """The time that an input may take. :raises TooSlowError: it was more."""
    before = signal.signal(signal.SIGVTALRM, _too_slow)
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def changed(data: bytes, chances: Random, corpus: list[bytes], words: tuple[bytes, ...]) -> bytes:
    """The bytes with some of them left out, put in, exchanged, repeated, or taken from another of the corpus."""
    for _ in range(chances.choice((1, 1, 2, 3, 5, 8))):
        start = chances.randint(0, len(data))
        end = start + chances.choice((0, 0, 1, 1, 2, 5, 20))
        part = data[start:end]
        change = chances.randrange(6)
        if change == 0:
            part = b""
        elif change == 1:
            part = chances.choice(words) * chances.choice(TIMES)
        elif change == 2:
            part = chances.choice(ODD) * chances.choice(TIMES)
        elif change == 3:
            part *= chances.choice(TIMES)
        elif change == 4:
            part = chances.randbytes(chances.choice((1, 1, 2, 4)))
        else:
            other = chances.choice(corpus)
            begin = chances.randint(0, len(other))
            part = other[begin : begin + chances.choice((5, 50, 500))]
        data = (data[:start] + part + data[end:])[:LARGEST]
    return data


def run(target: Target, seconds: float, seed: int = 0) -> tuple[int, Fault | None]:
    """Run a target for so many seconds, or until it stumbles.

    :param seed: the same one makes the same inputs.
    :returns: how many inputs it took, and which was too much.
    """
    corpus = target.corpus()
    target.run(corpus[0])  # (what is done once does not count)
    chances = Random(seed)  # noqa: S311 - chances that can be had again
    count, until = 0, time.monotonic() + seconds
    while True:
        data = corpus[count] if count < len(corpus) else changed(chances.choice(corpus), chances, corpus, target.words)
        count += 1
        error = _stumbles(target, data)
        if error is not None:
            return count, _short(target, Fault(data, error))
        if count >= len(corpus) and time.monotonic() >= until:
            return count, None


def _short(target: Target, fault: Fault) -> Fault:
    """The fault with as much left out as makes the same kind of error."""
    size, tries = max(1, len(fault.data) // 2), 0
    while size and tries < TRIES and not isinstance(fault.error, TooSlowError):
        at, smaller = 0, False
        while at < len(fault.data) and tries < TRIES:
            tries += 1
            data = fault.data[:at] + fault.data[at + size :]
            error = _stumbles(target, data)
            if type(error) is type(fault.error) and error is not None:
                fault, smaller = Fault(data, error), True
            else:
                at += size
        size = size if smaller and size == 1 else size // 2
    return fault


def _stumbles(target: Target, data: bytes) -> Exception | None:
    try:
        with bounded():
            target.run(data)
    except Exception as error:
        return error
    return None
