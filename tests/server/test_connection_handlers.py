"""Connection handlers through a socket (manual 4.4, 4.5.4, 5.3)."""

from __future__ import annotations

import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartServer
from support.checking import untold
from support.server import BACKENDS, Port, Server, listens, receive_all
from support.waiting import PATIENCE, wait_for

ECHO = """
from mod_python import apache

def connectionhandler(conn):

    while 1:
        conn.write(conn.readline())

    return apache.OK
"""

MAIL = '''
from mod_python import apache

def connectionhandler(conn):
    """Mail, as far as a client needs it; it speaks first."""
    conn.write("220 here\\r\\n")
    mail = []
    while True:
        command = conn.readline().decode().rstrip()
        verb = command[:4].upper()
        if verb in ("EHLO", "HELO"):
            conn.write("250 %s greets %s\\r\\n" % (conn.base_server.server_hostname, command[5:]))
        elif verb in ("MAIL", "RCPT"):
            mail.append(command)
            conn.write("250 fine\\r\\n")
        elif verb == "DATA":
            conn.write("354 go on\\r\\n")
            while True:
                line = conn.readline()
                if line == b".\\r\\n":
                    break
                mail.append(line.decode().rstrip())
            apache.log_error("mail: " + "|".join(mail))
            conn.write("250 taken\\r\\n")
        elif verb == "QUIT":
            conn.write("221 bye\\r\\n")
            return apache.OK
        else:
            conn.write("500 what?\\r\\n")
'''

TALK = '''
from mod_python import apache

def show(value):
    return repr(value) + "\\n"

def run(conn):
    """Runs the code that the first line is."""
    code = conn.readline().decode().strip().replace(";;", "\\n")
    scope = {"conn": conn, "apache": apache, "show": show, "result": apache.OK}
    exec(code, scope)
    return scope["result"]

def second(conn):
    conn.write("second")

class Kind:
    def __init__(self, conn):
        self.ip = conn.client_ip

    def method(self, conn):
        conn.write("%s %s %s" % (self.ip, apache.interpreter, conn.base_server.server_hostname))
        return apache.DONE

def declines(conn):
    if conn.notes.get("never"):
        return apache.OK
    return apache.DECLINED

def big(conn):
    size = 0
    while True:
        data = conn.read()
        if data is None:
            break
        size += len(data)
        conn.write(data)
    return apache.OK
'''

PAGE = """
from mod_python import apache

def handler(req):
    req.content_type = "text/plain"
    req.write("a page of %s" % req.server.server_hostname)
    return apache.OK
"""

NAMES = ("echo", "mail", "run", "kind", "declines", "missing", "silent", "big")


def conf() -> str:
    """A virtual host for each handler, and the main server without one."""
    handlers = (
        "echo", "mail", "talk::run talk::second", "talk::Kind.method", "talk::declines", "talk::nobody", "talk::run",
        "talk::big",
    )  # fmt: skip
    hosts = "\n".join(
        f"Listen 127.0.0.1:${{{name}}}\n<VirtualHost 127.0.0.1:${{{name}}}>\nServerName {name}.test\n"
        f"Timeout {1 if name == 'silent' else 60}\n"
        f"PythonConnectionHandler {handler}\n</VirtualHost>"
        for name, handler in zip(NAMES, handlers, strict=True)
    )
    return f"PythonPath \"sys.path + ['${{WWW}}']\"\nSetHandler mod_python\nPythonHandler page\n{hosts}\n"


FILES: dict[str, str | bytes] = {"echo.py": ECHO, "mail.py": MAIL, "talk.py": TALK, "page.py": PAGE}


class Talker:
    """A server, and the ports of its virtual hosts."""

    def __init__(self, server: Server, ports: dict[str, int], backend: str) -> None:
        self.server, self.ports, self.backend = server, ports, backend

    def interpreter(self, name: str) -> str:
        """The name of an interpreter, as applications are told it."""
        return "main_interpreter" if self.backend == "main" else name

    def listens(self, name: str) -> bool:
        """Whether a virtual host can be talked to."""
        return listens(self.ports[name])

    def dial(self, name: str) -> socket.socket:
        """A connection to a virtual host."""
        return socket.create_connection(("127.0.0.1", self.ports[name]), timeout=PATIENCE)

    def say(self, name: str, *parts: bytes) -> bytes:
        """Say something, then nothing more; what is answered until the end."""
        with self.dial(name) as sock:
            for part in parts:
                sock.sendall(part)
            sock.shutdown(socket.SHUT_WR)
            return receive_all(sock)

    def code(self, code: str, *parts: bytes) -> str:
        """Let the handler run some code."""
        return self.say("run", code.encode() + b"\n", *parts).decode()


