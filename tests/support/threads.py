"""Many threads at the same thing at the same time, which change where that hurts most."""

from __future__ import annotations

import contextlib
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from support.waiting import PATIENCE

T = TypeVar("T")

THREADS = 20
#: After how many seconds the interpreter lets another thread go on; the usual ones first.
INTERVALS = (5e-3, 1e-4, 1e-5, 1e-6)
#: The code whose every step may be followed by another thread's.
OURS = tuple(str(Path(__file__).resolve().parents[2] / name) for name in ("mod_python", "mpserver"))


@contextlib.contextmanager
def hurried() -> Iterator[None]:
    """Threads change as often as the interpreter can, while the block lasts."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(INTERVALS[-1])
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Steps:
    """A trace function for one thread: after a step of the project's code another thread may come, by chance."""

    def __init__(self, seed: int, often: float) -> None:
        self.chance = random.Random(seed).random
        self.often = often

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        frame.f_trace_opcodes = True
        return self.step

    def step(self, frame: FrameType, event: str, arg: Any) -> Any:
        """One instruction."""
        if self.chance() < self.often:
            time.sleep(0)  # gives the interpreter's lock away
        return self.step


def together(work: Callable[[int], T], *, often: float = 0.05, seed: int = 0, threads: int = THREADS) -> list[T]:
    """Call ``work`` with 0, 1, 2 ... in a thread each, which begin together.

    :param often: after which part of the instructions of the project's code another thread goes on.
    :returns: what the calls gave, in order.
    :raises BaseException: what the first one raised that failed.
    """
    start = threading.Barrier(threads)
    results: dict[int, T] = {}
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            start.wait(PATIENCE)
            sys.settrace(Steps(seed * threads + number, often))
            results[number] = work(number)
        except BaseException as error:  # raised again where the test sees it
            errors.append(error)
        finally:
            sys.settrace(None)

    running = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(threads)]
    with hurried():
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in running), "threads wait for each other"
    if errors:
        raise errors[0]
    return [results[number] for number in range(threads)]
