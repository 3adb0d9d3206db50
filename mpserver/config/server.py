"""A finished server: the settings of the main server or of a virtual host."""

from __future__ import annotations

from mpserver.config.override import ACCESS_FILE_NAME
from mpserver.config.sections import Sections
from mpserver.config.settings import Conf, Setting
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.entries import Entry

#: The scheme that ServerName begins with, in lower case: a front end speaks it for the server; "": its own.
SERVER_SCHEME: Setting[str] = Setting("ServerName's scheme", "")


class Server:
    """The main server, or one virtual host over it.

    ``name`` is the host of ServerName (without one: the name in ``<VirtualHost name>``, else the main
    server's, which may be ""), ``port`` its port (0: none given); ``names`` and ``wild_names`` are those
    of ServerAlias. ``defn_name`` and ``defn_line`` are the place of its definition. ``number`` is 0 for the main
    server, virtual hosts count from 1 in the order of the file.
    """

    __slots__ = (
        "addresses", "base", "conf", "defn_line", "defn_name", "is_virtual", "name", "names", "number", "own_base",
        "own_conf", "own_name", "port", "sections", "wild_names",
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

    def __init__(self, file: str, line: int = 0, number: int = 0) -> None:
        self.number = number
        self.is_virtual = number > 0
        self.addresses: tuple[str, ...] = ()
        self.defn_name, self.defn_line = file, line
        self.name, self.port, self.own_name = "", 0, False
        self.names: tuple[str, ...] = ()
        self.wild_names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Server {self.name or '-'} {self.defn_name}:{self.defn_line}>"


class Scopes:
    """What the main server's settings are, and what a virtual host's are over them.

    What nothing of a host's own is merged into is the main server's object.
    """

    __slots__ = ("directories", "locations", "main")

    def __init__(self, main: Server, directories: list[Entry], locations: list[Entry]) -> None:
        """The sections are the main server's, whose ``own_conf`` and ``own_base`` are set."""
        self.main, self.directories, self.locations = main, directories, locations
        main.conf, main.base = main.own_conf, main.own_base
        main.sections = Sections(main.base, directories, locations, main.conf[ACCESS_FILE_NAME])

    def finish(self, host: Server, directories: list[Entry], locations: list[Entry]) -> None:
        """A virtual host's settings; the sections are its own, and ``own_conf`` and ``own_base`` are set."""
        main = self.main
        host.conf = main.conf.merged(host.own_conf)
        host.base = main.base.merged(host.own_base)
        names = host.conf[ACCESS_FILE_NAME]
        if directories or locations or host.base is not main.base or names != main.sections.names:
            host.sections = Sections(host.base, self.directories + directories, self.locations + locations, names)
        else:
            host.sections = main.sections
