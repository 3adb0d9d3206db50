"""Finds a request's client by what proxies say of it."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from mpserver.api import constants
from mpserver.api.error_log import DEBUG
from mpserver.modules import networks
from mpserver.modules.hooks import Step
from mpserver.modules.known import Order
from mpserver.modules.remoteip import HEADER, PROXIES, PROXIES_HEADER, PROXY_PROTOCOL, Proxy
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.server import Server

#: (variables and access go by what is found)
ORDER = {"begin": Order.FIRST}

#: What no proxy outside can be believed to have as a client: private networks, the machine itself, link-local ones.
_PRIVATE = tuple(
    networks.parse(word) for word in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
)
#: The addresses of IPv6 that are the internet's (RFC 4291 section 2.5.4).
_GLOBAL = networks.parse("2000::/3")


class Found(NamedTuple):
    """What a header says: the client; what is left of the header; the proxies between, and what could not be used."""

    client: str | None
    rest: str | None
    proxies: tuple[str, ...]
    refused: str = ""


def follow(value: str, peer: str, proxies: Sequence[Proxy] | None) -> Found:
    """Go from the peer of a connection to the client, from one address in the header to the one before it.

    :param value: the header's.
    :param proxies: those whose word counts; None: everybody's, as that of a proxy outside.
    """
    at, refused = peer, ""
    client: str | None = None
    passed: list[str] = []
    words = value.split(",")  # (at once: clients send long ones)
    while words:
        internal = False
        if proxies is not None:
            known = networks.packed(at)
            proxy = next((one for one in proxies if one.network.has(known)), None)
            if proxy is None:
                break
            internal = proxy.internal
        word = words[-1].strip(" \t")
        if not word:
            break
        address = networks.packed(word)
        if not address or "%" in word:
            refused = f"{word!r} is no address"
            break
        if not internal and _is_private(address):
            refused = f"{word} is private, which a proxy outside can't know"
            break
        if not internal:
            passed.append(at)
        at = client = _shown(address)
        words.pop()
    return Found(client, ",".join(words) if words else None, tuple(passed), refused)


def _is_private(address: bytes) -> bool:
    if len(address) == 16:
        return not _GLOBAL.has(address)
    return networks.within(address, _PRIVATE)


def _shown(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def begin(server: Server) -> Step | None:
    """Before all else: the request has its client's address from then on."""
    header, proxies, told = server.conf[HEADER], server.conf[PROXIES], server.conf[PROXIES_HEADER]
    if header is None and not server.conf[PROXY_PROTOCOL]:
        return None
    key = (header or "").lower()

    def find(req: Request) -> int:
        if req.mp_prev is not None and req.mp_prev.mp_begun:
            return constants.OK  # (it has the client of the request before it, and what is left of the header)
        agent = req.mp_link.agent
        if agent is not None:  # (then the header does not count, as in httpd)
            req.mp_agent = agent
            return constants.OK
        if header is None:
            return constants.OK
        value = req.mp_head.text(key)  # (as it was sent: whoever had the request before may have changed the table)
        if value is None:
            return constants.OK
        client, rest, passed, refused = follow(value, req.mp_link.connection().mp_client_addr[0], proxies)
        if client is not None:
            req.mp_agent = (client, 0)
            if rest is None:
                del req.headers_in[header]
            else:
                req.headers_in[header] = rest
            if passed:
                shown = ", ".join(passed)
                req.notes["remoteip-proxy-ip-list"] = shown
                if told is not None:
                    req.headers_in[told] = shown
        if refused:
            text = f"{header} is used only so far: {refused}"
            req.mp_log.log(DEBUG, text, module="remoteip", about=req)
        return constants.OK

    return find
