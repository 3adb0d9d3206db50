"""The directives of mod_remoteip."""

from __future__ import annotations

import socket

from mpserver.config.registry import SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.http1.fields import is_token
from mpserver.modules import networks, values
from mpserver.modules.networks import Network
from mpserver.modules.remoteip import EXCEPTIONS, HEADER, PROXIES, PROXIES_HEADER, PROXY_PROTOCOL, Proxy


def _header_name(call: Call, word: str) -> str:
    if not is_token(word):
        raise ConfigError(f"{call.name} {word!r} is no name of a header: write one as X-Forwarded-For")
    return word


def _networks(call: Call, word: str) -> list[Network]:
    """The network, the address, or the addresses of the host that a word names."""
    if networks.looks_like(word):
        try:
            return [networks.parse(word)]
        except ValueError as error:
            raise ConfigError(f"{call.name} {word}: {error}") from error
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(word, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"{call.name}: the addresses of {word} can't be found ({error}): write an address, or a network as "
            "10.0.0.0/8"
        ) from error
    return [networks.parse(str(address).partition("%")[0]) for address in sorted(map(str, found))]


def _proxies(call: Call) -> None:
    _trust(call, call.args)


def _trust(call: Call, words: tuple[str, ...]) -> None:
    internal = "Internal" in call.name
    found = tuple(Proxy(network, internal) for word in words for network in _networks(call, word))
    call.server[PROXIES] = (*(call.server.values.get(PROXIES) or ()), *found)


def _list(call: Call) -> None:
    """A file of proxies: addresses, networks or names, with comments after a #."""
    path = values.path(call, call.args[0])
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{call.name}: the file {path} can't be read: {error}") from error
    for number, line in enumerate(lines, 1):
        words = tuple(line.partition("#")[0].split())
        try:
            _trust(call, words)
        except ConfigError as error:
            raise ConfigError(f"{error.message} (line {number} of {path})") from error


def _exceptions(call: Call) -> None:
    found = tuple(network for word in call.args for network in _networks(call, word))
    call.server[EXCEPTIONS] = (*call.server.values.get(EXCEPTIONS, ()), *found)


_PROXY = "addresses, networks or names of proxies"

DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "RemoteIPHeader", Args.TAKE1, SERVER_VHOST, values.server(HEADER, _header_name), help="the name of a header"
    ),
    Directive(
        "RemoteIPProxiesHeader",
        Args.TAKE1,
        SERVER_VHOST,
        values.server(PROXIES_HEADER, _header_name),
        help="the name of a header",
    ),
    Directive("RemoteIPTrustedProxy", Args.ITERATE, SERVER_VHOST, _proxies, help=_PROXY),
    Directive("RemoteIPInternalProxy", Args.ITERATE, SERVER_VHOST, _proxies, help=_PROXY),
    Directive("RemoteIPTrustedProxyList", Args.TAKE1, SERVER_VHOST, _list, help="a file with proxies"),
    Directive("RemoteIPInternalProxyList", Args.TAKE1, SERVER_VHOST, _list, help="a file with proxies"),
    Directive("RemoteIPProxyProtocol", Args.FLAG, SERVER_VHOST, values.server(PROXY_PROTOCOL, values.flag)),
    Directive(
        "RemoteIPProxyProtocolExceptions",
        Args.ITERATE,
        SERVER_VHOST,
        _exceptions,
        help="addresses, networks or names of clients that send no header of the PROXY protocol",
    ),
)
