"""Holds idle keep-alive connections: each asks once, and stays until this process' input ends.

Usage: python idle.py PORT PATH COUNT; prints ``ready`` when all have their answer.
"""

from __future__ import annotations

import socket
import sys


def dial(port: int, path: str) -> socket.socket:
    """A connection that has had an answer. :raises ConnectionError: it had none."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
        raise ConnectionError("an idle connection was not served")
    return connection


def main() -> None:
    """Open them, say so, and wait."""
    port, path, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    connections = [dial(port, path) for _ in range(count)]
    print("ready", flush=True)
    sys.stdin.read()
    for connection in connections:
        connection.close()


if __name__ == "__main__":
    main()