@pytest.fixture(scope="module", params=[*BACKENDS, "worker"])
def talker(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Talker]:
    """The servers, in each kind of interpreter, and with the worker MPM."""
    ports = {name: Port() for name in NAMES}
    numbers = {name: port.number for name, port in ports.items()}
    variables = {name: str(number) for name, number in numbers.items()}
    options = {"mpm": "worker", "threads": 4} if request.param == "worker" else {}
    backend = BACKENDS[0] if request.param == "worker" else request.param
    server = start_module_server(conf(), FILES, backend=backend, variables=variables, **options)
    talker = Talker(server, numbers, backend)
    wait_for(lambda: talker.listens(NAMES[-1]), "the last port")
    yield talker
    for port in ports.values():
        port.release()


def test_the_manuals_echo(talker: Talker) -> None:
    """Line by line; the last one need not end."""
    with talker.dial("echo") as sock:
        for line in (b"one\n", b"\n", b"three, longer\n"):
            sock.sendall(line)
            assert sock.recv(100) == line
        sock.sendall(b"half")
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b"half"


def test_mail(talker: Talker) -> None:
    """A protocol in which the server speaks first."""
    with smtplib.SMTP("127.0.0.1", talker.ports["mail"], timeout=PATIENCE) as client:
        assert client.ehlo("me")[1].startswith(b"mail.test greets me")
        client.sendmail("a@test", ["b@test"], "Subject: x\r\n\r\nhello\r\n..\r\n")
        assert client.docmd("WHO")[0] == 500
    log = talker.server.wait_for_log("mail: ")
    assert "Subject: x||hello|" in log


@pytest.mark.parametrize(
    ("code", "said", "answer"),
    [
        ("conn.write(show(conn.read()))", b"abc", "b'abc'\n"),
        ("conn.write(show(conn.read()))", b"", "None\n"),
        ("conn.write(show([conn.read(2), conn.read(2)]))", b"abc", "[b'ab', b'c']\n"),
        ("conn.write(show(conn.read(-1)))", b"abc", "b'abc'\n"),
        (
            "conn.write(show([conn.readline(), conn.readline(), conn.readline()]))",
            b"a\nb\nc", "[b'a\\n', b'b\\n', b'c']\n",
        ),
        (
            "conn.write(show([conn.readline(2), conn.readline(), conn.readline(9)]))",
            b"abc\nd\n", "[b'ab', b'c\\n', b'd\\n']\n",
        ),
        ("conn.write(show([conn.readline(1), conn.read(1), conn.read(-1)]))", b"abcd", "[b'a', b'b', b'cd']\n"),
        ("conn.write('\\xe4');;conn.write(b'\\xff');;conn.write('')", b"", "\xe4"),
        (
            "h = conn.hlist;;conn.write(show((h.handler, h.directory)));;h.next();;conn.write(h.handler)",
            b"", "('talk::run', None)\ntalk::second",
        ),
        (
            "conn.notes['a'] = 'b';;conn.write(show((conn.keepalives, conn.aborted, conn.notes['a'])))",
            b"", "(0, 0, 'b')\n",
        ),
        (
            "conn.write(show([conn.local_ip, conn.client_ip, conn.remote_host, conn.client_addr[0]]))",
            b"", "['127.0.0.1', '127.0.0.1', None, '127.0.0.1']\n",
        ),
        ("raise apache.SERVER_RETURN(apache.OK)", b"", ""),
    ],
)  # fmt: skip
def test_reading_and_writing(talker: Talker, code: str, said: bytes, answer: str) -> None:
    """read, readline, write; members; the name of the interpreter."""
    with talker.dial("run") as sock:
        sock.sendall(code.encode() + b"\n" + said)
        sock.shutdown(socket.SHUT_WR)
        found = receive_all(sock)
    assert found == (b"\xc3\xa4\xff" if answer == "\xe4" else answer.encode())


