"""Requests that stay in their handlers for as long as a test likes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from support.server import Server

#: What the application of such a server begins with; its handler calls ``hold()`` for a request that is to stay.
HOLD = """
import os
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def hold():
    while not os.path.exists(os.path.join(ROOT, "go")):
        time.sleep(0.005)
"""


def let_go(server: Server) -> None:
    """Let those go on that are held, and those that come."""
    (server.root / "go").touch()


@contextlib.contextmanager
def held(server: Server, path: str, count: int = 1) -> Iterator[None]:
    """So many requests, which are held until the block ends."""
    (server.root / "go").unlink(missing_ok=True)
    clients = [threading.Thread(target=server.get, args=(path,)) for _ in range(count)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        let_go(server)
        for client in clients:
            client.join()
