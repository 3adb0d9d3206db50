"""Mixed traffic of plain clients: each has one connection that it keeps, and takes it for granted.

A plain client (`http.client`) sends on a kept connection at once and tries nothing again. So whatever ends a
connection without having announced it fails a request, which is told here with all that is known of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import random
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from support.server import Server
from support.waiting import PATIENCE

#: The longest upload, in bytes, and how much of it may come in pieces.
LONGEST = 3 << 20
#: How many bytes /big answers.
BIG = 700_000
#: SO_LINGER: a close resets the connection.
RESET = struct.pack("ii", 1, 0)
#: How a line of the error log begins.
STAMP = re.compile(r"^\[\w{3} (\w{3} \d\d \d\d:\d\d:\d\d)")


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    close: bool


class Failure(NamedTuple):
    """A request without a complete and right answer."""

    #: When, in seconds since the epoch.
    when: float
    client: str
    request: str
    what: str
    #: How many answers its connection had brought before.
    before: int
    #: What those were: the last one.
    previous: str
    #: How long the connection had been idle, in seconds.
    idle: float

    def tell(self, log: str) -> str:
        """All that is known, with the lines of the error log of those seconds."""
        clock = time.strftime("%H:%M:%S", time.localtime(self.when))
        first = "first on its connection" if not self.before else f"number {self.before + 1} on its connection"
        near = {
            time.strftime("%b %d %H:%M:%S", time.localtime(self.when + seconds)) for seconds in (-2, -1, 0, 1)
        }  # fmt: skip
        lines = [line for line in log.splitlines() if (found := STAMP.match(line)) and found[1] in near]
        told = [
            f"{clock}.{int(self.when % 1 * 1000):03} {self.client}, {self.request}: {self.what}",
            f"  {first}, idle for {self.idle:.3f} s, after: {self.previous or 'nothing'}",
            *(f"  | {line}" for line in lines[-12:]),
        ]
        return "\n".join(told)


class Unexpected(Exception):
    """An answer came, and is wrong."""


class Client(threading.Thread):
    """Asks for this and that on its connection until it is over."""

    def __init__(self, server: Server, number: int, over: threading.Event, pauses: tuple[float, ...]) -> None:
        """``pauses``: how long it waits between requests, in seconds; one of these each time."""
        super().__init__(name=f"client {number}")
        self.server, self.over, self.pauses = server, over, pauses
        self.chance = random.Random(number)
        self.done: Counter[str] = Counter()
        self.failures: list[Failure] = []
        #: Its session's cookie, and how often it was counted there.
        self.cookie = ""
        self.counted = 0
        self.connection = self._dial()
        self._answers = 0
        self._previous = ""
        self._last = time.monotonic()
        self._line = ""

    def _dial(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)

    def run(self) -> None:
        """One request after the other."""
        names = [name for name, often in MIX.items() for _ in range(often)]
        while not self.over.is_set():
            name = self.chance.choice(names)
            self._line = name
            idle = time.monotonic() - self._last
            if self.connection.sock is None:
                self._answers, self._previous = 0, ""
            before, previous = self._answers, self._previous
            try:
                getattr(self, name)()
                self.done[name] += 1
            except (OSError, http.client.HTTPException, Unexpected, ValueError) as error:
                self.failures.append(Failure(time.time(), self.name, self._line, repr(error), before, previous, idle))
                self.connection.close()
            self._last = time.monotonic()
            self.over.wait(self.chance.choice(self.pauses))
        self.connection.close()

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None, *,
        chunked: bool = False, status: int = 200,
    ) -> Answer:  # fmt: skip
        """One request. :raises Unexpected: another status."""
        size = "" if body is None else " chunked" if chunked else f" {len(body)} bytes"  # type: ignore[arg-type]
        self._line = f"{method} {path}{size}"
        self.connection.request(method, path, body, headers or {}, encode_chunked=chunked)  # type: ignore[arg-type]
        response = self.connection.getresponse()
        answer = Answer(response.status, response.read(), response.will_close)
        self._answers += 1
        self._previous = f"{self._line}: {answer.status}{', Connection: close' if answer.close else ''}"
        if answer.status != status:
            raise Unexpected(f"status {answer.status}: {answer.body[:300]!r}")
        if len(answer.body) != int(response.getheader("Content-Length") or len(answer.body)):
            raise Unexpected("a short body")
        return answer

    def expect(self, answer: Answer, body: str) -> None:
        """:raises Unexpected: it has another body."""
        if answer.body.decode(errors="replace").strip() != body:
            raise Unexpected(f"body {answer.body[:300]!r} instead of {body!r}")

    def token(self) -> str:
        """What only this request has."""
        return f"{self.name[7:]}x{self.chance.getrandbits(64):016x}"

    # ---- what is asked for

    def handler(self) -> None:
        """A handler."""
        token = self.token()
        self.expect(self.ask("GET", f"/handler?{token}"), f"handler {token}")

    def flushing(self) -> None:
        """A handler that flushes now and then, so that the answer is chunked."""
        token = self.token()
        self.expect(self.ask("GET", f"/flushing?{token}"), " ".join(f"{number}:{token}" for number in range(5)))

    def slow(self) -> None:
        """A handler that takes its time."""
        token = self.token()
        self.expect(self.ask("GET", f"/slow?{token}"), f"slow {token}")

    def big(self) -> None:
        """A long answer."""
        answer = self.ask("GET", f"/big?{self.name[7:]}")
        if answer.body != (self.name[7:].zfill(4).encode() * BIG)[:BIG]:
            raise Unexpected(f"{len(answer.body)} bytes, which are not ours")

    def static(self) -> None:
        """A file."""
        self.expect(self.ask("GET", "/static.txt"), "a file")

    def publisher(self) -> None:
        """A published function, with arguments and a form by turns."""
        token = self.token()
        self.expect(self.ask("GET", f"/pub/say?word={token}"), f"said {token}")
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.expect(self.ask("POST", "/pub/say", f"word={token}".encode(), form), f"said {token}")

    def page(self) -> None:
        """A PSP page."""
        token = self.token()
        self.expect(self.ask("GET", f"/page.psp?word={token}"), f"<p>{token}</p>")

    def wsgi(self) -> None:
        """A WSGI application, which gets a body."""
        token = self.token()
        self.expect(self.ask("POST", f"/wsgi?{token}", token.encode()), f"wsgi {token} {token}")

    def session(self) -> None:
        """A session that counts."""
        headers = {"Cookie": self.cookie} if self.cookie else {}
        answer = self.ask("GET", "/session", None, headers)
        count, _space, cookie = answer.body.decode().partition(" ")
        if self.cookie and cookie != self.cookie:
            raise Unexpected(f"the session {cookie} instead of {self.cookie}")
        if int(count) != self.counted + 1:
            raise Unexpected(f"the session has counted {count} instead of {self.counted + 1}")
        self.cookie, self.counted = cookie, self.counted + 1

    def _body(self) -> bytes:
        length = self.chance.choice((10, 5_000, 60_000, 200_000, 1_500_000, LONGEST))
        return self.chance.randbytes(self.chance.randrange(1, length))

    def upload(self) -> None:
        """A body that is read."""
        body = self._body()
        self.expect(self.ask("POST", "/upload", body), f"{len(body)} {hashlib.sha1(body).hexdigest()}")

    def chunked(self) -> None:
        """A body in chunks that is read."""
        body = self._body()[:300_000]
        parts = iter([body[start : start + 7000] for start in range(0, len(body), 7000)])
        answer = self.ask("POST", "/upload", parts, {"Transfer-Encoding": "chunked"}, chunked=True)
        self.expect(answer, f"{len(body)} {hashlib.sha1(body).hexdigest()}")

    def refused(self) -> None:
        """A body that is not read."""
        self.ask("POST", "/refused", self._body(), status=403)

    def aborted(self) -> None:
        """Another client, which leaves in the middle of something; what it gets is nobody's business."""
        self._line = "a client that leaves"
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.server.port), PATIENCE) as sock,
        ):
            sock.sendall(self.chance.choice(ABORTED))
            if self.chance.random() < 0.5:
                sock.settimeout(0.05)
                sock.recv(1000)
            if self.chance.random() < 0.5:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


