"""RewriteMap prg: a program that answers each key, a line, with a line."""

from __future__ import annotations

import os
import select
import threading
import time

from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

#: How long a program may take to answer, in seconds, and how much it may say.
PATIENCE, LONGEST = 10.0, 65536


class ProgramMap:
    """A program that runs as long as the interpreter that asks it; it ends when its input does.

    It is started when it is first asked, and again where it has ended. One key is asked at a time.
    """

    __slots__ = ("_command", "_lock", "_process")

    def __init__(self, command: tuple[str, ...]) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, key: str) -> str | None:
        """What it says of a key; NULL, or an empty line, is nothing.

        :raises OSError: it can't be started, does not answer in time, or ended.
        """
        if "\n" in key or "\0" in key:
            return None
        with self._lock:
            answer = self._ask(key.encode("utf-8", "surrogateescape") + b"\n")
        return None if answer in (b"", b"NULL") else answer.decode("utf-8", "surrogateescape")

    def _ask(self, line: bytes) -> bytes:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = _start(self._command)
        assert process.stdin is not None and process.stdout is not None
        try:
            os.write(process.stdin.fileno(), line)
            return _line(process.stdout.fileno())
        except OSError:
            self._process = None
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
            raise


def _start(command: tuple[str, ...]) -> subprocess.Popen[bytes]:
    import subprocess  # (few have such maps)

    return subprocess.Popen(command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _line(fd: int) -> bytes:
    """The line that a program writes. :raises OSError: it does not, or too much."""
    found = bytearray()
    deadline = time.monotonic() + PATIENCE
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while not found.endswith(b"\n"):
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise OSError(f"the program has not answered for {PATIENCE:g} seconds")
        data = os.read(fd, 4096)
        if not data:
            raise OSError("the program has ended")
        found += data
        if len(found) > LONGEST:
            raise OSError(f"the program's answer is longer than {LONGEST} bytes")
    return bytes(found[:-1]).removesuffix(b"\r")
