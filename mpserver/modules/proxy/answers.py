"""The head of another server's answer: reading it, and what the client is told of it."""

from __future__ import annotations

from mpserver import lazyre
from mpserver.api import constants
from mpserver.http1.body import Body, ChunkedBody, LengthBody
from mpserver.http1.fields import TCHAR, is_token
from mpserver.http1.percent import sendable
from mpserver.http1.response import field_lines, status_line
from mpserver.http1.wire import encoded
from mpserver.modules.proxy import COOKIE_DOMAINS, COOKIE_PATHS, MEMBERS, REVERSES, Reverse
from mpserver.modules.proxy.questions import via
from mpserver.modules.proxy.targets import split_url
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Sequence

    from mpserver.api.request import Request

#: The longest line, and the most bytes, of a head.
LONGEST_LINE, LONGEST_HEAD = 8192, 1 << 18

_STATUS = lazyre.compile(rb"HTTP/1\.([0-9])[ \t]+([1-9][0-9]{2})(?:[ \t]+([^\r\n]*))?\r?\Z")
#: The end of a head: an empty line.
END = lazyre.compile(rb"\r?\n\r?\n")
#: The usual line of a field.
_LINES = lazyre.compile(f"^([{TCHAR}]++):[ \\t]*+([^\x00-\x08\x0a-\x1f\x7f]*+)\r\n", lazyre.MULTILINE)
_CONTROLS = lazyre.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_COOKIE_PART = lazyre.compile(r"(;[ \t]*(path|domain)=)([^;]*)", 2)  # re.IGNORECASE

#: Of one connection only (RFC 9110 7.6.1), whatever Connection names.
HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "te", "trailer", "trailers",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
#: Those that name a place, which may be one of the server behind.
PLACES = frozenset({"location", "content-location", "uri", "destination"})


class Broken(Exception):
    """What came is no answer."""


class Answer(NamedTuple):
    """A head: the minor version, status, reason phrase, and the fields as they came."""

    minor: int
    status: int
    phrase: str
    fields: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        """The values of a field, in their order."""
        return [value for key, value in self.fields if key.lower() == name]

    def words(self, name: str) -> list[str]:
        """The elements of a field that is a list of words (RFC 9110 5.6.1), in lower case."""
        return [word.strip(" \t").lower() for value in self.all(name) for word in value.split(",")]

    @property
    def is_kept(self) -> bool:
        """Whether the connection is kept (RFC 9112 9.3)."""
        words = self.words("connection")
        return "close" not in words and (self.minor > 0 or "keep-alive" in words)

    def body(self, is_head: bool) -> Body | None:
        """What reads the body; None: it ends with the connection (RFC 9112 6.3). :raises Broken: nobody knows."""
        if is_head or self.status in (204, 304) or self.status < 200:
            return LengthBody(0)
        codings = self.words("transfer-encoding")
        if codings:
            if codings != ["chunked"]:
                raise Broken(f"a Transfer-Encoding that is not known: {', '.join(codings)}")
            return ChunkedBody()
        lengths = {value.strip(" \t") for value in self.all("content-length")}
        if not lengths:
            return None
        length = lengths.pop()
        if lengths or not (length.isdecimal() and length.isascii() and len(length) < 19):
            raise Broken("a Content-Length that is none")
        return LengthBody(int(length))


def read(head: bytes, ignores_bad: bool, longest: int = LONGEST_LINE) -> Answer:
    """Read a head.

    :param head: without the empty line at its end.
    :param ignores_bad: lines that are none are left out.
    :raises Broken: it is none.
    """
    first, _, rest = head.partition(b"\n")
    match = _STATUS.match(first)
    if match is None:
        raise Broken(f"a status line that is none: {first[:60]!r}")
    phrase = _CONTROLS.sub(" ", (match[3] or b"").decode("latin-1")).strip(" \t")
    return Answer(int(match[1]), int(match[2]), phrase, fields_of(rest, ignores_bad, longest))


def fields_of(block: bytes, ignores_bad: bool, longest: int = LONGEST_LINE) -> list[tuple[str, str]]:
    """The fields of a head. :raises Broken: a line is none, or too long."""
    text = str(block, "latin-1") + "\r\n"
    fields: list[tuple[str, str]] = _LINES.findall(text)
    # each match takes one line: as many as there are line ends mean that every line was one
    if len(fields) == text.count("\n") and len(text) <= longest and " \r" not in text and "\t\r" not in text:
        return fields
    return _fields_one_by_one(block, ignores_bad, longest)


