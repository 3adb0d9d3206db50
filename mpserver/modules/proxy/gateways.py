"""Servers behind that do not speak HTTP: FastCGI (mod_proxy_fcgi) and uwsgi (mod_proxy_uwsgi)."""

from __future__ import annotations

import os
import struct

from mpserver.api import constants
from mpserver.api.error_log import ERROR
from mpserver.http1 import percent
from mpserver.http1.response import REASONS
from mpserver.modules.cgi.exchange import TRUST_LENGTH
from mpserver.modules.cgi.variables import UNSPEAKABLE, encoded, variables
from mpserver.modules.proxy import FCGI_VARIABLES, IGNORE_BAD_HEADERS, Variable, answers
from mpserver.modules.proxy.answers import Answer, Broken
from mpserver.modules.proxy.backends import Refused
from mpserver.modules.proxy.exchange import Exchange, HttpExchange
from mpserver.modules.proxy.questions import body_of
from mpserver.modules.proxy.targets import Target
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: FastCGI 1.0, sections 3.3 and 8: the kinds of records, the only role that is used, and that the connection is kept.
BEGIN, END, PARAMS, STDIN, STDOUT, STDERR = 1, 3, 4, 5, 6, 7
RESPONDER, KEEP = 1, 1
_HEADER = struct.Struct(">BBHHBx")
#: So much of a body goes into one record.
PIECE = 32768
#: A packet of uwsgi can't be longer, nor a variable in it.
LONGEST = 65535


def _record(kind: int, content: bytes) -> bytes:
    return _HEADER.pack(1, kind, 1, len(content), 0) + content


def _records(kind: int, data: bytes) -> bytes:
    return b"".join(_record(kind, data[at : at + PIECE]) for at in range(0, len(data), PIECE))


def _size(data: bytes) -> bytes:
    """A length (FastCGI 3.4)."""
    return bytes((len(data),)) if len(data) < 128 else struct.pack(">I", len(data) | 1 << 31)


def _variables(req: Request, length: int) -> dict[bytes, bytes]:
    """Those of a script, with the length of what goes on of the body: an error document may get less than came.

    A body that came in chunks has its length, too, once it was taken in.
    """
    env = variables(req)
    if length >= 0:
        env[b"CONTENT_LENGTH"] = b"%d" % length
        env.pop(b"HTTP_TRANSFER_ENCODING", None)
    return env


def fcgi_request(req: Request, target: Target, length: int, keeps: bool) -> bytes:
    """All of a request but its body."""
    env = _variables(req, length)
    env[b"SCRIPT_FILENAME"] = percent.decode(target.path.encode("latin-1", "replace"))
    if rules := req.mp_plan.conf[FCGI_VARIABLES]:
        _change(req, env, rules)
    pairs = b"".join(_size(name) + _size(value) + name + value for name, value in env.items())
    begin = _record(BEGIN, struct.pack(">HB5x", RESPONDER, KEEP if keeps else 0))
    end = _record(STDIN, b"") if body_of(req) is None else b""
    return begin + _records(PARAMS, pairs) + _record(PARAMS, b"") + end


def _change(req: Request, env: dict[bytes, bytes], rules: tuple[Variable, ...]) -> None:
    """ProxyFCGISetEnvIf: each rule sees what those before it have set, and the variables of the request."""
    from mpserver.modules import expressions  # (few have rules)

    facts, table = expressions.RequestFacts(req), req.subprocess_env
    if b"SCRIPT_FILENAME" in env:
        table["SCRIPT_FILENAME"] = os.fsdecode(env[b"SCRIPT_FILENAME"])
    for rule in rules:
        facts.match = None  # (what is captured belongs to the rule's own condition)
        if not expressions.holds(rule.condition, facts):
            continue
        name = UNSPEAKABLE.sub("_", rule.name).encode()
        if rule.value is None:
            del table[rule.name]
            env.pop(name, None)
            continue
        value = expressions.text(rule.value, facts)
        table[rule.name] = value
        env[name] = encoded(req, value)


def uwsgi_request(req: Request, target: Target, length: int) -> bytes:
    """The same for uwsgi. :raises Refused: it is longer than that can be."""
    env = _variables(req, length)
    path = encoded(req, percent.decode(target.path.encode("latin-1", "replace")).decode("latin-1")) or b"/"
    uri = req.mp_uri.encode("utf-8", "surrogateescape")
    env[b"PATH_INFO"] = path
    env[b"SCRIPT_NAME"] = uri[: -len(path)] if uri.endswith(path) else b""
    if any(len(name) > LONGEST or len(value) > LONGEST for name, value in env.items()):
        raise Refused(constants.HTTP_BAD_REQUEST, "a variable is too long for uwsgi")
    pack = struct.Struct("<H").pack
    body = b"".join(pack(len(name)) + name + pack(len(value)) + value for name, value in env.items())
    if len(body) > LONGEST:
        raise Refused(constants.HTTP_BAD_REQUEST, f"the variables have {len(body)} bytes: uwsgi takes {LONGEST}")
    return b"\0" + pack(len(body)) + b"\0" + body


