"""Writing the finished configuration, for those that serve (`mpserver.config.finished`)."""

from __future__ import annotations

import marshal
from collections.abc import Mapping

from mpserver.config import finished, records
from mpserver.config.configuration import Configuration, ReadServer
from mpserver.config.hosts import NameTable
from mpserver.config.plain_writer import Writer
from mpserver.config.tree import to_plain
from mpserver.typing import Any

#: The format of marshal in which nothing refers to what was written before.
PLAIN_MARSHAL = 2


def write(
    configuration: Configuration,
    facts: Mapping[str, Any] | None = None,
    keys: Mapping[tuple[str, ...], Any] | None = None,
) -> int:
    """Write a configuration that was read and found good, into a memory file. :returns: its descriptor.

    :param facts: what was worked out of it, as plain data: every interpreter gets that.
    :param keys: the same for single names, by kind and name; see `Finished.look_up`.
    """
    main, settings = configuration.main, _Settings(finished.HOSTS + 2 * len(configuration.hosts))
    written = [
        _server(main, settings.number(main, *configuration.main_sections)),
        marshal.dumps(to_plain(configuration.outer_tree), records.MARSHAL),
    ]
    found: dict[tuple[Any, ...], Any] = {(finished.CALLED, main.name): 0}
    for host in configuration.hosts:
        found.setdefault((finished.CALLED, host.name), host.number)
        written += (_server(host, settings.number(host, host.directories, host.locations)), host.packed)
    for number, ((ip, port), table) in enumerate(configuration.host_table.tables.items()):
        _add_set(found, number, (finished.ADDRESS, ip, port), table)
    head = finished.Head(
        root=configuration.root,
        file=configuration.file,
        time=configuration.time,
        defines=dict(configuration.defines),
        variables=dict(configuration.variables),
        loaded=configuration.loaded,
        mpm=configuration.mpm,
        names=settings.writer.names,
        hosts=len(configuration.hosts),
        facts=dict(facts or {}),
    )
    return records.write(tuple(head), written + settings.records, {**found, **(keys or {})})


class _Settings:
    """What servers say themselves: a record for all that say the same."""

    def __init__(self, first: int) -> None:
        """``first``: the number of the first record."""
        self.writer = Writer()
        self.records: list[bytes] = []
        self._first = first
        self._numbers: dict[bytes, int] = {}

    def number(self, server: ReadServer, directories: Any, locations: Any) -> int:
        """The number of the record of a server's settings and sections."""
        writer = self.writer
        written = (
            writer.conf(server.own_conf),
            writer.conf(server.own_base),
            writer.value(tuple(directories)),
            writer.value(tuple(locations)),
        )
        # (in the newer formats equal things may be written in several ways)
        key = marshal.dumps(written, PLAIN_MARSHAL)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = self._first + len(self.records)
            self.records.append(marshal.dumps(written, records.MARSHAL))
        return number


def _server(server: ReadServer, settings: int) -> bytes:
    names = (
        server.name, server.port, server.own_name, server.names, server.wild_names, server.addresses,
    )  # fmt: skip
    return marshal.dumps((server.defn_name, server.defn_line, names, settings), records.MARSHAL)


def _add_set(
    found: dict[tuple[Any, ...], Any], number: int, key: tuple[Any, ...], table: NameTable[ReadServer]
) -> None:
    """The hosts of one address."""
    wild = tuple((order, server.number, alias) for order, server, alias in table.wild)
    found[key] = (number, table.first.number, len(table.hosts), bool(table.suffixes), wild)
    for kind, names in ((finished.NAME, table.exact), (finished.SUFFIX, table.suffixes)):
        for name, (order, server) in names.items():
            found[kind, number, name] = order, server.number
    for name, server in table.fallback.items():
        found[finished.WRITTEN, number, name] = server.number