#: What is asked for, and how often.
MIX = {
    "handler": 6, "flushing": 3, "slow": 2, "big": 2, "static": 3, "publisher": 3, "page": 3, "wsgi": 3, "session": 4,
    "upload": 3, "chunked": 2, "refused": 3, "aborted": 2,
}  # fmt: skip

#: What clients have sent when they leave.
ABORTED = (
    b"",
    b"GET /handl",
    b"GET /handler?nobody HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /big?0 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /slow?0 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + bytes(70_000),
    b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n9\r\nabc",
    b"POST /refused HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + bytes(70_000),
)

APP = f"""
import hashlib
import time
from mod_python import apache, Session


def say(req, text):
    req.content_type = "text/plain"
    req.write(text, 0)
    return apache.OK


def handler(req):
    return say(req, "handler " + req.args)


def slow(req):
    time.sleep(0.05)
    return say(req, "slow " + req.args)


def flushing(req):
    req.content_type = "text/plain"
    for number in range(5):
        req.write("%d:%s " % (number, req.args))
    return apache.OK


def big(req):
    return say(req, (req.args.zfill(4) * {BIG})[:{BIG}])


def upload(req):
    body = req.read()
    return say(req, "%d %s" % (len(body), hashlib.sha1(body).hexdigest()))


def refused(req):
    return apache.HTTP_FORBIDDEN


def session(req):
    session = Session.Session(req)
    session["count"] = session.get("count", 0) + 1
    session.save()
    return say(req, "%d pysid=%s" % (session["count"], session.id()))
"""

