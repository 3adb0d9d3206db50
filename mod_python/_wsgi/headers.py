"""The status and the headers that a WSGI application gives to ``start_response``, checked (PEP 3333)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from mod_python._wsgi.tolerance import is_strict, tolerate
from mpserver.api.members import header_text
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: Headers about the connection, which is the server's business alone (PEP 3333, RFC 9110 7.6.1).
HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "trailers",
    "transfer-encoding", "upgrade", "proxy-connection",
})  # fmt: skip

#: status-code SP reason-phrase, without control characters (PEP 3333; RFC 9112 4).
STATUS = re.compile(r"([1-9][0-9]{2})(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")

Headers = list[tuple[str, str]]


#: What is said beyond the body: the other headers, and the names of those that an application has no say in.
Rest = tuple[tuple[tuple[str, str], ...], tuple[str, ...]]


@lru_cache(maxsize=256)
def status_number(status: str) -> int:
    """The number of a status such as ``404 Not Found``. :raises ValueError: it is none."""
    if not isinstance(status, str):
        raise TypeError(f"the status must be a string, not {type(status).__name__}")
    match = STATUS.fullmatch(status)
    if match is None or not 200 <= int(match[1]) <= 599:
        raise ValueError(f"{status!r} is no status of a response, such as '404 Not Found'")
    return int(match[1])


@lru_cache(maxsize=256)
def told(headers: tuple[tuple[str, str], ...]) -> tuple[str | None, int | None, Rest | tuple[()]]:
    """What an application's headers say: the body's type and length (in bytes), and the other ones, if there are any.

    Most applications give the same few headers again and again: so it is remembered. All of them are exact
    strings in exact tuples: what only equals a header that was let through would be let through, too.

    :raises ValueError: they can't be sent.
    """
    content_type: str | None = None
    length: int | None = None
    others: list[tuple[str, str]] = []
    hop_by_hop: list[str] = []
    for name, value in headers:
        lower = name.lower()
        if lower == "content-type":
            content_type = header_text("content_type", value)
        elif lower == "content-length":
            if not (value.isascii() and value.isdigit()) or length not in (None, int(value)):
                raise ValueError(f"a response can't have the Content-Length {value!r}")
            length = int(value)
        elif lower in HOP_BY_HOP:
            hop_by_hop.append(name)
        else:
            others.append((name, value))
    return content_type, length, (tuple(others), tuple(hop_by_hop)) if others or hop_by_hop else ()


def leave_out(req: Request, names: tuple[str, ...]) -> None:
    """Headers about the connection are not sent. :raises ValueError: the application is held to the PEP."""
    for name in names:
        reason = f"{name} is a header about the connection, which WSGI leaves to the server"
        tolerate(req, f"gives {name}, a header about the connection: it is left out", ValueError(reason))


def listed(req: Request, headers: Any) -> list[Any]:
    """The headers where they are no list; a tuple does as well.

    :raises TypeError: they are no sequence of headers, or no list and the application is held to the PEP.
    """
    if isinstance(headers, (str, bytes, Mapping)) or not isinstance(headers, Iterable) or is_strict(req):
        raise TypeError(f"the headers must be in a list, not in a {type(headers).__name__}")
    return list(headers)


def pair(req: Request, header: Any) -> tuple[Any, Any]:
    """Name and value of a header that is no tuple; a list of the two does as well.

    :raises TypeError: it is neither, or the application is held to the PEP.
    """
    if not isinstance(header, (tuple, list)) or len(header) != 2 or is_strict(req):
        raise TypeError(f"a header must be a tuple of name and value, not {header!r}")
    name, value = header
    return name, value


def text(value: object) -> str:
    """A header's name or value as str. :raises TypeError: it is neither str nor bytes."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return value.decode("latin-1")
    raise TypeError(f"names and values of headers must be strings, not {type(value).__name__}")
