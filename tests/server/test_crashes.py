"""A process interpreter that crashes: its requests in flight fail, and nobody else's; loops back off."""

from __future__ import annotations

import http.client
import re
import signal
import threading
import time

import psutil
import pytest

from conftest import StartServer
from support.processes import alive, descendants, describe
from support.server import Server, receive_all
from support.waiting import wait_for

APP = """
import ctypes
import os
import signal
import time
from mod_python import apache

gate = os.path.join(os.path.dirname(__file__), "gate")


def handler(req):
    req.content_type = "text/plain"
    how = req.args
    if how == "exit":
        os._exit(7)
    if how == "fault":
        ctypes.string_at(0)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "begun":
        req.write("begun" * 1000)
        os._exit(7)
    if how == "late":
        req.register_cleanup(os._exit, 7)
    if how == "read":
        req.read()
        os._exit(7)
    if how == "slow":
        open(gate + ".entered", "w").close()
        while not os.path.exists(gate):
            time.sleep(0.001)
        os._exit(7)
    req.write(str(os.getpid()), 0)
    return apache.OK
"""

#: Each test has an application of its own, since one that crashes often is held back.
NAMES = ("app", "other", "exit", "fault", "kill", "later", "first", "begun", "late", "wait", "part", "closed")

CONF = (
    "".join(
        f"""
<Location /{name}>
    SetHandler mod_python
    PythonHandler app
    PythonInterpreter {name}
</Location>
"""
        for name in NAMES
    )
    + """
PythonPath "sys.path + ['${WWW}']"
"""
)


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> Server:
    """A server whose applications are processes."""
    return start_module_server(CONF, {"app.py": APP}, backend="process")


def get(connection: http.client.HTTPConnection, path: str) -> tuple[int, str]:
    """A request on a connection that is kept."""
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


ENDS = {"exit": "exited with status 7", "fault": "signal 11 (SIGSEGV)", "kill": "signal 9 (SIGKILL)"}


@pytest.mark.parametrize("how", ENDS)
def test_the_request_that_crashes_is_answered_with_500_and_the_next_one_served(server: Server, how: str) -> None:
    first = server.get(f"/{how}").text
    reply = server.get(f"/{how}?{how}")
    assert (reply.status, reply.header("Connection")) == (500, "close")
    assert "Internal Server Error" in reply.text
    log = server.wait_for_log(ENDS[how])
    assert f"interpreter '{how}' crashed in this request: GET /{how}?{how} HTTP/1.1" in log
    assert server.get(f"/{how}").text not in ("", first)


def test_a_later_request_of_a_connection_is_answered_with_500(server: Server) -> None:
    other = server.get("/other").text
    with server.connection() as connection:
        for _ in range(3):
            assert get(connection, "/later")[0] == 200
        assert get(connection, "/later?exit")[0] == 500
        assert connection.sock is None
    assert server.get("/other").text == other  # (another application's process)


def test_the_first_request_of_an_interpreter_may_be_the_one_that_crashes(server: Server) -> None:
    assert server.get("/first?exit").status == 500
    body = b"x" * 300_000
    assert server.request("POST", "/first?read", body).status == 500
    assert server.get("/first").status == 200


