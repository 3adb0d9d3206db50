"""Mutated traffic from 16 clients against a full configuration: nothing dies, fails or grows.

It takes 20 minutes for each MPM, or MPSERVER_ENDURANCE seconds (tools/test --long).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest
from fuzzing import engine

from conftest import StartServer
from mpserver.system import heaps
from support.certificates import Authority
from support.processes import descendants, describe
from support.server import BACKENDS, Server
from support.tls import HTTPS, at_port
from support.waiting import PATIENCE, wait_for

CLIENTS = 16
WORKERS = 3
LONG = float(os.environ.get("MPSERVER_ENDURANCE", "1200"))
#: The part of the time after which nothing may grow any more, and by how much it may all the same: of all processes
#: together, in bytes.
WARM = 0.3
GROWTH = 24 << 20
#: In a short time not all has begun by then, for there are some forty interpreters, and each has seen but little. So
#: traffic goes on until no interpreter has begun for so many seconds, and no more memory has come than this; but for
#: no more than so many seconds.
STEADY, STILL_COMES, AT_LATEST = 10.0, 4 << 20, 300.0
#: And by how much more for each interpreter that has begun later, with its process and zygote.
OF_EACH = 40 << 20
#: How many more descriptors there may be then: for each interpreter that has begun, with its process, zygote and files;
#: and of parts that are made once. (Where a connection in a hundred left one, they would be many more.)
EACH, ONCE = 40, 60
#: For so many seconds at most each interpreter of each worker is asked for everything before: it loads the code of what
#: it has not met yet, and plans that, once (docs/limits.md).
MEETING = 600.0
#: After so many seconds without traffic each worker has given back what is free in its heaps.
SETTLED = heaps.EVERY + 5.0
#: The longest request, in bytes.
LONGEST = 60_000
#: How long a client waits for an answer, in seconds: many requests have none, for they are not whole.
SILENCE = 0.3

#: What must not be in the error log.
FAULTS = re.compile(
    r"internal error|exit signal|ended by signal|did not end in time|:crit\]|\[crit\]|does not end|Traceback"
)

CONF = """
LoadModule rewrite_module modules/mod_rewrite.so
LoadModule deflate_module modules/mod_deflate.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
LoadModule include_module modules/mod_include.so
LoadModule headers_module modules/mod_headers.so
LoadModule expires_module modules/mod_expires.so
LoadModule autoindex_module modules/mod_autoindex.so
LoadModule negotiation_module modules/mod_negotiation.so
LoadModule cgi_module modules/mod_cgi.so
LoadModule status_module modules/mod_status.so
LoadModule unique_id_module modules/mod_unique_id.so
LoadModule setenvif_module modules/mod_setenvif.so
LoadModule auth_basic_module modules/mod_auth_basic.so
LoadModule authn_file_module modules/mod_authn_file.so
KeepAliveTimeout 2
Timeout 10
RequestReadTimeout header=2-4,MinRate=500 body=2,MinRate=500
MaxConnectionsPerAddress 400
PythonInterpQueue 300
ListenBackLog 511
CustomLog logs/access.log "%h %>s %b %{UNIQUE_ID}e \\"%r\\""
PythonPath "sys.path + ['${WWW}']"
PythonOption mod_python.session.session_type FileSession
PythonOption mod_python.file_session.database_directory "${ROOT}/run/sessions"
AddOutputFilterByType DEFLATE text/html text/plain
Header set X-Kind full
ExpiresActive On
ExpiresDefault "access plus 1 hour"
BrowserMatch Mozilla old
RewriteEngine On
RewriteRule ^/rewritten/(.*)$ /handler?$1 [PT,QSA]
ProxyPass /behind/ http://127.0.0.1:${PORT}/
<Directory "${WWW}">
    Options Indexes MultiViews Includes ExecCGI FollowSymLinks
    AllowOverride All
    AddOutputFilter INCLUDES .shtml
    AddHandler cgi-script .cgi
