"""Virtual hosts: their addresses and names, which one a request means, and the text of ``-S``.

httpd manual: "An In-Depth Discussion of Virtual Host Matching". First the local address and port
choose a set (an exact address before a wildcard, an exact port before any), then the name in the request
chooses within the set in the order of the file; without a match the first of the set serves. Where
no set fits the address, the main server does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from mpserver import lazyre
from mpserver.config.host_names import ANY, has_wildcard, normal_host, normal_ip
from mpserver.config.patterns import compile_glob
from mpserver.config.registry import SERVER_VHOST, Args, Call, Directive, Where
from mpserver.config.server import SERVER_SCHEME
from mpserver.config.settings import Setting, append
from mpserver.errors import ConfigError
from mpserver.typing import Generic, NamedTuple, Protocol, TypeVar


class Named(Protocol):
    """A server, by the names that find it: see `mpserver.config.server.Server`."""

    name: str
    own_name: bool
    names: tuple[str, ...]
    wild_names: tuple[str, ...]
    defn_name: str
    defn_line: int


S = TypeVar("S", bound=Named)

#: As written: ``[scheme://]host[:port]``. `split_name` takes it apart.
SERVER_NAME: Setting[str] = Setting("ServerName", "", travels=False)
SERVER_ALIAS: Setting[tuple[str, ...]] = Setting("ServerAlias", (), append, travels=False)

#: Gives the addresses of a host name; OSError if it has none.
Resolve = Callable[[str], Sequence[str]]


class Address(NamedTuple):
    """One address of a VirtualHost: an IP address or ``*``, a port (0: any), and how it was written."""

    host: str
    port: int
    written: str

    @property
    def is_literal(self) -> bool:
        """Whether it was written as an IP address or wildcard, not as a host's name."""
        return self.host in (ANY, self.written) or ":" in self.written

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port or ANY}"


_IPV4 = lazyre.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}")
_SCHEME = lazyre.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PORT = lazyre.compile(r":([^:\]]*)\Z")


def split_name(text: str) -> tuple[str, int]:
    """Host and port (0 if none is given) of a ServerName. ConfigError if the port is none."""
    scheme = _SCHEME.match(text)
    name = text if scheme is None else text[scheme.end() :]
    match = _PORT.search(name)
    if match is None:
        return name, 0
    digits = re.match("[0-9]*", match.group(1))
    port = int(digits.group(0) or 0) if digits else 0
    if not 1 <= port <= 65535:
        raise ConfigError(f'The port number "{text}" is outside the appropriate range (i.e., 1..65535).')
    return name[: match.start()], port


def _server_name(call: Call) -> None:
    if ANY in call.args[0]:
        raise ConfigError(f'Invalid ServerName "{call.args[0]}" use ServerAlias to set multiple server names.')
    split_name(call.args[0])
    call.server[SERVER_NAME] = call.args[0]
    if _SCHEME.match(call.args[0]):
        call.server[SERVER_SCHEME] = call.args[0].partition("://")[0].lower()


def _server_alias(call: Call) -> None:
    if call.where is not Where.VHOST:
        raise ConfigError("ServerAlias only used in <VirtualHost>")
    call.server[SERVER_ALIAS] = call.server[SERVER_ALIAS] + call.args


#: For the core module to list among its own.
DIRECTIVES = (
    Directive("ServerName", Args.TAKE1, SERVER_VHOST, _server_name, help="the server's name and, optionally, its port"),
    Directive(
        "ServerAlias",
        Args.RAW,
        SERVER_VHOST,
        _server_alias,
        help="further names of the server",
    ),
)


def system_resolve(name: str) -> Sequence[str]:
    """The addresses of a host name as the system knows them. :raises OSError: it knows none."""
    import socket  # (only where a configuration names hosts in <VirtualHost>)

    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{name[:80]} can be no name of a host: {error}") from error
    return tuple(dict.fromkeys(str(address[4][0]) for address in found))


def parse_address(word: str, resolve: Resolve) -> tuple[Address, ...]:
    """The addresses of one word of ``<VirtualHost>``; OSError if its host has none, ConfigError if malformed."""
    host, port = word, 0
    if word.startswith("["):
        host, closed, rest = word[1:].partition("]")
        if not closed or (rest and rest[0] != ":"):
            raise ConfigError("The address or port is invalid")
        port = _port(rest[1:]) if rest else 0
        if "%" in host:
            raise ConfigError("Scope ids are not supported")
        return (Address(_ipv6(host), port, host),)
    before, colon, after = word.rpartition(":")
    if colon and (after == ANY or after.isdecimal()):
        host, port = before, _port(after)
    elif word.isdecimal():
        raise ConfigError("Missing address for VirtualHost")
    if not host:
        raise ConfigError("Missing address for VirtualHost")
    if host == ANY or host.lower() == "_default_":
        return (Address(ANY, port, host),)
    if _IPV4.match(host):
        return (Address(host, port, host),)
    return tuple(Address(normal_ip(ip), port, host) for ip in resolve(host))


