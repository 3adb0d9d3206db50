"""Clients that ask again and again while a test does something to the server."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from typing import Protocol

from support.waiting import PATIENCE, wait_for


class Asked(Protocol):
    """A server, or what stands before one."""

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""


class Load:
    """What some clients saw: ``done`` counts good answers, ``failures`` says what went wrong."""

    def __init__(
        self, server: Asked, path: str, keep_alive: bool, body: bytes | None = None, pause: float = 0.0
    ) -> None:
        self.server, self.path, self.keep_alive, self.body, self.pause = server, path, keep_alive, body, pause
        self.failures: list[str] = []
        self.done = 0
        self.lock = threading.Lock()
        self.over = threading.Event()

    def client(self) -> None:
        """One client: asks until the load is over, on new connections or on one as long as it lasts."""
        connection = self.dial()
        while not self.over.is_set():
            try:
                headers = {} if self.keep_alive else {"Connection": "close"}
                connection.request("GET" if self.body is None else "POST", self.path, self.body, headers)
                response = connection.getresponse()
                response.read()
                wrong = None if response.status == 200 else f"status {response.status}"
            except (OSError, http.client.HTTPException) as error:
                wrong = repr(error)
                connection.close()
                connection = self.dial()
            with self.lock:
                if wrong is None:
                    self.done += 1
                else:
                    self.failures.append(wrong)
            if self.pause:
                self.over.wait(self.pause)
        connection.close()

    def dial(self) -> http.client.HTTPConnection:
        """A connection, opened at its first request (and again when the server said that it closes)."""
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)

    def more(self, count: int = 50) -> None:
        """Wait for that many more good answers."""
        wanted = self.done + count
        wait_for(lambda: self.done >= wanted, f"{count} more answers; failures: {self.failures[:5]}")


@contextlib.contextmanager
def load(
    server: Asked, path: str, clients: int = 4, keep_alive: bool = False, body: bytes | None = None, pause: float = 0.0
) -> Iterator[Load]:
    """Some clients at work while the block lasts: they ask by GET, or by POST with a body.

    ``pause``: how long each waits between two requests, in seconds.
    """
    state = Load(server, path, keep_alive, body, pause)
    threads = [threading.Thread(target=state.client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        state.more()
        yield state
    finally:
        state.over.set()
        for thread in threads:
            thread.join()
