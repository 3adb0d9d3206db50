"""Connections that got another protocol (RFC 9110 7.8; WebSocket): bytes in both directions, until one side ends."""

from __future__ import annotations

import select

from mpserver.modules.proxy.answers import HOP_BY_HOP, Answer
from mpserver.modules.proxy.backends import PIECE, Upstream
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mpserver.api.request import Request
    from mpserver.modules.proxy import Parameter


def wanted(req: Request, scheme: str, parameters: Mapping[str, Parameter]) -> str:
    """The protocol that a request asks for, where the configuration lets it have one: for ``ws://`` it is WebSocket.

    :returns: "" for none.
    """
    allowed = str(parameters.get("upgrade", "websocket" if scheme in ("ws", "wss") else "none"))
    if allowed == "none":
        return ""
    asked = str(req.headers_in.get("Upgrade") or "").strip()
    named = [word.strip() for word in str(req.headers_in.get("Connection") or "").lower().split(",")]
    if not asked or "upgrade" not in named or req.mp_method != "GET" or req.mp_input is not None or req.mp_main:
        return ""
    return asked if allowed in ("any", asked.lower()) and asked.isascii() and asked.isprintable() else ""


def run(req: Request, upstream: Upstream, answer: Answer, said: bytes, timeout: float) -> None:
    """Tell the client that it has the other protocol, and be its connection.

    :param said: what the server said behind its head.
    :param timeout: ends it after so many seconds in which neither side says anything.
    :raises ClientGone: the client is gone.
    """
    req.mp_drop_parts()
    req.mp_status = answer.status
    req.mp_assbackwards, req.mp_header_only = 1, 0
    link = req.mp_link
    link.keep_alive = False
    kept = [f"{name}: {value}" for name, value in answer.fields if name.lower() not in HOP_BY_HOP]
    protocol = ", ".join(answer.all("upgrade"))
    head = "\r\n".join(
        [f"HTTP/1.1 101 {answer.phrase or 'Switching Protocols'}", *kept, f"Upgrade: {protocol}", "Connection: Upgrade"]
    )
    _tell(req, head.encode("latin-1") + b"\r\n\r\n" + said)
    if ahead := link.take_read():
        upstream.send(ahead, timeout)
    poll = select.poll()
    poll.register(link.fd, select.POLLIN)
    poll.register(upstream.fd, select.POLLIN)
    while True:
        ready = dict(poll.poll(timeout * 1000))
        if not ready:
            return
        if upstream.fd in ready:
            try:
                data = upstream.wire.recv(PIECE)
                if not data:
                    return
                _tell(req, data)
            except BlockingIOError:
                pass
        if link.fd in ready:
            data = link.receive_any()
            if not data:
                return
            req.mp_read_length += len(data)
            upstream.send(data, timeout)


def _tell(req: Request, data: bytes) -> None:
    req.mp_write(data, 0)
    req.mp_flush()
    req.mp_link.await_sent()
