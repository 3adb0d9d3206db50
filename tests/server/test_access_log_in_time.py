"""Lines of the access log wait for each other and for nothing else; no crash and no restart loses any."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import signal
import socket
import threading

import psutil
import pytest

from conftest import StartServer
from support.held import HOLD, let_go
from support.processes import alive
from support.server import BACKENDS, EACH_AND_THREADS, EACH_IN_BOTH, Server, receive_until
from support.waiting import PATIENCE, wait_for

CONF = """
    CustomLog logs/access.log "%r %>s"
    <Directory "${WWW}">
        SetHandler mod_python
        PythonHandler app
    </Directory>
"""

APP = (
    HOLD
    + """
import signal
import threading

def handler(req):
    if req.args == "hold":
        hold()
    elif req.args in ("die", "leave"):
        with open(os.path.join(ROOT, req.args), "w") as file:
            file.write(str(os.getpid()))
    if req.args == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
        threading.Event().wait()  # (the signal may be another thread's)
    elif req.args == "leave":
        os._exit(3)
    req.write("ok of %s by %d" % (req.args, os.getpid()))
    return 0
"""
)
FILES: dict[str, str | bytes] = {"app.py": APP}


def piped(port: int, *queries: str) -> socket.socket:
    """A connection with several requests that come in one piece."""
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    sock.sendall(b"".join(f"GET /app?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for query in queries))
    return sock


def line(query: str, status: int = 200) -> str:
    """Its line."""
    return f"GET /app?{query} HTTP/1.1 {status}"


def logged(server: Server) -> list[str]:
    """The lines of the access log."""
    return server.log("access.log").splitlines()


@pytest.mark.parametrize(("backend", "mpm"), EACH_IN_BOTH)
def test_lines_of_answered_requests_outlive_a_crash(start_server: StartServer, backend: str, mpm: str) -> None:
    """The requests come together, so that no line of them was written when the last one ends the process."""
    server = start_server(CONF, FILES, mode="foreground", backend=backend, mpm=mpm)
    for end in ("die", "leave"):
        queries, data = [f"{end}{number}" for number in range(3)], b""
        with contextlib.suppress(ConnectionError), piped(server.port, *queries, end) as sock:
            while piece := sock.recv(65536):
                data += piece
                if b"ok of %s2 " % end.encode() in data:
                    break
        expected = [line(query) for query in queries if f"ok of {query} ".encode() in data]
        # (while it ends, a thread of its may answer others, and end before it has written their lines)
        wait_for(lambda end=end: is_gone(server, end), "its end")  # type: ignore[misc]
        wait_for(lambda expected=expected: set(expected) <= set(logged(server)), "the lines")  # type: ignore[misc]
        wait_for(lambda end=end: answers(server, f"after-{end}"), "another process")  # type: ignore[misc]
        wait_for(lambda end=end: line(f"after-{end}") in logged(server), "its line")  # type: ignore[misc]
        assert [text for text in logged(server) if text in expected] == expected


def is_gone(server: Server, end: str) -> bool:
    """Whether the process has ended that has said so in the file of this name."""
    file = server.root / end
    pid = file.read_text() if file.exists() else ""
    return bool(pid) and not psutil.pid_exists(int(pid))


def answers(server: Server, query: str) -> bool:
    """Whether somebody serves the application."""
    try:
        return server.get(f"/app?{query}").status == 200
    except (OSError, http.client.HTTPException):
        return False


@pytest.mark.parametrize(("backend", "mpm"), EACH_AND_THREADS)
def test_lines_do_not_wait_for_requests_that_take_long(start_server: StartServer, backend: str, mpm: str) -> None:
    server = start_server(CONF, FILES, mode="foreground", backend=backend, mpm=mpm)
    for number in range(3):  # (the interpreter, and what looks after its lines, are in another state each time)
        (server.root / "go").unlink(missing_ok=True)
        with piped(server.port, f"before{number}", "hold", f"after{number}") as sock:
            receive_until(sock, f"ok of before{number}".encode())
            wait_for(lambda number=number: line(f"before{number}") in logged(server), "the line of the first")  # type: ignore[misc]
            let_go(server)
            receive_until(sock, f"ok of after{number}".encode())
            wait_for(lambda number=number: line(f"after{number}") in logged(server), "the line of the last")  # type: ignore[misc]
    order = [text.split("?")[1].split()[0] for text in logged(server)]
    assert order == [name for number in range(3) for name in (f"before{number}", "hold", f"after{number}")]


@pytest.mark.parametrize(("backend", "mpm"), EACH_AND_THREADS)
def test_no_restart_loses_a_line(start_server: StartServer, backend: str, mpm: str) -> None:
    """While logs are moved away and the server restarts, each answered request has one line, whole, in each log."""
    conf = CONF + f'CustomLog "|$cat >> ${{ROOT}}/logs/piped.log" "%r %>s {"x" * 500}"'
    server = start_server(conf, FILES, mode="foreground", backend=backend, mpm=mpm, workers=2)
    over = threading.Event()
    answered: list[str] = []

    def client(name: int) -> None:
        for number in itertools.count():
            if over.is_set():
                return
            queries = [f"{name}.{number}.{part}" for part in range(5)]
            data = b""
            with contextlib.suppress(ConnectionError), piped(server.port, *queries) as sock:
                while f"ok of {queries[-1]} ".encode() not in data and (piece := sock.recv(65536)):
                    data += piece
            answered.extend(query for query in queries if f"ok of {query} ".encode() in data)

    clients = [threading.Thread(target=client, args=(name,)) for name in range(3)]
    for thread in clients:
        thread.start()
    try:
        for generation in (1, 2):
            wanted = len(answered) + 50
            wait_for(lambda wanted=wanted: len(answered) > wanted, "answers")  # type: ignore[misc]
            (server.logs / "access.log").rename(server.logs / f"access.log.{generation}")
            server.send(signal.SIGUSR1)
            wait_for(lambda: (server.logs / "access.log").exists(), "the new log")
            wait_for(lambda: logged(server), "its lines")
    finally:
        over.set()
        for thread in clients:
            thread.join()
    server.stop(signal.SIGWINCH)
    lines = "".join(server.log(name) for name in ("access.log.1", "access.log.2", "access.log")).splitlines()
    assert set(map(line, answered)) <= set(lines)
    assert len(set(lines)) == len(lines)
    wait_for(lambda: len(server.log("piped.log").splitlines()) >= len(lines), "the lines of the program")
    assert sorted(text.removesuffix(" " + "x" * 500) for text in server.log("piped.log").splitlines()) == sorted(lines)


@pytest.mark.parametrize("backend", BACKENDS)
def test_buffered_lines(start_server: StartServer, backend: str) -> None:
    """They come after a second; or when there are many; and at the end, whatever that is."""
    server = start_server("BufferedLogs On\n" + CONF, FILES, mode="foreground", backend=backend)
    server.get("/app?first")
    wait_for(lambda: logged(server) == [line("first")], "the line, after a while")
    count = 16384 // len(line("1000") + "\n")
    with server.connection() as connection:
        for number in range(1000, 1000 + count + 1):
            connection.request("GET", f"/app?{number}")
            connection.getresponse().read()
    wait_for(lambda: len(logged(server)) > count, "the lines, when there are many")
    process = psutil.Process(int(server.get("/app?killed").text.rpartition(" ")[2]))  # (who has served it)
    assert server.get("/app?beside").status == 200  # (a client has its answer before its line is made)
    process.kill()
    wait_for(lambda: not alive(process), "its end")
    wait_for(lambda: line("killed") in logged(server), "the line of what a killed process has answered")
    wait_for(lambda: answers(server, "last"), "another one")
    server.stop()
    assert line("last") in logged(server)
    assert len(set(logged(server))) == len(logged(server))