@pytest.mark.parametrize("call", ["conn.read(1)", "conn.readline()", "[conn.read(-1), conn.read(5)]"])
def test_reading_after_the_end(talker: Talker, call: str) -> None:
    """IOError, which applications may catch; read() without a length gives None."""
    caught = f"try: {call};;except IOError as error: conn.write(str(error))"
    assert talker.code(caught) == "Connection read error"
    assert talker.code(f"conn.read();;conn.write(show(conn.read()));;{call}") == "None\n"


def test_read_waits_for_something(talker: Talker) -> None:
    """It does not wait for all that it could give; -1 does."""
    with talker.dial("run") as sock:
        sock.sendall(b"conn.write(show(conn.read(100)));;conn.write(show(conn.read(-1)))\n")
        sock.sendall(b"abc")
        assert sock.recv(100) == b"b'abc'\n"
        sock.sendall(b"def")
        sock.sendall(b"ghi")
        sock.shutdown(socket.SHUT_WR)
        assert receive_all(sock) == b"b'defghi'\n"


def test_long_lines_are_cut(talker: Talker) -> None:
    """Memory has its bounds whatever the client sends."""
    long = b"x" * 100_000 + b"\n"
    answer = talker.code("conn.write(show([len(conn.readline()), len(conn.readline(40000))]))", long)
    assert answer == f"{[65536, 100_001 - 65536]}\n"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("1/0", "ConnectionHandler talk::run: ZeroDivisionError: division by zero"),
        ("result = None", "ConnectionHandler 'talk::run talk::second'"),
        ("result = True", "returned invalid return code."),
        ("conn.write(5)", "TypeError: a bytes-like object is required, not 'int'"),
        ("conn.nothing", "AttributeError: "),
        ("raise SystemExit(3)", "ConnectionHandler talk::run: SystemExit: 3"),
    ],
)
def test_failing_handlers(talker: Talker, code: str, told: str) -> None:
    """The connection ends, the log says why, and others go on."""
    assert talker.code(f"conn.write('begun');;{code}") == "begun"
    talker.server.wait_for_log(told.replace("'talk::run talk::second'", "talk::run"))
    assert talker.say("echo", b"alive\n") == b"alive\n"


def test_a_handler_that_is_not_there(talker: Talker) -> None:
    """The log says so."""
    assert talker.say("missing", b"x\n") == b""
    talker.server.wait_for_log("contains no 'nobody'")


def test_classes(talker: Talker) -> None:
    """A class on the way is made with the connection; the interpreter is the virtual host's."""
    assert talker.say("kind").decode() == f"127.0.0.1 {talker.interpreter('kind.test')} kind.test"


def test_declining_leaves_it_to_http(talker: Talker) -> None:
    """Then the connection is one like others: with several requests, in the interpreters that they belong to."""
    get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with talker.dial("declines") as sock:
        for _ in range(2):
            sock.sendall(get)
            answer = b""
            while not answer.endswith((b"a page of declines.test", b"\n0\r\n\r\n")):  # with a length, or in chunks
                answer += sock.recv(4096) or b"0\r\n\r\n"
            assert b"a page of declines.test" in answer
    answer = talker.say("declines", get + get.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answer.count(b"a page of declines.test") == 2
    assert talker.code("conn.readline();;result = apache.DECLINED", b"first\n" + get).count("a page of run.test") == 1


def test_the_main_server_stays_one_of_http(talker: Talker) -> None:
    """Only the address counts."""
    assert talker.server.get("/").text == "a page of localhost"


def test_a_silent_client(talker: Talker) -> None:
    """It is given up after Timeout."""
    started = time.monotonic()
    with talker.dial("silent") as sock:
        sock.sendall(b"try: conn.read();;except IOError as error: conn.write('%s %d' % (error, conn.aborted))\n")
        assert receive_all(sock) == b"Connection read error 1"
    assert 0.9 < time.monotonic() - started < PATIENCE


def test_much_data(talker: Talker) -> None:
    """Both ways at once."""
    data = b"0123456789abcdef" * (1 << 18)
    with talker.dial("big") as sock:

        def send() -> None:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=send)
        thread.start()
        assert receive_all(sock) == data
        thread.join()


def test_faulty_directives(tmp_path: Path) -> None:
    """Named by -t."""
    faults = {
        "PythonConnectionHandler": "needs a handler",
        "PythonConnectionHandler echo | .py": "a connection has no file",
        "<Directory />\nPythonConnectionHandler echo\n</Directory>": "not allowed",
    }
    assert untold(tmp_path, faults) == []