#: The handlers of app.py, and their interpreters.
HANDLERS = {
    "handler": "one", "big": "one", "refused": "one", "session": "one", "flushing": "two", "slow": "two",
    "upload": "two",
}  # fmt: skip

FILES: dict[str, str | bytes] = {
    "app.py": APP,
    "static.txt": "a file",
    "page.psp": "<p><%= form['word'] %></p>",
    "pub/index.py": "def say(req, word):\n    return 'said ' + word\n",
    "wsgiapp.py": (
        "def application(environ, start_response):\n"
        "    body = environ['wsgi.input'].read()\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [('wsgi %s ' % environ['QUERY_STRING']).encode() + body]\n"
    ),
}

CONF = """
KeepAliveTimeout 300
MaxConnectionsPerChild 300
PythonPath "sys.path + ['${WWW}']"
PythonOption mod_python.session.session_type FileSession
PythonOption mod_python.file_session.database_directory "${ROOT}/run/sessions"
<Location /wsgi>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application wsgiapp::application
</Location>
<Directory "${WWW}/pub">
    SetHandler mod_python
    PythonHandler mod_python.publisher
</Directory>
<Files "*.psp">
    SetHandler mod_python
    PythonHandler mod_python.psp
</Files>
""" + "".join(
    f"""
<Location /{name}>
    SetHandler mod_python
    PythonInterpreter {interpreter}
    PythonHandler app::{name}
    {"PythonInterpMaxRequests 500" if interpreter == "two" else ""}
</Location>
"""
    for name, interpreter in HANDLERS.items()
)


class Traffic:
    """Some clients at work."""

    def __init__(self, clients: list[Client], over: threading.Event) -> None:
        self.clients, self._over = clients, over

    @property
    def done(self) -> int:
        """How many requests had the right answer."""
        return sum(client.done.total() for client in self.clients)

    @property
    def failures(self) -> list[Failure]:
        """Those that had not, in their order."""
        return sorted(failure for client in self.clients for failure in client.failures)

    def count(self) -> Counter[str]:
        """How many of each kind had the right answer."""
        return sum((client.done for client in self.clients), Counter())

    def end(self) -> None:
        """Let them come to their end."""
        self._over.set()
        for client in self.clients:
            client.join(2 * PATIENCE)
        assert not any(client.is_alive() for client in self.clients)


@contextlib.contextmanager
def traffic(server: Server, clients: int, pauses: Callable[[int], tuple[float, ...]]) -> Iterator[Traffic]:
    """Clients at work while the block lasts; ``pauses`` of each by its number, in seconds."""
    over = threading.Event()
    state = Traffic([Client(server, number, over, pauses(number)) for number in range(clients)], over)
    for client in state.clients:
        client.start()
    try:
        yield state
    finally:
        state.end()