class FcgiExchange(Exchange):
    """An exchange by FastCGI."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._data = b""
        self._head: bytearray | None = bytearray()
        self._errors = b""

    def framed(self, data: bytes) -> bytes:
        """See `Exchange.framed`."""
        return _records(STDIN, data) if data else _record(STDIN, b"")

    def take(self, data: bytes) -> None:
        """See `Exchange.take`."""
        if not data:
            raise ConnectionResetError(0, "it closed the connection before the end of its answer")
        data = self._data + data
        at = 0
        while len(data) - at >= _HEADER.size:
            version, kind, _number, length, padding = _HEADER.unpack_from(data, at)
            if version != 1:
                raise Broken("a record of another version of FastCGI than 1")
            end = at + _HEADER.size + length
            if len(data) < end + padding:
                break
            self._take_record(kind, data[at + _HEADER.size : end])
            at = end + padding
        self._data = data[at:]

    def _take_record(self, kind: int, content: bytes) -> None:
        if kind == STDOUT and content:
            self._take_output(content)
        elif kind == STDERR and content:
            *lines, self._errors = (self._errors + content).split(b"\n")
            self._tell(lines)
        elif kind == END:
            self._tell([self._errors] if self._errors else [])
            if self._head is not None:
                raise Broken("an answer that ended before its headers did")
            self.is_over = True

    def _tell(self, lines: list[bytes]) -> None:
        for line in lines:
            text = f"Got error '{line.decode('utf-8', 'backslashreplace')}'"
            self.req.mp_log.log(ERROR, text, module="proxy_fcgi", about=self.req, number=1071)

    def _take_output(self, data: bytes) -> None:
        if self._head is None:
            if not self.local:
                self.write(data)
            return
        self._head += data
        end = answers.END.search(self._head)
        if end is None:
            if len(self._head) > answers.LONGEST_HEAD:
                raise Broken("a head without an end")
            return
        head, rest = bytes(self._head[: end.start()]), bytes(self._head[end.end() :])
        self._head = None
        req = self.req
        answer = _scripted(req, answers.fields_of(head, req.mp_host.server.conf[IGNORE_BAD_HEADERS]))
        place = answer.all("location")
        if place and place[0].startswith("/") and answer.status == constants.HTTP_OK:
            self.local, self.answer = place[0], answer
            return
        if req.mp_document and answer.status == req.mp_status:  # (no other page takes the place of an error's document)
            self.answer = answer
            answers.tell(req, answer)
        else:
            self.begin(answer)
        self.write(rest)

    def _pause(self) -> None:
        if not self.local:
            super()._pause()

    @property
    def is_kept(self) -> bool:
        """Whether the connection can have another request."""
        return self.is_over and not self._data and self._source is None and not self._outgoing


def _scripted(req: Request, fields: list[tuple[str, str]]) -> Answer:
    """The answer that headers of a script mean (RFC 3875 6.3). :raises Broken: they have no status that is one."""
    told = [value for name, value in fields if name.lower() == "status"]
    # (what it says of its length may be wrong, and then the next response would begin in this one)
    left = {"status"} if TRUST_LENGTH in req.subprocess_env else {"status", "content-length"}
    fields = [pair for pair in fields if pair[0].lower() not in left]
    if told:
        code, _, phrase = told[-1].partition(" ")
        if not (len(code) == 3 and code.isdecimal() and code.isascii() and code >= "200"):
            raise Broken(f"a status that is none: {told[-1][:30]}")
        return Answer(1, int(code), phrase.strip(" \t") or REASONS.get(int(code), ""), fields)
    away = any(name.lower() == "location" and not value.startswith("/") for name, value in fields)
    # (the document of an error has the status of that, where it does not say another)
    status: int = constants.HTTP_MOVED_TEMPORARILY if away else req.mp_status
    return Answer(1, status, REASONS.get(status, ""), fields)


class UwsgiExchange(HttpExchange):
    """An exchange by uwsgi, whose answers are HTTP's; each has a connection of its own."""

    @property
    def is_kept(self) -> bool:
        """Whether the connection can have another request."""
        return False
