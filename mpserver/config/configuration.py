"""The configuration as it is read: servers with their settings and sections, and the virtual hosts' table.

`load` reads files and compiles all of it, so that every fault is found. What serves has it from
`mpserver.config.finishing`.
"""

from __future__ import annotations

import marshal
import time
from collections.abc import Iterable, Mapping, Sequence

from mpserver.config.compiler import Compiler, Scope, host_words
from mpserver.config.entries import Entry
from mpserver.config.host_names import has_wildcard
from mpserver.config.hosts import (
    SERVER_ALIAS,
    SERVER_NAME,
    Address,
    HostTable,
    parse_address,
    split_name,
    system_resolve,
)
from mpserver.config.records import MARSHAL
from mpserver.config.registry import Registry, Where
from mpserver.config.server import Scopes, Server
from mpserver.config.settings import Conf
from mpserver.config.tree import Node, Tree, from_plain, is_host, to_plain
from mpserver.errors import ConfigError, ConfigErrors
from mpserver.typing import Any

#: What a virtual host is found by; it is done with when the host is placed.
_NAMING = frozenset(("servername", "serveralias"))


class ReadServer(Server):
    """A server of the configuration that is read, with its directives."""

    __slots__ = ("around", "directories", "is_bare", "locations", "packed", "placed")

    def __init__(self, file: str, line: int = 0, number: int = 0, around: str = "") -> None:
        super().__init__(file, line, number)
        #: The name of its section, as written.
        self.around = around
        #: A virtual host's directives, as bytes: few are needed again.
        self.packed = b""
        #: Whether these are only to name it.
        self.is_bare = False
        self.placed: tuple[Address, ...] = ()
        #: Its own sections.
        self.directories: list[Entry] = []
        self.locations: list[Entry] = []

    def take_names(self, conf: Conf, otherwise: str = "") -> None:
        """Set the names from ServerName (without one: ``otherwise``) and ServerAlias."""
        written = conf[SERVER_NAME]
        if written:
            self.name, self.port = split_name(written)
            self.own_name = True
        else:
            self.name = otherwise
        aliases = conf[SERVER_ALIAS]
        self.names = tuple(alias for alias in aliases if not has_wildcard(alias))
        self.wild_names = tuple(alias for alias in aliases if has_wildcard(alias))

    def place(self, addresses: Iterable[Address]) -> None:
        """Set the addresses."""
        self.placed = tuple(addresses)
        self.addresses = tuple(str(address) for address in self.placed)

    def keep(self, children: Tree) -> None:
        """Set the directives."""
        self.is_bare = all(node.name.lower() in _NAMING and "://" not in node.raw for node in children)
        self.packed = marshal.dumps(to_plain(children), MARSHAL)

    def children(self) -> Tree:
        """A virtual host's directives."""
        return from_plain(marshal.loads(self.packed))  # noqa: S302 - the master wrote it