def _fields_one_by_one(block: bytes, ignores_bad: bool, longest: int) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for raw in block.split(b"\n"):
        line = raw.removesuffix(b"\r").decode("latin-1")
        if len(line) > longest:
            raise Broken(f"a header field of more than {longest} bytes (responsefieldsize)")
        if line[:1] in (" ", "\t") and fields:  # (RFC 9112 5.2: a folded line, which becomes one)
            name, value = fields.pop()
            more = _CONTROLS.sub(" ", line).strip(" \t")
            fields.append((name, f"{value} {more}".strip(" ")))
            continue
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if colon and is_token(name) and not _CONTROLS.search(value):
            fields.append((name, value))
        elif line and not ignores_bad:
            raise Broken(f"a header field that is none: {line[:60]!r}")
    return fields


def tell(req: Request, answer: Answer) -> None:
    """Make an answer's status and fields those of the request's response."""
    req.mp_status = answer.status
    req.mp_status_line = f"{answer.status} {answer.phrase}"
    req.mp_content_type, req.mp_content_encoding, req.mp_content_languages = None, None, ()
    left = HOP_BY_HOP.union(answer.words("connection"))
    table = req.mp_headers_out_table()
    chunked = bool(answer.all("transfer-encoding"))
    origin = {"date": "", "server": ""}
    for name, value in answer.fields:
        key = name.lower()
        if key in left or (key == "content-length" and (chunked or key in table)):
            continue
        if key == "content-type":
            req.mp_content_type = value
        elif key in origin:
            origin[key] = value
            table[name] = value
        elif key in PLACES:
            table.add(name, shown_place(req, value))
        elif key == "set-cookie":
            table.add(name, shown_cookie(req, value))
        else:
            table.add(name, value)
    if (by := via(req, answer.minor)) is not None:
        table.add("Via", by)
    _identify(req, origin["date"], origin["server"])


def tell_interim(req: Request, answer: Answer) -> None:
    """Tell the client of an interim answer (RFC 9110 15.2), if it knows such ones: those of HTTP/1.0 do not.

    That of 100 is said by who reads the body, which is this server. The variable proxy-interim-response has it told
    (RFC), or none (Suppress).
    """
    policy = "" if req.mp_env is None else str(req.mp_env.get("proxy-interim-response") or "").lower()
    if not req.mp_head.minor or req.mp_assbackwards or req.mp_main is not None or policy == "suppress":
        return
    if answer.status == constants.HTTP_CONTINUE and policy != "rfc":
        return
    left = HOP_BY_HOP.union(answer.words("connection"), ("content-length",))
    fields = [(name, value) for name, value in answer.fields if name.lower() not in left]
    req.mp_link.send([status_line(1, answer.status, answer.phrase) + field_lines(fields) + b"\r\n"])


def _identify(req: Request, date: str, server: str) -> None:
    """An answer keeps the Date and Server of where it comes from (RFC 9110 6.6.1, 10.2.4)."""
    if date or server:
        own = req.mp_clock.lines(req.mp_request_time)
        own_date, own_server = own.split(b"\r\n")[:2]
        lines = (f"Date: {date}".encode("latin-1") if date else own_date,
                 f"Server: {server}".encode("latin-1") if server else own_server)  # fmt: skip
        req.mp_origin = b"".join(line + b"\r\n" for line in lines)


# ---- what hides the server behind


def shown_place(req: Request, url: str) -> str:
    """A URL of the server behind, as the client can ask for it (ProxyPassReverse)."""
    for rule in req.mp_plan.conf[REVERSES]:
        if rule.told == "!":
            continue
        for told in _told(req, rule):
            part = url
            if told.startswith("/"):
                base, rest = split_url(url)
                part = rest if "://" in base and rest.startswith("/") else url
            if part[: len(told)].lower() == told.lower():
                return sendable(req.mp_construct_url(rule.shown + part[len(told) :]))
    return url


def _told(req: Request, rule: Reverse) -> Iterable[str]:
    """What a rule means: of a balancer, the URLs of all its members."""
    if not rule.told.lower().startswith("balancer://"):
        return (rule.told,)
    base, rest = split_url(rule.told)
    members = req.mp_host.server.conf[MEMBERS].get(base.lower(), ())
    return [member.url.rpartition("|")[2].removesuffix("/") + (rest or "/") for member in members]


def shown_cookie(req: Request, cookie: str) -> str:
    """A cookie with the path and domain that the client knows."""
    conf = req.mp_plan.conf
    rules = {"path": conf[COOKIE_PATHS], "domain": conf[COOKIE_DOMAINS]}
    if not any(rules.values()):
        return cookie

    def replace(found: re.Match[str]) -> str:
        return str(found[1]) + _replaced(found[3].strip(" \t"), rules[found[2].lower()])

    return _COOKIE_PART.sub(replace, cookie)


def _replaced(value: str, rules: Sequence[Reverse]) -> str:
    """As in httpd, what is told takes the place of all of it."""
    return next((encoded(rule.shown) for rule in rules if value[: len(rule.told)].lower() == rule.told.lower()), value)