</Directory>
<Directory "${WWW}/pub">
    SetHandler mod_python
    PythonHandler mod_python.publisher
</Directory>
<Directory "${WWW}/closed">
    AuthType Basic
    AuthName closed
    AuthUserFile "${WWW}/.htusers"
    Require valid-user
</Directory>
<Files "*.psp">
    SetHandler mod_python
    PythonHandler mod_python.psp
</Files>
<Location /status>
    SetHandler server-status
</Location>
<Location /wsgi>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app::application
</Location>
""" + "".join(
    f"""
<Location /{path}>
    SetHandler mod_python
    PythonHandler app::{name}
    PythonInterpreter {path}
    PythonInterpBackend {kind}
    {more}
</Location>
"""
    for kind in BACKENDS
    for path, name, more in (
        (f"handler-{kind}", "handler", ""),
        (f"session-{kind}", "session", ""),
        (f"form-{kind}", "form", "SetInputFilter DEFLATE"),
        (f"upload-{kind}", "upload", "SetInputFilter DEFLATE\n    RequestBodyStreaming On"),
    )
)

APP = """
import os

from mod_python import apache, Cookie, Session, util


def say(req, text):
    req.content_type = "text/plain"
    req.headers_out["X-Process"] = str(os.getpid())
    req.write(text, 0)
    return apache.OK


def handler(req):
    return say(req, "handler %r" % (req.args,))


def session(req):
    Cookie.get_cookies(req)
    session = Session.Session(req)
    session["count"] = session.get("count", 0) + 1
    session.save()
    return say(req, "%d" % session["count"])


def form(req):
    try:
        fields = util.FieldStorage(req, keep_blank_values=True)
    except OSError:  # (the body is no gzip)
        return apache.HTTP_BAD_REQUEST
    return say(req, "%d fields" % len(fields.list))


def upload(req):
    try:
        return say(req, "%d bytes" % len(req.read()))
    except OSError:  # (it is broken, or does not come)
        return apache.HTTP_BAD_REQUEST