class Configuration:
    """All of it, as servers and a table that finds them.

    ``defines``: the names of -D and Define; ``variables``: those with a value. ``loaded``: the names of
    LoadModule. ``file``: the main file, ``time``: when it was read (seconds since the epoch).
    ``warnings``: what is no fault but was hardly meant. Faults are told by `load` and `check`.
    """

    __slots__ = (
        "defines", "domains", "encryption", "errors", "file", "host_table", "hosts", "loaded", "main", "main_sections",
        "outer_tree", "registry", "root", "time", "variables", "warnings", "_resolved", "_scopes",
    )  # fmt: skip

    def __init__(
        self,
        tree: Tree,
        registry: Registry,
        root: str,
        defines: dict[str, str],
        file: str,
        *,
        variables: Mapping[str, str] | None = None,
        loaded: Iterable[str] = (),
    ) -> None:
        """Faults are left in ``errors``."""
        self.registry, self.root, self.file = registry, root, file
        #: What the servers need that speak TLS, once it was worked out: a `mpserver.modules.ssl.profiles.Encryption`.
        self.encryption: Any = None
        #: The managed domains, once they were worked out: a `mpserver.modules.md.domains.Domains`.
        self.domains: Any = None
        #: Without what virtual hosts hold: they have it.
        self.outer_tree: Tree = tuple(node._replace(children=()) if is_host(node) else node for node in tree)
        self.defines = defines
        self.variables = dict(defines if variables is None else variables)
        self.loaded = tuple(loaded)
        self._resolved: dict[str, tuple[str, ...]] = {}
        self.time = time.time()
        self.warnings: list[str] = []
        self.errors: list[ConfigError] = []
        nodes: list[Node] = []
        self.main = self._compile_main(tree, nodes)
        self.hosts = tuple(self._place_host(number, node) for number, node in enumerate(nodes, 1))
        self.host_table = HostTable(self.main, ((server, server.placed) for server in self.hosts))
        self.warnings += self.host_table.warnings
        for server, node in zip(self.hosts, nodes, strict=True):
            self._compile_host(server, node.children or ())

    @property
    def mpm(self) -> str:
        """The name of the MPM in effect, as LoadModule has it; "" if there is none."""
        return "" if self.registry.mpm is None else self.registry.mpm.name

    def find(self, local_ip: str, local_port: int, host: str | None) -> Server:
        """The server of a request: by the local address of its connection, then by the name it asks for."""
        return self.host_table.find(local_ip, local_port, host)

    def check(self) -> None:
        """Raises ConfigErrors with all faults, if there are any."""
        if self.errors:
            raise ConfigErrors(self.errors)

    @property
    def tree(self) -> Tree:
        """The whole tree as it was read."""
        hosts = iter(self.hosts)
        return tuple(
            node._replace(children=next(hosts).children()) if is_host(node) else node for node in self.outer_tree
        )

    def _compile_main(self, tree: Tree, nodes: list[Node]) -> ReadServer:
        """The main server; the VirtualHost sections on the way are put into ``nodes``."""
        server = ReadServer(self.file)
        server.own_conf, server.own_base = Conf(), Conf()
        for module in self.registry.modules:
            if module.loaded is not None and module.name in self.loaded:
                server.own_conf[module.loaded] = True
        compiler = self._compiler()
        compiler.on_host = nodes.append
        scope = self._scope(server, Where.SERVER)
        compiler.compile(tree, scope)
        self.warnings += compiler.warnings
        self.errors += compiler.errors
        server.take_names(server.own_conf)
        #: The main server's sections, which come before those of virtual hosts.
        self.main_sections = scope.directories, scope.locations
        self._scopes = Scopes(server, *self.main_sections)
        return server

    def _place_host(self, number: int, node: Node) -> ReadServer:
        """A virtual host with its addresses and names, not compiled yet."""
        server = ReadServer(node.file, node.line, number, node.name)
        children = node.children or ()
        server.keep(children)
        addresses: list[Address] = []
        try:
            words = host_words(node)
        except ConfigError as error:
            self.errors.append(error.at(node.file, node.line))
            words = ()
        for word in words:
            try:
                addresses += parse_address(word, self._resolve)
            except ConfigError as error:
                self.errors.append(error.at(node.file, node.line))
            except OSError as error:
                self.warnings.append(
                    f"AH00547: Could not resolve host name {word} -- ignoring! ({error.strerror}; "
                    f"line {node.line} of {node.file})"
                )
        server.place(addresses)
        conf = Conf()
        scope = Scope(Where.VHOST, Conf(), conf, around=node.name)
        named = [n for n in children if n.name.lower() in _NAMING]
        compiler = self._compiler(self.main.own_conf)
        compiler.compile(named, scope)
        if server.is_bare:  # (others are compiled as a whole)
            self.errors += compiler.errors
        server.take_names(conf, addresses[0].written if addresses and not addresses[0].is_literal else self.main.name)
        return server

    def _compile_host(self, server: ReadServer, children: Tree) -> None:
        server.own_conf, server.own_base = Conf(), Conf()
        if not server.is_bare:
            compiler = self._compiler(self.main.own_conf)
            scope = self._scope(server, Where.VHOST, server.around)
            compiler.compile(children, scope)
            server.directories, server.locations = scope.directories, scope.locations
            self.warnings += compiler.warnings
            self.errors += compiler.errors
            for setting in (SERVER_NAME, SERVER_ALIAS):
                server.own_conf.values.pop(setting, None)  # (they are the server's, and would make it differ)
        self._scopes.finish(server, server.directories, server.locations)

    def _scope(self, server: ReadServer, where: Where, around: str = "") -> Scope:
        return Scope(where, server.own_base, server.own_conf, around=around)

    def _compiler(self, main: Conf | None = None) -> Compiler:
        return Compiler(self.registry, self.root, self.defines, main=main)

    def _resolve(self, name: str) -> Sequence[str]:
        """The addresses of a name, asked once."""
        known = self._resolved.get(name)
        if known is None:
            known = self._resolved[name] = tuple(system_resolve(name))
        return known


def load(
    path: str,
    registry: Registry,
    *,
    root: str,
    defines: dict[str, str] | None = None,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> Configuration:
    """Read a configuration file and compile all of it.

    ``path`` is relative to ``root`` (-d), ``defines`` are those of -D, ``before`` and ``after`` the
    directives of -C and -c. Raises ConfigErrors with every fault found, in the order of reading.
    """
    from mpserver.config.reader import Reader  # (interpreters get what was read)

    reader = Reader(registry, root, defines or {})
    path = reader.absolute(path)
    reader.read_lines(before)
    try:
        reader.read_file(path)
    except OSError as error:
        message = f"Could not open configuration file {path}: {error.strerror}"
        raise ConfigErrors([ConfigError(message)]) from error
    except ConfigError as error:
        raise ConfigErrors([error]) from error
    reader.read_lines(after)
    reading = reader.result()
    configuration = Configuration(
        reading.tree,
        reader.registry,
        reading.root,
        reading.defines,
        path,
        variables=reading.variables,
        loaded=reading.loaded,
    )
    configuration.warnings[:0] = reading.warnings
    errors = list(reading.errors)
    try:
        configuration.check()
    except ConfigErrors as found:
        errors += found.errors
    if errors:
        # a file that is included twice has its faults twice
        errors = list({(error.file, error.line, error.message): error for error in errors}.values())
        places = {file: place for place, file in enumerate(reading.order)}
        errors.sort(key=lambda error: (places.get(error.file or "", -1), error.line or 0))
        raise ConfigErrors(errors)
    return configuration
