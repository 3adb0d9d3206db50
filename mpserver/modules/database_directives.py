"""What AuthDBMType and AuthzDBMType have in common."""

from __future__ import annotations

from mpserver.config.registry import Call
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.databases import FOREIGN_TYPES, REMEDY, TYPES

_type = values.one_of(*TYPES)


def check_type(call: Call) -> None:
    """The code of these directives: there is one kind of files, so that there is nothing to be kept.

    :raises ConfigError: the kind can't be read, or nobody knows it.
    """
    word = call.args[0]
    if word.lower() in FOREIGN_TYPES:
        raise ConfigError(f"{call.name} {word}: such files can't be read; there are SQLite files: {REMEDY}")
    _type(call, word)
