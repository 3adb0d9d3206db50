"""Session records: what is stored of a session, and how old it is without touching its data."""

from __future__ import annotations

import io
import pickle

from mpserver.typing import Any

#: ``_data``, ``_created``, ``_accessed``, ``_timeout``: as the published mod_python stores them (api 3.5 3.3).
SessionRecord = dict[str, Any]

#: All Pythons since 3.4 read it, and it keeps bytes as they are.
_PROTOCOL = 4


def dump(record: SessionRecord) -> bytes:
    """A record for storage. :raises Exception: what pickle says of a value that can't be stored."""
    return pickle.dumps(record, _PROTOCOL)


def load(data: bytes) -> Any:
    """What was stored. :raises Exception: whatever unpickling raises."""
    return pickle.loads(data)  # noqa: S301 - of files that only our account can write


class _Stub:
    """Stands in for every object of a class."""

    def __new__(cls, *_: Any, **__: Any) -> _Stub:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def ignore(self, *_: Any) -> None:
        """Take anything."""

    __setstate__ = __setitem__ = append = extend = add = ignore


class _Facts(pickle.Unpickler):
    """Reads a record without its classes: these may belong to another application of the same storage."""

    def find_class(self, module: str, name: str) -> Any:
        return _Stub

    def persistent_load(self, pid: Any) -> Any:
        return None


def ended(data: bytes) -> float:
    """When a stored session ended or will end if it isn't used any more, in seconds since the epoch.

    Nothing of the session's data is executed or imported.

    :raises ValueError: this is no session.
    """
    try:
        record = _Facts(io.BytesIO(data)).load()
        return float(record["_accessed"]) + float(record["_timeout"])
    except Exception as error:  # unpickling what isn't a pickle raises anything
        raise ValueError(f"no session: {type(error).__name__}: {error}") from error
