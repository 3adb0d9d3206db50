"""A real Redis server for a test, on a unix socket in a folder of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from support.waiting import PATIENCE, wait_for

PROGRAM = shutil.which("redis-server")


class Redis:
    """A Redis server that keeps nothing on disk. ``arguments``: more of its configuration, as options."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        if PROGRAM is None:
            pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.arguments = folder, arguments
        self.socket = folder / "redis.sock"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, as PythonOption mod_python.redis_session.url says it."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert PROGRAM is not None
        self.process = subprocess.Popen(
            [PROGRAM, "--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700", "--save", "",
             "--dir", str(self.folder), "--logfile", str(self.folder / "redis.log"), *self.arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(lambda: self.ask("PING") != b"", "redis-server to answer")

    def ask(self, *command: str) -> bytes:
        """What it answers to one command, as it comes; nothing if it doesn't run."""
        words = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in command)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            try:
                sock.connect(str(self.socket))
                sock.sendall(f"*{len(command)}\r\n{words}".encode())
                return sock.recv(65536)
            except OSError:
                return b""

    def number(self, *command: str) -> int:
        """The number that it answers."""
        answer = self.ask(*command)
        assert answer[:1] == b":", answer
        return int(answer[1:])

    def names(self, pattern: str = "*") -> list[str]:
        """The keys of a pattern."""
        return sorted(self.ask("KEYS", pattern).decode().split("\r\n")[2:-1:2])

    def stop(self) -> None:
        """Kill it, if it runs."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait(PATIENCE)
        self.socket.unlink(missing_ok=True)

    def __enter__(self) -> Redis:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
