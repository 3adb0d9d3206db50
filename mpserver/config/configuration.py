"""The configuration, compiled: servers with their settings and sections, and the virtual hosts' table.

`load` reads files and compiles all of it, so that every fault is found; `compile_tree` takes a tree
that was read before (in another interpreter) and compiles a virtual host when it is first asked.
"""

from __future__ import annotations

from mpserver.config.server import _MARSHAL, _NAMING, Server
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.server import _Record


import marshal
import time
from collections.abc import Iterable, Mapping, Sequence

from mpserver.config.compiler import Compiler, Scope, host_words
from mpserver.config.hosts import (
    SERVER_ALIAS,
    SERVER_NAME,
    Address,
    HostTable,
    parse_address,
    system_resolve,
)
from mpserver.config.htaccess import ACCESS_FILE_NAME
from mpserver.config.registry import Registry, Where
from mpserver.config.section_kinds import Entry
from mpserver.config.sections import Sections
from mpserver.config.settings import Conf
from mpserver.config.tree import Node, Tree, from_plain, to_plain
from mpserver.errors import ConfigError, ConfigErrors
from mpserver.typing import TYPE_CHECKING


class Configuration:
    """All of it, as servers and a table that finds them.

    ``defines``: the names of -D and Define; ``variables``: those with a value. ``loaded``: the names of
    LoadModule. ``file``: the main file, ``time``: when it was read (seconds since the epoch).
    ``warnings``: what is no fault but was hardly meant. Faults are told by `load` and `check`.
    """

    __slots__ = (
        "defines", "errors", "file", "host_table", "hosts", "loaded", "main", "registry", "root", "time", "variables",
        "warnings", "_resolved", "_sections", "_tree",
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
        records: Iterable[_Record] | None = None,
        read_at: float | None = None,
    ) -> None:
        """Faults of the main server and of the hosts' addresses are left in ``errors``.

        ``records``: the virtual hosts, if they were placed before; the tree then has them empty.
        """
        self.registry, self.root, self.file = registry, root, file
        #: Without what virtual hosts hold: they have it.
        self._tree: Tree = tuple(node._replace(children=()) if _is_host(node) else node for node in tree)
        self.defines = defines
        self.variables = dict(defines if variables is None else variables)
        self.loaded = tuple(loaded)
        self._resolved: dict[str, tuple[str, ...]] = {}
        self.time = time.time() if read_at is None else read_at
        self.warnings: list[str] = []
        self.errors: list[ConfigError] = []
        nodes: list[Node] = []
        self.main = self._compile_main(tree, nodes)
        if records is None:
            self.hosts = tuple(self._place_host(node) for node in nodes)
        else:
            self.hosts = tuple(Server.from_record(self, record) for record in records)
        self.host_table = HostTable(self.main, ((server, server.placed) for server in self.hosts))
        self.warnings += self.host_table.warnings

    def find(self, local_ip: str, local_port: int, host: str | None) -> Server:
        """The server of a request: by the local address of its connection, then by the name it asks for."""
        return self.host_table.find(local_ip, local_port, host)

    def check(self) -> None:
        """Compile every virtual host now. Raises ConfigErrors with all faults."""
        errors = list(self.errors)
        for server in self.hosts:
            try:
                self.compile_host(server)
                server.pack()
            except ConfigErrors as error:
                errors += error.errors
        if errors:
            raise ConfigErrors(errors)

    @property
    def tree(self) -> Tree:
        """The whole tree as it was read."""
        hosts = iter(self.hosts)
        return tuple(node._replace(children=next(hosts).children()) if _is_host(node) else node for node in self._tree)

    def to_bytes(self) -> bytes:
        """All that `from_bytes` needs to compile the same in another interpreter or process."""
        return marshal.dumps(
            (
                to_plain(self._tree),
                self.root,
                self.defines,
                self.file,
                self.variables,
                self.loaded,
                tuple(server.to_record() for server in self.hosts),
                self.time,
            ),
            _MARSHAL,
        )

    @classmethod
    def from_bytes(cls, data: bytes, registry: Registry) -> Configuration:
        """The configuration that `to_bytes` gave; a virtual host is read and compiled on demand."""
        tree, root, defines, file, variables, loaded, records, read_at = marshal.loads(data)
        return cls(
            from_plain(tree),
            registry.chosen(loaded),
            root,
            defines,
            file,
            variables=variables,
            loaded=loaded,
            records=records,
            read_at=read_at,
        )

    def _compile_main(self, tree: Tree, nodes: list[Node]) -> Server:
        """The main server; the VirtualHost sections on the way are put into ``nodes``."""
        server = Server(self, self.file)
        server.conf = server.own_conf = Conf()
        server.base = server.own_base = Conf()
        compiler = self._compiler()
        compiler.on_host = nodes.append
        scope = self._scope(server, Where.SERVER)
        compiler.compile(tree, scope)
        self.warnings += compiler.warnings
        self.errors += compiler.errors
        server.take_names(server.conf)
        #: The main server's sections, which come before those of virtual hosts.
        self._sections = scope.directories, scope.locations
        server.sections = Sections(server.base, *self._sections, server.conf[ACCESS_FILE_NAME])
        return server

    def _place_host(self, node: Node) -> Server:
        """A virtual host with its addresses and names, not compiled yet."""
        server = Server(self, node.file, node.line, node.name)
        server.nodes = node.children or ()
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
        named = [n for n in server.nodes if n.name.lower() in _NAMING]
        # (their faults are told when the host is compiled)
        self._compiler().compile(named, scope)
        server.take_names(conf, addresses[0].written if addresses and not addresses[0].is_literal else self.main.name)
        return server

    def compile_host(self, server: Server) -> None:
        """Give a server its settings and sections, merged with those of the main server."""
        main = self.main
        server.own_conf, server.own_base = Conf(), Conf()
        directories: list[Entry] = []
        locations: list[Entry] = []
        errors: list[ConfigError] = []
        if not server.is_bare:
            compiler = self._compiler()
            scope = self._scope(server, Where.VHOST, server.around)
            compiler.compile(server.children(), scope)
            directories, locations = scope.directories, scope.locations
            self.warnings += compiler.warnings
            errors = compiler.errors
            for setting in (SERVER_NAME, SERVER_ALIAS):
                server.own_conf.values.pop(setting, None)  # (they are the server's, and would make it differ)
        server.conf = main.conf.merged(server.own_conf)
        server.base = main.base.merged(server.own_base)
        names = server.conf[ACCESS_FILE_NAME]
        if directories or locations or server.base is not main.base or names != main.sections.names:
            outer_directories, outer_locations = self._sections
            server.sections = Sections(
                server.base, outer_directories + directories, outer_locations + locations, names
            )  # fmt: skip
        else:
            server.sections = main.sections
        if errors:
            raise ConfigErrors(errors)

    def _scope(self, server: Server, where: Where, around: str = "") -> Scope:
        return Scope(where, server.own_base, server.own_conf, around=around)

    def _compiler(self) -> Compiler:
        return Compiler(self.registry, self.root, self.defines)

    def _resolve(self, name: str) -> Sequence[str]:
        """The addresses of a name, asked once: interpreters get the same answer."""
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


def compile_tree(tree: Tree, registry: Registry, root: str, defines: dict[str, str], file: str) -> Configuration:
    """The configuration of a tree that was read (and found good) before; hosts are compiled on demand.

    Better: `Configuration.to_bytes` and `from_bytes`, which keep the variables and resolved names, too.
    """
    return Configuration(tree, registry, root, defines, file)


def _is_host(node: Node) -> bool:
    return node.children is not None and node.name.lower() == "virtualhost"
