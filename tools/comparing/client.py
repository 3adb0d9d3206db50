"""Sending a request's bytes, and taking its responses apart."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from typing import NamedTuple

#: The longest silence of a server in seconds.
PATIENCE = 10.0


class Response(NamedTuple):
    """One response: the status line without version, the headers sorted, how the body was framed, the body."""

    status: str
    headers: tuple[tuple[str, str], ...]
    framing: str
    body: bytes

    def header(self, name: str) -> str:
        """The first value of a header; empty without one."""
        return next((value for key, value in self.headers if key == name), "")


class Exchange(NamedTuple):
    """What came back: the responses, what followed them, and how it ended (closed, reset, silent)."""

    responses: tuple[Response, ...]
    rest: bytes
    end: str


def send(port: int, data: bytes, heads: int, tls: tuple[ssl.SSLContext, str] | None = None) -> Exchange:
    """Send bytes on a connection of their own, and read until the server closes.

    :param heads: of so many responses, in order, bit ``i`` tells that it answers HEAD.
    :param tls: how TLS is spoken, and with which host.
    """
    received, end = b"", "closed"
    try:
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
            if tls is not None:
                sock = stack.enter_context(tls[0].wrap_socket(sock, server_hostname=tls[1]))
            sock.sendall(data)
            deadline = time.monotonic() + PATIENCE
            while part := sock.recv(65536):
                received += part
                if time.monotonic() > deadline:
                    end = "endless"
                    break
    except TimeoutError:
        end = "silent"
    except ssl.SSLError:
        end = "refused by TLS"
    except OSError as error:
        end = type(error).__name__
    return _taken_apart(received, end, heads)


def _taken_apart(data: bytes, end: str, heads: int) -> Exchange:
    responses = []
    while data.startswith(b"HTTP/"):
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            break
        lines = head.decode("latin-1").split("\r\n")
        headers = tuple(
            sorted((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
        )
        response = Response(lines[0], headers, "", b"")
        final = not re.match(r"HTTP/1\.\d (1\d\d|204|304) ", lines[0] + " ")
        is_head = bool(heads & 1) and not lines[0].startswith("HTTP/1.1 1")
        framing, body = "none", b""
        if final and not is_head:
            framing, body, rest = _body(response, rest)
        responses.append(response._replace(framing=framing, body=body))
        if not lines[0].startswith("HTTP/1.1 1"):
            heads >>= 1
        data = rest
    return Exchange(tuple(responses), data, end)


def _body(response: Response, rest: bytes) -> tuple[str, bytes, bytes]:
    if response.header("transfer-encoding") == "chunked":
        body = b""
        while True:
            line, _, after = rest.partition(b"\r\n")
            try:
                size = int(line, 16)
            except ValueError:
                return "broken chunks", body, rest
            if len(after) < size:
                return "broken chunks", body + after, b""
            body, rest = body + after[:size], after[size + 2 :]
            if not size:
                return "chunked", body, rest
    length = response.header("content-length")
    if length:
        size = int(length)
        return ("length" if len(rest) >= size else "short"), rest[:size], rest[size:]
    return "close", rest, b""
