"""URLs of other servers, taken apart."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.typing import NamedTuple

#: The ports of schemes that have one; schemes without a registered port have none here.
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "fcgi": 8000, "uwsgi": 3031, "balancer": 0}
#: What those are called under which a request may ask for another protocol (WebSocket).
UPGRADING = {"ws": "http", "wss": "https"}

#: An optional ``unix:path|``, scheme, authority, and the rest, from its path on (RFC 3986 B): without blanks and
#: controls, at which some server's request line would end.
_URL = lazyre.compile(
    r"(?:[Uu][Nn][Ii][Xx]:([^|]*)\|)?([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)"
    r"((?:/[^\x00-\x20\x7f]*)?(?:\?[^\x00-\x20\x7f]*)?)"
)
#: host or [IPv6 address], and a port (RFC 3986 3.2); no user.
_AUTHORITY = lazyre.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:@\[\]\s]*)(?::([0-9]{0,5}))?")


class Target(NamedTuple):
    """A URL.

    ``socket``: the path of a Unix socket, "" for TCP. ``host`` has no brackets, ``authority`` is as written, ``port``
    is that of the scheme where none was written. ``rest``: the path and the query, as they are sent.
    """

    scheme: str
    host: str
    port: int
    authority: str
    rest: str
    socket: str = ""

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken with it."""
        return self.scheme in ("https", "wss")

    @property
    def base(self) -> str:
        """All before the path."""
        return f"{self.scheme}://{self.authority}"

    @property
    def name(self) -> str:
        """The server for people."""
        return self.socket or f"{self.host}:{self.port}"

    @property
    def path(self) -> str:
        """The path without the query."""
        return self.rest.partition("?")[0]


def parse(url: str) -> Target | None:
    """Take a URL apart; None where it is none, or not of a scheme that there is."""
    found = _URL.fullmatch(url)
    if found is None:
        return None
    socket, scheme, authority, rest = found.groups()
    scheme = scheme.lower()
    if scheme not in PORTS:
        return None
    named = _AUTHORITY.fullmatch(authority)
    if named is None or (socket is None and not named[1]) or (socket is not None and not socket.startswith("/")):
        return None
    port = int(named[2]) if named[2] else PORTS[scheme]
    if port > 65535:
        return None
    return Target(scheme, named[1].strip("[]").lower(), port, authority, rest, socket or "")


def split_url(word: str) -> tuple[str, str]:
    """A URL as a directive has it: all before its path, or before what is put there, and the rest."""
    start = word.find("://")
    if start < 0:
        return word, ""
    start += 3
    ends = [at for at in (word.find(mark, start) for mark in "/?#$&") if at >= 0]
    end = min(ends) if ends else len(word)
    return word[:end], word[end:]
