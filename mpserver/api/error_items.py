"""The items of ErrorLogFormat, a function each."""

from __future__ import annotations

import os
import sys
import time
from _thread import get_native_id
from collections.abc import Callable

from mpserver.api.error_log import NAMES, connection_id, log_id, timestamp
from mpserver.api.trace_parts import trace_part
from mpserver.typing import Any, NamedTuple

#: Where messages pass: what they come from is outside of these.
_OWN = frozenset({"error_log.py", "error_items.py", "error_format.py", "error_style.py", "output.py"})


class Event(NamedTuple):
    """A message. ``client``: the address that it concerns; ``request``, ``connection``: which, where that is known."""

    level: int
    module: str
    text: str
    seconds: float
    server: str
    error: OSError | None = None
    client: tuple[str, int] | None = None
    request: Any = None
    connection: Any = None


#: An item: its text, empty for none.
Item = Callable[[Event], "str | None"]


def _address(address: tuple[str, int] | None) -> str | None:
    return None if address is None or not address[0] else f"{address[0]}:{address[1]}"


def _client(argument: str) -> Item:
    """%a: the user agent's address; ``%{c}a``: the one at the other end of the connection."""
    if argument == "c":
        return lambda event: _address(event.client if event.connection is None else event.connection.mp_client_addr)
    return lambda event: _address(event.client)


def _local(event: Event) -> str | None:
    return None if event.connection is None else _address(event.connection.mp_local_addr)


def _error(event: Event) -> str | None:
    return None if event.error is None else f"({event.error.errno}){event.error.strerror}"


def _place(event: Event) -> str:
    frame = sys._getframe(1)  # noqa: SLF001  # the library has no other way
    while frame.f_back is not None and os.path.basename(frame.f_code.co_filename) in _OWN:
        frame = frame.f_back
    return f"{os.path.basename(frame.f_code.co_filename)}({frame.f_lineno})"


def _log_id(argument: str) -> Item:
    """%L: the request's id; ``%{c}L``: the connection's; ``%{C}L``: that of one without a request."""
    if argument == "c":
        return lambda event: None if event.connection is None else connection_id(event.connection)
    if argument == "C":
        return lambda event: (
            None if event.connection is None or event.request is not None else connection_id(event.connection)
        )
    return lambda event: None if event.request is None else log_id(event.request)


def _time(argument: str) -> Item:
    """%t; ``%{u}t`` with microseconds, ``%{c}t`` by ISO 8601, ``%{cu}t`` both, or a form of strftime."""
    if "%" in argument:
        return lambda event: time.strftime(argument, time.localtime(event.seconds))
    if "c" not in argument:
        return lambda event: timestamp(event.seconds, "u" in argument)

    def compact(event: Event) -> str:
        shown = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.seconds))
        return f"{shown}.{int(event.seconds % 1 * 1_000_000):06d}" if "u" in argument else shown

    return compact


def _header(argument: str) -> Item:
    return lambda event: None if event.request is None else event.request.headers_in.get(argument)


def _note(argument: str) -> Item:
    return lambda event: _of(None if event.request is None else event.request.mp_notes, argument)


def _environment(argument: str) -> Item:
    return lambda event: _of(None if event.request is None else event.request.mp_variables, argument)


def _of(table: Any, name: str) -> str | None:
    value = None if table is None else table.get(name)
    return None if value is None else str(value)


def _keepalives(event: Event) -> str | None:
    return None if event.connection is None else str(event.connection.mp_keepalives)


def _called(event: Event) -> str | None:
    """The server's name as UseCanonicalName has it."""
    if event.request is None:
        return None
    from mpserver.api.cgi_variables import server_name  # (few formats ask)

    return server_name(event.request)


def _interpreter(event: Event) -> str | None:
    return None if event.request is None else event.request.mp_interpreter or event.request.mp_plan.interpreter


def _trace(argument: str) -> Item:
    part = trace_part(argument)
    return lambda event: None if event.request is None else part(event.request)


def _fixed(item: Item) -> Callable[[str], Item]:
    """An item that takes no argument."""
    return lambda _argument: item


def MESSAGE(event: Event) -> str:  # it stands among the constants of formats
    """%M: the message."""
    return event.text


#: By letter: what makes an item for the argument in braces ("" without braces).
ITEMS: dict[str, Callable[[str], Item]] = {
    "a": _client,
    "A": _fixed(_local),
    "e": _environment,
    "E": _fixed(_error),
    "F": _fixed(_place),
    "i": _header,
    "I": _fixed(_interpreter),
    "k": _fixed(_keepalives),
    "l": _fixed(lambda event: NAMES[event.level]),
    "L": _log_id,
    "m": _fixed(lambda event: event.module),
    "M": _fixed(MESSAGE),
    "n": _note,
    "P": _fixed(lambda _event: str(os.getpid())),
    "t": _time,
    "T": _fixed(lambda _event: str(get_native_id())),
    "v": _fixed(lambda event: event.server),
    "V": _fixed(_called),
    "^tp": _trace,
}
