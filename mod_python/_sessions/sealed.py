"""Session records for a storage that others can write to.

Unpickling runs what the pickle says, so who can write a pickle runs code as the server. Files can be closed
to others; a Redis server is asked over a network and often shared. So a record there holds values of plain
types only, and nothing else is read from there; or it is signed with a secret of the server's, and
then holds whatever pickle can store.
"""

from __future__ import annotations

import datetime
import hmac
import io
import pickle
from collections import OrderedDict
from decimal import Decimal

from mod_python._sessions.records import SessionRecord
from mpserver.typing import Any

#: The first byte of a record: its format.
_PLAIN, _SIGNED = b"p", b"s"
_DIGEST = "sha256"
_DIGEST_SIZE = 32
#: The one that has an opcode of its own for each of Python's simple types.
_PROTOCOL = 5

#: The types of plain records beside those that pickle has opcodes for. None of them does anything but hold
#: a value, and none can be changed by what a pickle says of it.
_TYPES = {
    (kind.__module__, kind.__qualname__): kind
    for kind in (
        datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone,
        Decimal, OrderedDict, complex,
    )
}  # fmt: skip


class _PlainPickler(pickle.Pickler):
    """Pickles plain types; what pickle has opcodes for does not come by here."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) in _TYPES.values() or obj in _TYPES.values():
            return NotImplemented
        raise TypeError(
            f"a session in Redis can't hold {type(obj).__module__}.{type(obj).__qualname__} objects unless it is "
            "signed: set PythonOption mod_python.redis_session.secret, to the same on all servers"
        )


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _TYPES.get((module, name))
        if found is None:
            raise ValueError(f"the session holds {module}.{name}, and isn't signed")
        return found


def dump(record: SessionRecord, sid: str, secret: str | None) -> bytes:
    """A record for storage under an id, signed if there is a secret.

    :raises TypeError: it holds what only a signed one can.
    :raises Exception: what pickle says of a value that can't be stored.
    """
    if secret:
        data = pickle.dumps(record, _PROTOCOL)
        return _SIGNED + _signature(secret, sid, data) + data
    file = io.BytesIO(_PLAIN)
    file.seek(1)
    _PlainPickler(file, _PROTOCOL).dump(record)
    return file.getvalue()


def load(data: bytes, sid: str, secret: str | None) -> Any:
    """What was stored under an id.

    :raises ValueError: it can't be trusted.
    :raises Exception: whatever unpickling of a signed record raises.
    """
    kind = data[:1]
    if not secret:
        if kind == _SIGNED:
            raise ValueError("the session is signed: PythonOption mod_python.redis_session.secret isn't set here")
        if kind != _PLAIN:
            raise ValueError("this is no session")
        return _PlainUnpickler(io.BytesIO(data[1:])).load()
    found, body = data[1 : 1 + _DIGEST_SIZE], data[1 + _DIGEST_SIZE :]
    if kind != _SIGNED or not hmac.compare_digest(found, _signature(secret, sid, body)):
        raise ValueError("the session isn't signed with this server's mod_python.redis_session.secret")
    return pickle.loads(body)  # noqa: S301 - it was signed with the server's secret


def _signature(secret: str, sid: str, data: bytes) -> bytes:
    """The signature of what is stored under an id: another session's is none."""
    return hmac.digest(secret.encode("utf-8", "surrogateescape"), sid.encode() + data, _DIGEST)
