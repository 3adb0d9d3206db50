"""A line of the table of modules (`mpserver.modules.all`), and what its words mean."""

from __future__ import annotations

from mpserver.enumeration import Enum, IntEnum
from mpserver.typing import NamedTuple

#: Where the modules are.
PACKAGE = "mpserver.modules"


class Order(IntEnum):
    """The place of a module among those that have a hook; within each, the table decides."""

    FIRST = 0
    MIDDLE = 1
    LAST = 2


class Part(Enum):
    """When a module takes part in requests."""

    NEVER = "never"
    CONFIGURED = "where something of it is configured"
    ALWAYS = "always"


class Known(NamedTuple):
    """A line of the table of modules.

    ``source``: httpd's name of its source, for IfModule; ``name``: its name for LoadModule and IfModule.
    ``folder``: where it is; without one it is there to be known, for all that it does in httpd is done elsewhere.
    ``hooks``: when it takes part in requests. ``handlers`` and ``filters``: the names of what it has of these; it
    takes part where one of them is asked for, too. ``placed``: its handlers are applications', and it has to be asked
    in which interpreter they run wherever a configuration names one.
    """

    source: str
    name: str
    folder: str = ""
    hooks: Part = Part.NEVER
    handlers: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    placed: bool = False


def prefix_of(handler: str) -> str:
    """What a content handler is found by whose name says what it is to do: all up to the colon, with that."""
    return handler[: handler.find(":") + 1]
