"""The finished configuration, as workers and interpreters have it: checked, merged, and read no more.

It lies in a memory file (`mpserver.config.records`), which `mpserver.config.finishing` has written and all that
serve read. The main server's settings are there from the start, a virtual host's are read and merged over them
when the host is first asked for. Nothing here depends on the code of directives; that is loaded where a .htaccess
file is read.
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable, Mapping

from mpserver.config.host_names import ANY, normal_host, normal_ip
from mpserver.config.plain import Reader
from mpserver.config.records import Records
from mpserver.config.server import Scopes, Server
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import re

    from mpserver.config.registry import Registry
    from mpserver.config.tree import Tree


class Head(NamedTuple):
    """What every interpreter gets; plain data."""

    root: str
    file: str
    time: float
    defines: dict[str, str]
    variables: dict[str, str]
    #: The names of LoadModule, and that of the MPM.
    loaded: tuple[str, ...]
    mpm: str
    #: The settings and classes, see `mpserver.config.plain`; whether any hosts have addresses.
    names: list[tuple[str, str]]
    hosts: int
    #: What others worked out of the configuration, by what they call it.
    facts: dict[str, Any]


#: The fact that tells the descriptor of the file with the pieces of certificates and keys, the same in all processes.
PIECES = "pieces"
#: The numbers of records: the main server; the tree without what is in virtual hosts; where hosts begin, with
#: their parts of the tree in turn. Behind them are the settings and sections that servers have themselves, a record
#: for all that have the same.
MAIN, TREE, HOSTS = range(3)

#: The kinds of keys. A set of hosts, by address and port: its number, its first host, how many there are, whether
#: there are suffixes, and its other wildcards: (order, host, alias).
ADDRESS = "address"
#: By the set's number and a name in lower case: (order, host); for a name in ``<VirtualHost name>`` the host.
NAME, SUFFIX, WRITTEN = "name", "suffix", "written"
#: By a server's name: the first of that name.
CALLED = "called"


class _Set(NamedTuple):
    """The hosts of one address."""

    number: int
    first: int
    size: int
    suffixes: bool
    wild: tuple[tuple[int, int, str], ...]


class Finished:
    """The configuration: servers with their settings, and what finds them.

    ``defines``: the names of -D and Define; ``variables``: those with a value. ``file``: the main file,
    ``time``: when it was read (seconds since the epoch). ``mpm``: the MPM's name, as LoadModule has it.
    ``fd``: the descriptor of the memory file, by which other interpreters have the same. ``fds``: that one and, where
    there are certificates, the one of their pieces: processes of other users don't get it, for it has the keys.
    """

    __slots__ = (
        "defines", "facts", "fd", "fds", "file", "loaded", "main", "mpm", "number_of_hosts", "root", "time",
        "variables", "_alike", "_directives", "_patterns", "_pieces", "_reader", "_records", "_registry", "_scopes",
        "_servers", "_sets",
    )  # fmt: skip

    def __init__(self, fd: int, directives: Callable[[], Registry]) -> None:
        """``directives`` gives the registry of all directives, for .htaccess files."""
        self.fd = fd
        self._directives = directives
        self._registry: Registry | None = None
        records = self._records = Records(fd)
        head = Head(*records.head())
        self.root, self.file, self.time = head.root, head.file, head.time
        self.defines, self.variables = head.defines, head.variables
        self.loaded, self.mpm = head.loaded, head.mpm
        self.number_of_hosts = head.hosts
        self.facts: Mapping[str, Any] = head.facts
        self._pieces: int = self.facts.get(PIECES, -1)
        self.fds = (fd,) if self._pieces < 0 else (fd, self._pieces)
        self._reader = Reader(head.names)
        #: By local address: a machine has few.
        self._sets: dict[tuple[str, int], _Set | None] = {}
        self._patterns: dict[str, re.Pattern[str]] = {}
        main, settings = self._server(MAIN, 0)
        own, directories, locations = self._own(settings)
        main.own_conf, main.own_base = own
        self._scopes = Scopes(main, directories, locations)
        self.main = main
        self._servers: dict[int, Server] = {0: main}
        #: Virtual hosts, by the records of their settings: others that say the same have the same objects.
        self._alike: dict[int, Server] = {}

    def _server(self, record: int, number: int) -> tuple[Server, int]:
        """A server without its settings, and the number of their record."""
        file, line, names, settings = marshal.loads(self._records.record(record))  # noqa: S302 - the master wrote it, into sealed memory
        server = Server(file, line, number)
        server.name, server.port, server.own_name, server.names, server.wild_names, server.addresses = names
        return server, settings

    def _own(self, record: int) -> tuple[Any, list[Any], list[Any]]:
        """The settings of a record, and the sections: those of directories, and of locations."""
        conf, base, directories, locations = marshal.loads(self._records.record(record))  # noqa: S302 - as above
        reader = self._reader
        return (reader.conf(conf), reader.conf(base)), reader.entries(directories), reader.entries(locations)

    def host(self, number: int) -> Server:
        """A server by its number."""
        server = self._servers.get(number)
        if server is None:
            server, settings = self._server(HOSTS + 2 * (number - 1), number)
            like = self._alike.get(settings)
            if like is None:
                (server.own_conf, server.own_base), directories, locations = self._own(settings)
                self._scopes.finish(server, directories, locations)
                like = self._alike.setdefault(settings, server)  # (another thread may have been first)
            if like is not server:
                server.own_conf, server.own_base = like.own_conf, like.own_base
                server.conf, server.base, server.sections = like.conf, like.base, like.sections
            server = self._servers.setdefault(number, server)  # (as above)
        return server

    def close(self) -> None:
        """Nobody is served by it any more: close the descriptors."""
        for fd in self.fds:
            os.close(fd)

    @property
    def hosts(self) -> tuple[Server, ...]:
        """All virtual hosts, in the order of the file."""
        return tuple(self.host(number) for number in range(1, self.number_of_hosts + 1))

    @property
    def registry(self) -> Registry:
        """The directives, with those of the MPM; loaded when first asked for."""
        if self._registry is None:
            self._registry = self._directives().chosen(self.loaded)
        return self._registry

    @property
    def tree(self) -> Tree:
        """The whole tree as it was read."""
        from mpserver.config.tree import from_plain, is_host  # (few applications look at it)

        record = self._records.record
        hosts = iter(range(HOSTS + 1, HOSTS + 1 + 2 * self.number_of_hosts, 2))
        return tuple(
            node._replace(children=from_plain(marshal.loads(record(next(hosts))))) if is_host(node) else node  # noqa: S302 - the master wrote it, into sealed memory
            for node in from_plain(marshal.loads(record(TREE)))  # noqa: S302 - the master wrote it, into sealed memory
        )

    def look_up(self, kind: str, *name: str) -> Any:
        """What was worked out of the configuration for one name; None if nothing."""
        return self._records.find(kind, *name)

    @property
    def version(self) -> int:
        """How often the pieces were renewed (`mpserver.config.records`); 0: there are none."""
        return 0 if self._pieces < 0 else Records(self._pieces).version()

    def piece(self, number: int) -> bytes:
        """What was read of a file that may change while the server runs, by its number: a certificate or a key."""
        return Records(self._pieces).piece(number)

    def called(self, name: str) -> Server | None:
        """The first server of a name."""
        number = self._records.find(CALLED, name)
        return None if number is None else self.host(number)

    def find(self, local_ip: str, local_port: int, host: str | None) -> Server:
        """The server of a request: by the local address of its connection, then by the name it asks for.

        httpd manual: "An In-Depth Discussion of Virtual Host Matching"; the rules are told, and kept for
        `mpserver.cli.info`, in `mpserver.config.hosts`.
        """
        key = local_ip, local_port
        try:
            its = self._sets[key]
        except KeyError:
            its = self._sets[key] = self._set(*key)
        if its is None:
            return self.main
        return self.host(self._named(its, normal_host(host)) if host else its.first)

    def _set(self, ip: str, port: int) -> _Set | None:
        """The hosts of a local address."""
        ip = normal_ip(ip)
        for key in ((ip, port), (ip, 0), (ANY, port), (ANY, 0)):
            found = self._records.find(ADDRESS, *key)
            if found is not None:
                return _Set(*found)
        return None

    def _named(self, its: _Set, host: str) -> int:
        """The number of the host of a name: the first of the file that has it; else the first of all."""
        find = self._records.find
        order, found = find(NAME, its.number, host) or (its.size, None)
        if its.suffixes:
            dot = host.find(".")
            while dot >= 0:
                place, number = find(SUFFIX, its.number, host[dot:]) or (its.size, None)
                if place < order:
                    order, found = place, number
                dot = host.find(".", dot + 1)
        for place, number, alias in its.wild:
            if place >= order:
                break
            if self._pattern(alias).fullmatch(host):
                return number
        if found is None:
            found = find(WRITTEN, its.number, host)
        return its.first if found is None else found

    def _pattern(self, alias: str) -> re.Pattern[str]:
        pattern = self._patterns.get(alias)
        if pattern is None:
            from mpserver.config.patterns import compile_glob  # (only where there are such names)

            pattern = self._patterns[alias] = compile_glob(alias, path=False, ignore_case=True)
        return pattern
