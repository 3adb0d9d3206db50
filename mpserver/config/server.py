"""A finished server: the settings of the main server or of a virtual host."""

from __future__ import annotations

import marshal
from collections.abc import Iterable

from mpserver.config.hosts import SERVER_ALIAS, SERVER_NAME, Address, has_wildcard, split_name
from mpserver.config.sections import Sections
from mpserver.config.settings import Conf
from mpserver.config.tree import Tree, from_plain, to_plain
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration


_LAZY = frozenset(("conf", "base", "sections", "own_conf", "own_base"))


#: The format of marshal, the same for all Python versions.
_MARSHAL = 4


_Names = tuple[str, int, bool, tuple[str, ...], tuple[str, ...]]


_Record = tuple[str, int, str, tuple[tuple[str, int, str], ...], _Names, bytes, bool]


#: What a virtual host is found by; it is done with when the host is placed.
_NAMING = frozenset(("servername", "serveralias"))


class Server:
    """The main server, or one virtual host over it.

    ``name`` is the host of ServerName (without one: the name in ``<VirtualHost name>``, else the main
    server's, which may be ""), ``port`` its port (0: none given); ``names`` and ``wild_names`` are those
    of ServerAlias. ``defn_name`` and ``defn_line`` are the place of its definition. What has to be
    compiled is when first asked for; what nothing of its own is merged into is the main server's object.
    """

    __slots__ = (
        "addresses", "defn_line", "defn_name", "is_virtual", "name", "names", "own_name", "port", "wild_names",
        "around", "nodes", "_configuration", "is_bare", "placed", *sorted(_LAZY),
    )  # fmt: skip

    if TYPE_CHECKING:
        #: The server level, and the directory level outside of sections; the main server's merged under.
        conf: Conf
        base: Conf
        #: The sections; the main server's come before a virtual host's.
        sections: Sections
        #: The same two levels before merging.
        own_conf: Conf
        own_base: Conf
    else:

        def __getattr__(self, name: str) -> Any:
            # slots that are empty yet: called at most once for a server
            if name not in _LAZY:
                raise AttributeError(name)
            self._configuration.compile_host(self)
            return getattr(self, name)

    def __init__(self, configuration: Configuration, file: str, line: int = 0, around: str = "") -> None:
        self._configuration = configuration
        self.around = around
        #: A virtual host's directives, as bytes once they are checked: few are needed again.
        self.nodes: Tree | bytes = ()
        #: Whether they are known to be good, and to name it only.
        self.is_bare = False
        self.placed: tuple[Address, ...] = ()
        self.is_virtual = bool(around)
        self.addresses: tuple[str, ...] = ()
        self.defn_name, self.defn_line = file, line
        self.name, self.port, self.own_name = "", 0, False
        self.names: tuple[str, ...] = ()
        self.wild_names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Server {self.name or '-'} {self.defn_name}:{self.defn_line}>"

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

    def children(self) -> Tree:
        """A virtual host's directives."""
        children = self.nodes
        return from_plain(marshal.loads(children)) if isinstance(children, bytes) else children

    def pack(self) -> None:
        """Keep the directives as bytes; they were found to be good."""
        if not isinstance(self.nodes, bytes):
            self.is_bare = all(node.name.lower() in _NAMING for node in self.nodes)
            self.nodes = marshal.dumps(to_plain(self.nodes), _MARSHAL)

    def to_record(self) -> _Record:
        """A virtual host as plain data; its directives as bytes, to be read when they are needed."""
        self.pack()
        assert isinstance(self.nodes, bytes)
        return (
            self.defn_name,
            self.defn_line,
            self.around,
            tuple((a.host, a.port, a.written) for a in self.placed),
            (self.name, self.port, self.own_name, self.names, self.wild_names),
            self.nodes,
            self.is_bare,
        )

    @classmethod
    def from_record(cls, configuration: Configuration, record: _Record) -> Server:
        """The inverse of `to_record`."""
        file, line, around, addresses, names, children, is_bare = record
        server = cls(configuration, file, line, around)
        server.place(Address(*address) for address in addresses)
        server.name, server.port, server.own_name, server.names, server.wild_names = names
        server.nodes, server.is_bare = children, is_bare
        return server