def _port(text: str) -> int:
    if text == ANY:
        return 0
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 65535:
        raise ConfigError("The address or port is invalid")
    return int(text)


def _ipv6(text: str) -> str:
    import ipaddress  # (only where a configuration names IPv6 addresses)

    try:
        address = ipaddress.IPv6Address(text)
    except ValueError as error:
        raise ConfigError("The address or port is invalid") from error
    return str(address.ipv4_mapped or address)


class NameTable(Generic[S]):
    """The hosts of one address in the order of the file, by name.

    Aliases like ``*.example.org`` are found by what follows the star; other wildcards are tried one
    by one, and compiled when first tried.
    """

    __slots__ = ("exact", "fallback", "first", "hosts", "suffixes", "wild", "_last", "_patterns")

    def __init__(self, first: S) -> None:
        self.first = first
        self.hosts: list[tuple[S, Address]] = []
        self.exact: dict[str, tuple[int, S]] = {}
        self.suffixes: dict[str, tuple[int, S]] = {}
        self.wild: list[tuple[int, S, str]] = []
        self.fallback: dict[str, S] = {}
        self._last: S | None = None
        self._patterns: dict[str, re.Pattern[str]] = {}

    def add(self, server: S, address: Address) -> str | None:
        """Add a host; gives the ServerName if an earlier host of this address has it, too."""
        order = len(self.hosts)
        self.hosts.append((server, address))
        self.fallback.setdefault(address.written.lower(), server)
        if self._last is server:
            return None
        self._last = server
        double = None
        here = (order, server)
        if server.own_name or address.host == ANY:
            known = self.exact.setdefault(server.name.lower(), here)[1]
            if known is not server and known.own_name and server.own_name:
                double = server.name
        for alias in server.names:
            self.exact.setdefault(alias.lower(), here)
        for alias in server.wild_names:
            suffix = alias[1:].lower()
            if alias[0] == "*" and suffix[:1] == "." and not has_wildcard(suffix):
                self.suffixes.setdefault(suffix, here)
            else:
                self.wild.append((order, server, alias))
        return double

    def find(self, host: str) -> S:
        """The host of a name: the first of the file that has it; else the first of all."""
        nowhere: tuple[int, S | None] = (len(self.hosts), None)
        order, found = self.exact.get(host, nowhere)
        if self.suffixes:
            dot = host.find(".")
            while dot >= 0:
                place, server = self.suffixes.get(host[dot:], nowhere)
                if place < order:
                    order, found = place, server
                dot = host.find(".", dot + 1)
        for place, other, alias in self.wild:
            if place >= order:
                break
            pattern = self._patterns.get(alias)
            if pattern is None:
                pattern = self._patterns[alias] = compile_glob(alias, path=False, ignore_case=True)
            if pattern.fullmatch(host):
                return other
        return found or self.fallback.get(host) or self.first


class HostTable(Generic[S]):
    """All virtual hosts by local address and port."""

    __slots__ = ("main", "tables", "warnings")

    def __init__(self, main: S, hosts: Iterable[tuple[S, tuple[Address, ...]]]) -> None:
        self.main = main
        self.tables: dict[tuple[str, int], NameTable[S]] = {}
        self.warnings: list[str] = []
        for server, addresses in hosts:
            for address in addresses:
                key = (address.host, address.port)
                table = self.tables.get(key)
                if table is None:
                    table = self.tables[key] = NameTable(server)
                double = table.add(server, address)
                if double:
                    first = table.exact[double.lower()][1]
                    self.warnings.append(
                        f"The ServerName {double} of the VirtualHost at {server.defn_name}:{server.defn_line} is "
                        f"already that of {first.defn_name}:{first.defn_line}, which has precedence on {address}"
                    )

    def find(self, ip: str, port: int, host: str | None) -> S:
        """The server of a request that came to this local address, naming this host."""
        tables = self.tables
        if not tables:
            return self.main
        ip = normal_ip(ip)
        for key in ((ip, port), (ip, 0), (ANY, port), (ANY, 0)):
            table = tables.get(key)
            if table is not None:
                return table.find(normal_host(host)) if host else table.first
        return self.main
