"""One health check of a member: a connection to it, and a request with its answer (mod_proxy_hcheck)."""

from __future__ import annotations

import re
import select
import time

from mpserver.api import tasks
from mpserver.errors import RequestError
from mpserver.http1.body import Body
from mpserver.modules import expressions
from mpserver.modules.proxy import answers
from mpserver.modules.proxy.answers import Answer, Broken
from mpserver.modules.proxy.backends import PIECE, Backends, Refused, Upstream
from mpserver.modules.proxy.checks import Checked
from mpserver.modules.proxy.encryption import Encryption

#: So much of an answer's body is looked at.
LONGEST = 1 << 20

#: By the names of variables, as `time.strftime` has them.
_TIMES = {
    "TIME": "%Y%m%d%H%M%S", "TIME_DAY": "%d", "TIME_HOUR": "%H", "TIME_MIN": "%M", "TIME_MON": "%m", "TIME_SEC": "%S",
    "TIME_WDAY": "%w", "TIME_YEAR": "%Y",
}  # fmt: skip


class AnswerFacts:
    """An answer, for the condition of its check (ProxyHCExpr)."""

    def __init__(self, answer: Answer, body: bytes) -> None:
        self._answer, self._body = answer, body
        self.match: re.Match[str] | None = None

    def variable(self, name: str) -> str:
        """Its status, its body, or the time."""
        if name == "REQUEST_STATUS":
            return str(self._answer.status)
        if name == "HC_BODY":
            return self._body.decode("utf-8", "surrogateescape")
        return time.strftime(_TIMES[name]) if name in _TIMES else ""

    def response(self, name: str) -> str:
        """A header."""
        return ", ".join(self._answer.all(name.lower()))

    def header(self, name: str) -> str:
        """There is no request."""
        return ""

    def reachable(self, uri: str) -> bool:
        """There is none."""
        return False


def probe(checked: Checked) -> None:
    """Check a member.

    :raises Refused: it has failed; the reason says how.
    """
    check, target = checked.check, checked.target
    until = time.monotonic() + checked.timeout
    encryptor = None if checked.encryption is None else Encryption(checked.encryption)
    dialling = Backends().connected(
        target.name, target, checked.parameters, checked.timeout, checked.source, encryptor, fresh=True
    )
    upstream = tasks.finish(None, dialling)
    try:
        if check.method == "TCP":
            return
        try:
            upstream.send(question(checked), checked.timeout)
            answer, body = _read(upstream, check.method != "GET", until)
        except (OSError, EOFError, Broken, RequestError) as error:
            raise Refused(502, str(error) or f"nothing came within {checked.timeout:g} s") from error
    finally:
        upstream.close()
    if check.condition is None:
        if not 200 <= answer.status < 400:
            raise Refused(502, f"it answered with {answer.status}")
    elif not expressions.holds(check.condition, AnswerFacts(answer, body)):
        raise Refused(502, f"its answer, with {answer.status}, is none that {check.condition.text} holds for")


def question(checked: Checked) -> bytes:
    """The request."""
    check, target = checked.check, checked.target
    path = "*"
    if check.method != "OPTIONS":
        path = target.path
        if check.uri:
            path = f"{path.removesuffix('/')}/{check.uri.removeprefix('/')}"
    host = f"[{target.host}]" if ":" in target.host else target.host or "localhost"
    lines = [f"{check.method} {path or '/'} HTTP/1.{check.minor}", f"Host: {host}:{target.port}"]
    lines += ["Connection: close"] if check.minor else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _read(upstream: Upstream, is_head: bool, until: float) -> tuple[Answer, bytes]:
    """An answer, and as much of its body as counts.

    :raises TimeoutError: it did not come in time.
    :raises EOFError: the member closed the connection before.
    :raises Broken: what came is none.
    """
    data = b""
    while True:
        while (end := answers.END.search(data)) is None:
            if len(data) > answers.LONGEST_HEAD:
                raise Broken("a head without an end")
            data += _some(upstream, until, "its answer")
        answer = answers.read(data[: end.start()], True)
        data = data[end.end() :]
        if answer.status >= 200:
            break
    # (as in httpd: what comes behind the head of an answer to OPTIONS is not waited for)
    return answer, b"" if is_head else _body(upstream, answer.body(False), data, until)


def _body(upstream: Upstream, body: Body | None, data: bytes, until: float) -> bytes:
    found = b""
    while True:
        found += data if body is None else body.feed(data)
        if (body is not None and body.done) or len(found) >= LONGEST:
            return found[:LONGEST]
        try:
            data = _some(upstream, until, "the end of its answer")
        except EOFError:
            if body is None:
                return found
            raise


def _some(upstream: Upstream, until: float, what: str) -> bytes:
    """More of an answer. :raises EOFError: there is no more. :raises TimeoutError: it takes too long."""
    while True:
        if time.monotonic() > until:  # (there may be more at any moment, without an end)
            raise TimeoutError
        try:
            data = upstream.wire.recv(PIECE)
        except BlockingIOError:
            upstream.wait(select.POLLIN, max(0.0, until - time.monotonic()))
            continue
        if not data:
            raise EOFError(f"it closed the connection before {what}")
        return data
