"""What a master waits for."""

from __future__ import annotations

import os

from mpserver.supervisor.watched import Watched


class Pipe:
    """A pipe that has something to read."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.write(self.writer, b"x")

    def fileno(self) -> int:
        """Its reading end."""
        return self.reader

    def close(self) -> None:
        """Close both ends."""
        os.close(self.reader)
        os.close(self.writer)


def test_who_was_removed_is_not_called_back() -> None:
    """Both are ready at once, and the first one ends the other."""
    watched, called = Watched(), list[str]()
    one, other = Pipe(), Pipe()

    def on_one() -> None:
        called.append("one")
        watched.remove(other)

    def on_other() -> None:
        called.append("other")
        watched.remove(one)

    watched.add(one, on_one)
    watched.add(other, on_other)
    watched.wait(1.0)
    assert len(called) == 1
    watched.close()
    one.close()
    other.close()
