"""What the address or the name of a client decides (mod_authz_host)."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from mpserver.errors import ConfigError
from mpserver.modules import clients, networks
from mpserver.modules.authz_core import GRANTED, Decision, Requirement, decided
from mpserver.modules.hooks import Planning
from mpserver.modules.networks import Network
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request
    from mpserver.config.registry import Call
    from mpserver.modules.authz_core.providers import Check, Make, Read


def _read_networks(_call: Call, words: tuple[str, ...], _text: str) -> tuple[Network, ...]:
    if not words:
        raise ConfigError("'require ip' requires an address: write addresses or networks, as in Require ip 10.0.0.0/8")
    found = []
    for word in words:
        try:
            found.append(networks.parse(word))
        except ValueError as error:
            raise ConfigError(f"ip address '{word}' appears to be invalid: {error}") from error
    return tuple(found)


def _named(kind: str) -> Read:
    def read(_call: Call, words: tuple[str, ...], _text: str) -> None:
        if not words:
            raise ConfigError(f"'require {kind}' requires a name: write hosts or domains, as in example.com")

    return read


READ: Mapping[str, Read] = {"ip": _read_networks, "host": _named("host"), "forward-dns": _named("forward-dns")}


def _ip(_planning: Planning, requirement: Requirement) -> Check:
    wanted: tuple[Network, ...] = requirement.data

    def check(req: Request) -> Decision:
        address = networks.packed(clients.address(req))
        return decided(networks.within(address, wanted))

    return check


def _host(_planning: Planning, requirement: Requirement) -> Check:
    return lambda req: decided(any(clients.is_in_domain(req, name) for name in requirement.names))


def _forward(_planning: Planning, requirement: Requirement) -> Check:
    def check(req: Request) -> Decision:
        address = networks.packed(clients.address(req))
        return decided(any(address in _addresses(name) for name in requirement.names))

    return check


def _addresses(name: str) -> set[bytes]:
    """The addresses of a host; none where the name is not known."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {networks.packed(str(entry[4][0])) for entry in found} - {b""}


def _local(_planning: Planning, _requirement: Requirement) -> Check:
    def check(req: Request) -> Decision:
        address = networks.packed(clients.address(req))
        if networks.within(address, networks.LOCAL):
            return GRANTED
        connection = req.mp_link.connection()
        own = networks.packed(connection.local_addr[0])
        return decided(bool(address) and address == own)

    return check


CHECK: Mapping[str, Make] = {"ip": _ip, "host": _host, "forward-dns": _forward, "local": _local}