def test_an_answer_that_has_begun_is_cut(server: Server) -> None:
    with server.dial() as client:
        client.sendall(b"GET /begun?begun HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = receive_all(client)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"begun" in answer
    assert b"500" not in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_a_crash_after_the_answer_harms_nobody(server: Server) -> None:
    with server.connection() as connection:
        status, pid = get(connection, "/late?late")
        assert status == 200
        server.wait_for_log("exited with status 7")
        status, other = get(connection, "/late")  # the same connection, another process
        assert (status, other != pid) == (200, True)


def test_connections_that_only_wait_and_requests_that_nobody_took_go_to_the_next(server: Server) -> None:
    with server.connection() as idle, server.connection() as asking, server.dial() as busy:
        pid = get(idle, "/wait")[1]
        assert get(asking, "/wait")[1] == pid
        busy.sendall(b"GET /wait?slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for(lambda: (server.www / "gate.entered").exists(), "the slow request")
        asking.request("GET", "/wait")  # unread in its socket
        with server.dial() as new:
            new.sendall(b"GET /wait HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")  # and in the inbox
            (server.www / "gate").touch()
            assert receive_all(busy).startswith(b"HTTP/1.1 500 ")
            assert receive_all(new).startswith(b"HTTP/1.1 200 ")
        response = asking.getresponse()
        assert (response.status, response.read().decode() != pid) == (200, True)
        assert get(idle, "/wait")[0] == 200
        assert idle.sock is not None


def test_a_part_of_a_request_that_was_read_is_not_taken_for_the_next(server: Server) -> None:
    with server.dial() as client, server.connection() as other:
        assert get(other, "/part")[0] == 200
        client.sendall(b"GET /part HTTP/1.1\r\nHost: localhost\r\n\r\n")
        pid = client.recv(65536).partition(b"\r\n\r\n")[2]
        client.sendall(b"GET /part?")
        process = psutil.Process(int(pid))
        wait_for(lambda: process.status() == psutil.STATUS_SLEEPING, "the part to be read")
        get(other, "/part")  # (one after it: the part was read before)
        process.send_signal(signal.SIGSEGV)
        assert receive_all(client).startswith(b"HTTP/1.1 500 ")


def test_closed_connections_are_let_go(server: Server) -> None:
    def descriptors() -> int:
        assert server.master is not None
        return server.master.num_fds()

    server.get("/closed")
    before = descriptors()
    for _ in range(20):
        assert server.get("/closed").status == 200
    with server.connection() as connection:
        for _ in range(20):
            get(connection, "/closed")
    wait_for(lambda: descriptors() <= before + 1, "the router to close its duplicates")


def test_an_application_that_only_crashes_is_held_back_and_comes_back(start_server: StartServer) -> None:
    server = start_server(CONF, {"app.py": APP}, backend="process", mode="daemon", workers=2)
    statuses = []
    for _ in range(20):
        reply = server.get("/app?exit")
        statuses.append(reply.status)
        if reply.status == 503:
            break
    assert set(statuses[:-1]) == {500}
    assert len(statuses) > 5
    assert (reply.status, reply.header("Retry-After")) == (503, "1")
    log = server.wait_for_log("is not started for now")
    assert len(re.findall("crashes again and again, so for 1 s none is started", log)) == 1
    assert server.get("/other").status == 200
    wait_for(lambda: server.get("/app").status == 200, "the application to be back")


def test_a_module_that_crashes_while_it_is_loaded(start_server: StartServer) -> None:
    app = "import os, mod_python.apache\nif os.path.exists(__file__ + '.bad'): os._exit(9)\n" + APP
    server = start_server(CONF, {"app.py": app, "app.py.bad": ""}, backend="process", mode="daemon")
    assert server.get("/app").status == 500
    server.wait_for_log("exited with status 9")
    (server.www / "app.py.bad").unlink()
    assert server.get("/app").status == 200


def test_many_clients_meet_crashes(start_server: StartServer) -> None:
    """Each request is answered once: with 200, or with 500 where its own interpreter crashed under it."""
    server = start_server(CONF, {"app.py": APP}, backend="process", mode="daemon", workers=2)
    failed: list[object] = []

    def ask() -> None:
        with server.connection() as connection:
            for _ in range(50):
                try:
                    status, _text = get(connection, "/app")
                except OSError as error:
                    failed.append(error)
                    return
                if status != 200:
                    failed.append(status)

    clients = [threading.Thread(target=ask) for _ in range(8)]
    for client in clients:
        client.start()
    for _ in range(3):
        time.sleep(0.05)
        assert server.get("/app?exit").status == 500
    for client in clients:
        client.join()
    assert not failed


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_a_process_whose_worker_was_killed_does_not_go_on_for_ever(start_server: StartServer, mpm: str) -> None:
    server = start_server(CONF, {"app.py": APP}, backend="process", mode="daemon", workers=1, mpm=mpm)
    with server.dial() as busy:
        busy.sendall(b"GET /wait?slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for(lambda: (server.www / "gate.entered").exists(), "the request to be served")
        [worker] = server.workers()
        assert server.master is not None
        [process] = [p for p in descendants(server.master) if "mpserver: interpreter" in describe(p)]
        worker.kill()
        assert server.get("/other").status == 200  # of the next worker
        wait_for(lambda: not alive(process), "the process to end")
    assert "interpreter 'wait' ends in a request: its worker is gone" in server.log()
