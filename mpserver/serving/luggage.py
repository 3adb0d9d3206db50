"""What an application has put on a connection, as bytes: it goes along where a request belongs to another interpreter.

A connection that an application has something on stays in its interpreter, and is not given to others that are less
busy (`mpserver.api.connection.Connection.mp_stays`). But each application has an interpreter of its own, and a
client may ask for several of them on one connection. Its notes and attributes go with it then, like a request's; to and
from an interpreter of another account only the notes.
"""

from __future__ import annotations

import pickle

from mpserver.api import constants
from mpserver.api.table import Table
from mpserver.ipc.plain_data import Shape, each, either, mapping, of, row, shaped
from mpserver.ipc.plain_data import pack as pack_plain
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.connection import Connection


#: The notes, and the attributes by their names.
SHAPE: Shape = row(either(of(type(None)), each(list, row(of(str, bytes), of(str, bytes)))), mapping(of(str), of(bytes)))


def pack(connection: Connection) -> bytes:
    """The notes, and those attributes that can be pickled; the others are left behind, with a line in the log."""
    notes = None if connection.mp_notes is None else list(connection.mp_notes.pairs())
    own = {}
    for name, value in list(_attributes(connection).items()):
        try:
            own[name] = pickle.dumps(value)
        except Exception as error:  # pickling runs an application's code
            _tell(connection, f"connection.{name} does not go along to another interpreter: {error}")
    return pack_plain((notes, own))


def distrust(data: bytes) -> tuple[bytes, list[str]]:
    """What comes from another account, without objects: `unpack` would run what they say.

    :returns: the rest, and what was in it, in words.
    :raises ValueError: it is not what it should be.
    """
    notes, own = shaped(data, SHAPE)
    return pack_plain((notes, {})), [f"connection.{name}" for name in own]


def unpack(data: bytes, connection: Connection) -> None:
    """Give a connection what came along. :raises ValueError: it is not what it should be."""
    notes, own = shaped(data, SHAPE)
    connection.mp_is_pinned = True
    if notes is not None:
        connection.mp_notes = Table.from_pairs(notes)
    for name, pickled in own.items():
        try:
            value: Any = pickle.loads(pickled)  # noqa: S301 - of interpreters of our account alone
        except Exception as error:  # a class that this interpreter can't import
            _tell(connection, f"connection.{name} did not come along from another interpreter: {error}")
            continue
        setattr(connection, name, value)


def _attributes(connection: Connection) -> dict[str, Any]:
    """What applications have set."""
    return {name: value for name, value in connection.__dict__.items() if not name.startswith("mp_")}


def _tell(connection: Connection, text: str) -> None:
    connection.mp_log.log(constants.APLOG_WARNING, text, client=connection.mp_client_addr)