def application(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Process", str(os.getpid()))])
    return [b"%d bytes" % len(body)]
"""

FILES: dict[str, str | bytes] = {
    "app.py": APP,
    "static.txt": "a file " * 3000,
    "page.psp": "<p><%= len(req.args or '') %></p>",
    "page.shtml": '<!--#echo var="QUERY_STRING" --> <!--#include virtual="/static.txt" -->',
    "program.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nhead -c 1000 | wc -c\n",
    "pub/index.py": "def say(req, word=''):\n    return 'said %s' % len(word)\n",
    "form.html.en": "english", "form.html.de": "deutsch",
    "closed/page.txt": "closed",
    "closed/.htaccess": "Options -Indexes\n",
    ".htusers": "someone:{SHA}5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8=\n",
    "listed/one.txt": "1", "listed/two.txt": "2",
}  # fmt: skip

#: What is asked for before it is mutated.
PATHS = (
    "/static.txt", "/page.psp?word=1", "/page.shtml?a", "/program.cgi", "/pub/say?word=x", "/form.html", "/listed/",
    "/closed/page.txt", "/status?auto", "/wsgi?x", "/rewritten/x", "/behind/static.txt", "/behind/handler-process?y",
    *(f"/{name}-{kind}?z=1" for kind in BACKENDS for name in ("handler", "session", "form", "upload")),
)  # fmt: skip
FIELDS = (
    "Range: bytes=0-10,20-30,5-\r\n", "Accept-Encoding: gzip, br\r\n", "Accept-Language: de;q=0.5, en\r\n",
    "If-None-Match: \"x\"\r\n", "Cookie: pysid=0123456789abcdef0123456789abcdef; a=b\r\n", "User-Agent: Mozilla\r\n",
    "Authorization: Basic c29tZW9uZTpwYXNzd29yZA==\r\n", "Expect: 100-continue\r\n", "Upgrade: websocket\r\n",
    "X-Forwarded-For: 192.0.2.1\r\n", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "Connection: close\r\n",
)  # fmt: skip
MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nxyz\r\n'
    b'--b\r\nContent-Disposition: form-data; name="c"\r\n\r\n1\r\n--b--\r\n'
)


def corpus() -> list[bytes]:
    """Requests that are as they should be, each of which ends its connection or not."""
    heads = [
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n" for path in PATHS for method in ("GET", "HEAD", "OPTIONS")
    ]
    found = [f"{head}{FIELDS[number % len(FIELDS)]}\r\n".encode() for number, head in enumerate(heads)]
    for path in PATHS:
        post = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n".encode()
        found += [
            post + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=1&b=2",
            post
            + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n" % len(MULTIPART)
            + MULTIPART,
            post + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nA: b\r\n\r\n",
            post
            + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n"
            + bytes.fromhex("1f8b08000000000000ff0300" + "00" * 8),
        ]
    return found


CORPUS = corpus()
#: What tells which process answers, for each name of an interpreter.
TELLING = ("/wsgi?x", *(path for path in PATHS if path.startswith(("/handler-", "/session-", "/form-", "/upload-"))))
WORDS = (
    b"\r\n",
    b"\r\n\r\n",
    b"HTTP/1.0",
    b"Content-Length: ",
    b"chunked",
    b"%00",
    b"../",
    b";",
    b"\xff",
    b"Host: ",
    b"--b",
)


class Client(threading.Thread):
    """Sends requests that are mostly mutated, and now and then one that is whole, whose answer has to be right."""

    def __init__(self, server: Server, tls: tuple[int, ssl.SSLContext], number: int, over: threading.Event) -> None:
        super().__init__(name=f"client {number}")
        self.server, self.tls, self.over = server, tls, over
        self.chance = random.Random(number)
        self.statuses: Counter[bytes] = Counter()
        self.wrong: list[str] = []
        self.failed: list[bytes] = []

    def run(self) -> None:
        """One connection after the other."""
        while not self.over.is_set():
            whole = self.chance.random() < 0.05
            data = b"GET /static.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            if not whole:
                base = self.chance.choice(CORPUS)
                data = engine.changed(base, self.chance, CORPUS, WORDS)[:LONGEST] + self.chance.choice(
                    (b"", b"\r\n\r\n")
                )
            try:
                answer = self.ask(data, whole)
            except OSError as error:
                if whole:
                    self.wrong.append(f"{time.strftime('%H:%M:%S')} {error!r}")
                continue
            status = answer[9:12] if answer.startswith(b"HTTP/1.") else b"none"
            self.statuses[status] += 1
            if whole and (status != b"200" or not answer.endswith(b"a file ")):
                self.wrong.append(f"{time.strftime('%H:%M:%S')} {answer[:200]!r}")
            if b"HTTP/1.1 500 " in answer:
                self.failed.append(data)

    def ask(self, data: bytes, whole: bool) -> bytes:
        """What is answered on a connection. :raises OSError: it was reset, or nothing came."""
        answer = b""
        with contextlib.ExitStack() as open_ones:
            encrypted = self.chance.random() < 0.25
            port = self.tls[0] if encrypted else self.server.port
            sock = open_ones.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            if encrypted and (whole or self.chance.random() < 0.9):  # (others speak to it as they like)
                sock = open_ones.enter_context(self.tls[1].wrap_socket(sock))
            sock.settimeout(2 * PATIENCE if whole else SILENCE)
            cut = self.chance.randrange(len(data) + 1) if self.chance.random() < 0.2 else len(data)
            sock.sendall(data[:cut])
            if cut < len(data):
                time.sleep(self.chance.choice((0.0, 0.001, 0.02)))
                if self.chance.random() < 0.3 and not whole:
                    return answer  # it leaves
                sock.sendall(data[cut:])
            if self.chance.random() < 0.1 and not whole:
                return answer
            with contextlib.suppress(*(() if whole else (TimeoutError,))):
                while part := sock.recv(65536):
                    answer += part
                    if len(answer) > 200_000 and not whole:
                        break
        return answer


def closing(request: bytes) -> bytes:
    """A request of the corpus after whose answer the server closes the connection."""
    line, _, rest = request.partition(b"\r\n")
    return line + b"\r\nConnection: close\r\n" + rest


class Meeting:
    """Has each interpreter of each worker look at each request of the corpus, with TLS and without.

    An interpreter keeps the connections of its requests, and looks at what comes next on them. So a request to it comes
    first; its answer tells the process. What comes second is what that interpreter has not seen yet.
    """

    def __init__(self, server: Server, tls: tuple[int, ssl.SSLContext]) -> None:
        self.server, self.tls = server, tls
        self.left: dict[tuple[str, bool], dict[bytes, list[bytes]]] = {
            (path, encrypted): {} for path in TELLING for encrypted in (False, True)
        }
        self.gate = threading.Lock()
        self.until = time.monotonic() + MEETING

    def unmet(self) -> dict[str, int]:
        """How many processes, and how many requests to those that are known, are missing, by where they are."""
        found = {}
        for (path, encrypted), processes in self.left.items():
            missing = len(CORPUS) * (WORKERS - len(processes)) + sum(map(len, processes.values()))
            if missing:
                found[f"{path}{' over TLS' * encrypted}"] = missing
        return found

    def run(self) -> None:
        """Do it, by `CLIENTS` threads."""
        threads = [threading.Thread(target=self._ask, args=(random.Random(number),)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.unmet(), f"not all interpreters were met in {MEETING:g} s: {self.unmet()}"

    def _ask(self, chance: random.Random) -> None:
        while time.monotonic() < self.until:
            with self.gate:
                places = [place for place, known in self.left.items() if len(known) < WORKERS or any(known.values())]
            if not places:
                return
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._meet(chance.choice(places))

    def _meet(self, place: tuple[str, bool]) -> None:
        path, encrypted = place
        with contextlib.ExitStack() as open_ones:
            port = self.tls[0] if encrypted else self.server.port
            sock = open_ones.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE))
            if encrypted:
                sock = open_ones.enter_context(self.tls[1].wrap_socket(sock))
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            answer.read()
            process = (answer.getheader("X-Process") or "").encode()
            if not process or answer.will_close:
                return
            with self.gate:
                left = self.left[place].setdefault(process, list(CORPUS))
                if not left:
                    return
                request = left.pop()
            sock.settimeout(2 * PATIENCE)
            sock.sendall(closing(request))
            while sock.recv(65536):
                pass


def trusting() -> ssl.SSLContext:
    """What speaks TLS with anybody."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def clients(server: Server, port: int) -> Iterator[list[Client]]:
    """Clients at work while the block lasts."""
    context = trusting()
    over = threading.Event()
    found = [Client(server, (port, context), number, over) for number in range(CLIENTS)]
    for client in found:
        client.start()
    try:
        yield found
    finally:
        over.set()
        for client in found:
            client.join(4 * PATIENCE)
        assert not any(client.is_alive() for client in found)


def family(server: Server) -> dict[int, psutil.Process]:
    """The processes of a server, but for programs that run for requests."""
    assert server.master is not None
    found = [server.master, *descendants(server.master)]
    return {process.pid: process for process in found if "mpserver" in describe(process)}


def memory(server: Server) -> int:
    """What all processes have together, shared pages counted once, in bytes."""
    total = 0
    for process in family(server).values():
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total


def descriptors(server: Server) -> dict[str, int]:
    """How many descriptors the processes have, by what they are called."""
    found: Counter[str] = Counter()
    for process in family(server).values():
        with contextlib.suppress(psutil.NoSuchProcess):
            found[describe(process)] += process.num_fds()
    return dict(found)


def clients_left(server: Server, ports: tuple[int, ...]) -> list[str]:
    """The sockets of clients that any of its processes still has."""
    found = []
    for process in family(server).values():
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [
                f"{describe(process)}: {connection.raddr} {connection.status}"
                for connection in process.net_connections("tcp")
                if connection.status != psutil.CONN_LISTEN and connection.laddr.port in ports
            ]
    return found


def interpreters(server: Server) -> int:
    """How many interpreters it has."""
    workers = json.loads(server.command("--status", "--json").stdout)["workers"]
    return sum(len(worker["interpreters"]) for worker in workers)


def lowest(server: Server, seconds: float) -> int:
    """The least memory that it has within so many seconds."""
    until, least = time.monotonic() + seconds, memory(server)
    while time.monotonic() < until:
        time.sleep(0.5)
        least = min(least, memory(server))
    return least


def warm_up(server: Server, until: float) -> None:
    """Wait until all has begun that will, and until then at least (``time.monotonic()``)."""
    time.sleep(max(0.0, until - time.monotonic()))
    latest = time.monotonic() + AT_LATEST
    begun, size = 0, 0
    while time.monotonic() < latest:
        former, had = begun, size
        begun, size = interpreters(server), memory(server)
        if begun == former and size - had < STILL_COMES:
            return
        time.sleep(STEADY)


@pytest.mark.long
@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_nothing_dies_fails_or_grows(start_server: StartServer, authority: Authority, mpm: str) -> None:
    with at_port(authority) as (tls, variables):
        server = start_server(
            CONF + HTTPS, FILES, mode="foreground", backend="auto", mpm=mpm, workers=WORKERS, threads=8,
            variables=variables,
        )  # fmt: skip
        (server.root / "run" / "sessions").mkdir(mode=0o700)
        wait_for(lambda: len(server.workers()) == WORKERS, "the workers")
        warm = time.monotonic() + LONG * WARM
        Meeting(server, (tls.port, trusting())).run()
        with clients(server, tls.port) as running:
            warm_up(server, warm)
        told = running
        workers = sorted(worker.pid for worker in server.workers())
        before, begun_before = lowest(server, SETTLED), interpreters(server)
        open_before = sum(descriptors(server).values())
        with clients(server, tls.port) as running:
            time.sleep(LONG * (1 - WARM))
        told = [*told, *running]
        statuses = sum((client.statuses for client in told), Counter())
        summary = f"{mpm}: {statuses.total()} connections, {dict(statuses.most_common())}"
        print(summary)
        log = server.log()
        faults = [line for line in log.splitlines() if FAULTS.search(line)]
        assert not faults, "\n".join([summary, *faults[:20]])
        wrong = [what for client in told for what in client.wrong]
        assert not wrong, "\n".join([summary, *wrong[:20]])
        failed = [data for client in told for data in client.failed]
        assert not failed, "\n".join([summary, *(repr(data[:300]) for data in failed[:20])])
        assert sorted(worker.pid for worker in server.workers()) == workers, summary
        ports = (server.port, tls.port)
        wait_for(lambda: not clients_left(server, ports), f"no client to be left: {clients_left(server, ports)}")
        begun = interpreters(server) - begun_before
        most = open_before + EACH * begun + ONCE
        wait_for(
            lambda: sum(descriptors(server).values()) <= most,
            f"{most} descriptors to be left, from {open_before}: {descriptors(server)}",
        )
        after = lowest(server, SETTLED)
        print(f"{mpm}: {before >> 20} MiB after {WARM:.0%} of the time, {after >> 20} MiB at the end")
        assert after - before < GROWTH + OF_EACH * begun, (
            f"{summary}: {before} bytes have become {after}, {begun} begun"
        )
