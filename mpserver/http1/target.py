"""Request targets and authorities: RFC 9112 section 3.2, RFC 3986 section 3.2.

Origin-form, the usual one, is part of the regex of the request line in ``head``; here are the others.
"""

from __future__ import annotations

from mpserver import lazyre
from mpserver.errors import RequestError
from mpserver.typing import NamedTuple


class Target(NamedTuple):
    """What a request target says."""

    authority: str | None
    """Host and port as sent, None where the form has none."""
    path: str
    """Still %-encoded; ``*`` for the whole server."""
    query: str | None
    """Without its ``?``; None where there was none."""


# What a path or query may hold: what can't end or split the request line, and no fragment. RFC 3986 allows fewer;
# browsers and tools send the others raw (["<>\^`{|}]), all servers take them, and no two of them disagree where
# such a target ends. Bytes beyond ASCII have to be %-encoded in a path, for which file they mean is guessed; in a
# query, which is the application's, they are taken as they come (as httpd does).
PATH_CHARS = r"[^\x00-\x20\x7f-\xff#?]"
QUERY_CHARS = r"[^\x00-\x20\x7f#]"

# RFC 9112 3.2.1: origin-form = absolute-path [ "?" query ]
ORIGIN_FORM = rf"(/{PATH_CHARS}*+)(?:\?({QUERY_CHARS}*+))?+"

# RFC 9112 3.2.2, RFC 9110 4.2: absolute-form = ( "http" / "https" ) "://" authority path-abempty [ "?" query ]
_absolute_form = lazyre.compile(
    rf"[Hh][Tt][Tt][Pp][Ss]?://([^\x00-\x20\x7f#?/]++)(/{PATH_CHARS}*+)?+(?:\?({QUERY_CHARS}*+))?+"
)

# RFC 3986 3.2: authority = [ userinfo "@" ] host [ ":" port ], and narrower, as httpd is:
#   host     = 1*label-chars separated by single dots, one more dot allowed at either end
#              (no %-escapes and sub-delims: no name system knows them), or "[" IPv6address "]"
#              what looks like an IPv4 address is one: four numbers without leading zeros. Octal, hexadecimal
#              and short forms (0177.0.0.1, 0x7f.1, 127.1) are other addresses for others; so a dot is never
#              followed by a last label that begins with a digit
#   port     = *5DIGIT, empty (RFC 3986 3.2.3: as if it were not there) or from 1 to 65535
# userinfo is refused (RFC 9110 4.2.4: it hides the true host).
_authority = lazyre.now(
    r"(?:(\.?[0-9A-Za-z_-]++(?:\.[0-9A-Za-z_-]++)*+\.?)|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{0,5}))?+"
).fullmatch

# The usual one: a name whose last label does not begin with a digit, without a port.
usual_name = lazyre.now(r"(?:[0-9A-Za-z_-]++\.)*+[A-Za-z_-][0-9A-Za-z_-]*+").fullmatch

# What looks like an IPv4 address (digits and dots alone, or a last label that begins with a digit), and what has to
# be one then; whether its numbers are below 256 does not matter, for nobody reads the others as anything else.
_dotted = lazyre.now(r"(?:0|[1-9][0-9]*+)(?:\.(?:0|[1-9][0-9]*+)){3}").fullmatch
_numeric = lazyre.now(r"[0-9.]*+|.*\.[0-9][^.]*+\.?").fullmatch

# RFC 3986 3.2.2
_hextet = lazyre.compile(r"[0-9A-Fa-f]{1,4}")
_ipv4 = lazyre.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}")


def is_authority(text: str) -> bool:
    """Whether the text is a host with or without a port, as a Host field or a target may name it."""
    if usual_name(text) is not None:
        return True
    match = _authority(text)
    if match is None:
        return False
    name, ipv6, port = match.groups()
    if port and not 0 < int(port) < 65536:
        return False
    return _is_ipv6(ipv6) if ipv6 is not None else not _numeric(name) or _dotted(name) is not None


def is_plain(authority: str) -> bool:
    """Whether a host is one that strangers can't lead elsewhere: an address, localhost, a name without a dot.

    A name of theirs they can lead to an address of this machine, and a browser that has it open then sends what they
    like, and shows them the answer ("DNS rebinding"); such a request names their host.
    """
    match = _authority(authority)
    if match is None:
        return False
    name, ipv6, _port = match.groups()
    if ipv6 is not None or _dotted(name):
        return True
    return "." not in name.removesuffix(".") or name.lower().removesuffix(".").endswith(".localhost")


def _is_ipv6(text: str) -> bool:
    """RFC 3986's IPv6address: eight groups, one "::" for one or more of them, the last two may be an IPv4."""
    halves = text.split("::")
    groups = [group for half in halves if half for group in half.split(":")]
    if groups and "." in groups[-1] and text.endswith(groups[-1]):
        if not _ipv4.fullmatch(groups[-1]):
            return False
        groups[-1:] = ["0", "0"]
    wanted = len(groups) == 8 if len(halves) == 1 else len(halves) == 2 and len(groups) < 8
    return wanted and all(map(_hextet.fullmatch, groups))


def read_target(method: str, target: str) -> Target:
    """A target that is not in origin-form. Raises RequestError 400."""
    if method == "CONNECT":
        # RFC 9112 3.2.3: authority-form = uri-host ":" port, for CONNECT alone and all that it may have
        if not (is_authority(target) and target.rpartition(":")[2].isdigit()):
            raise RequestError(400, "the target of CONNECT is no host and port")
        # RFC 9110 9.3.6: an origin server that makes no tunnels must not answer with success
        raise RequestError(501, "CONNECT: no tunnels are made here")
    if target == "*":
        # RFC 9112 3.2.4: asterisk-form = "*", for OPTIONS alone
        if method != "OPTIONS":
            raise RequestError(400, "the target * goes with OPTIONS only")
        return Target(None, "*", None)
    match = _absolute_form.fullmatch(target)
    if match is None:
        raise RequestError(400, "the request's target is malformed")
    authority, path, query = match.groups()
    if not is_authority(authority):
        raise RequestError(400, "the host in the request's target is malformed")
    if path is None:
        # RFC 9112 3.2.4: OPTIONS for a URI without path and query is about the whole server.
        path = "*" if method == "OPTIONS" and query is None else "/"
    return Target(authority, path, query)
