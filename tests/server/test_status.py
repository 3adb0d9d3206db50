"""``mpserver --status``: the accounts of interpreters, as operators read them."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import time
from typing import Any

import pytest

from conftest import StartServer
from mpserver.cli import status
from mpserver.ipc import control_path
from support.held import HOLD, held
from support.processes import run_code
from support.server import BACKENDS, Server, receive_all
from support.waiting import PATIENCE, wait_for

CONF = """
<Location />
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler app
</Location>
"""

APP = f"""{HOLD}
from mod_python import apache


def handler(req):
    req.content_type = "text/plain"
    if req.uri == "/wait":
        hold()
    if req.uri == "/work":
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
    if req.uri == "/fail":
        raise KeyError("no such thing")
    req.write("x" * 1000, 0)
    return apache.OK
"""


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One worker of each kind."""
    return start_module_server(CONF, {"app.py": APP}, mode="foreground", backend=request.param)


def interpreter(server: Server) -> dict[str, Any]:
    """The account of the application's interpreter."""
    found = next(status.ask(str(server.pid_file), {"command": "status"}, PATIENCE))
    status.complete(found)
    return next(i for worker in found["workers"] for i in worker["interpreters"] if i["modules"])


def test_what_an_interpreter_did_is_counted(server: Server) -> None:
    assert server.get("/").status == 200
    # (one that has answered may not have come to its end, and counts then)
    before = wait_for(lambda: (i := interpreter(server))["state"] == "_" and i, "the request's end")
    assert isinstance(before, dict)
    for path in ("/", "/work", "/fail"):
        server.get(path)
    after = wait_for(lambda: (i := interpreter(server))["requests"] == before["requests"] + 3 and i, "the count")
    assert isinstance(after, dict)
    assert after["errors"] == before["errors"] + 1
    assert after["bytes"] > before["bytes"] + 2000
    assert after["busy"] > before["busy"] + 0.19
    assert after["cpu"] >= before["cpu"] + 0.15
    assert "no such thing" in after["error"]
    assert time.time() - 60 < after["failed"] < time.time()
    assert before["started"] == after["started"] < time.time()
    assert "app" in after["modules"]
    assert not any(name.startswith(("mpserver", "json", "os")) for name in after["modules"])
    if after["kind"] == "process":
        assert after["rss"] > 1 << 20
        assert after["pid"] not in [worker.pid for worker in server.workers()]
    else:
        assert after["pid"] == server.workers()[0].pid


def test_the_request_at_hand_is_shown(server: Server) -> None:
    assert server.get("/").status == 200  # (an interpreter that only starts is not found by its modules)
    with held(server, "/wait?for=it"):
        # (a request's line and its interpreter's state are not read in one moment)
        busy = wait_for(lambda: (i := interpreter(server))["state"] == "W" and "wait" in i["line"] and i, "it")
        assert isinstance(busy, dict)
        assert busy["line"] == "GET /wait?for=it HTTP/1.1"
        assert abs(time.time() - busy["began"]) < PATIENCE
        assert "GET /wait?for=it HTTP/1.1" in server.command("--status").stdout


def test_the_command_prints_a_table_and_json(server: Server) -> None:
    assert server.get("/").status == 200
    shown = server.command("--status").stdout
    found = json.loads(server.command("--status", "--json").stdout)
    assert shown.startswith(f"mpserver/{found['version']}, pid {found['pid']}, up ")
    assert server.master is not None
    assert found["pid"] == server.master.pid
    for item in [*found["workers"], *found["workers"][0]["interpreters"]]:
        assert str(item["pid"]) in shown
    for name in ("WORKER", "KIND", "NAME", "REQUESTS", "MEMORY"):
        assert name in shown


def test_only_the_servers_account_may_ask(server: Server) -> None:
    found = os.stat(control_path.path(str(server.pid_file)))
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another account")
def test_another_account_is_refused_whatever_the_mode_is(server: Server) -> None:
    folder, name = os.path.split(control_path.path(str(server.pid_file)))
    code = f"""
        import os, socket
        os.chdir({folder!r})
        os.chmod({name!r}, 0o666)
        os.setgid(65534)
        os.setuid(65534)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect({name!r})
            try:
                sock.sendall(b'{{"command": "status"}}\\n')
            except OSError:  # (it was closed already, behind the answer)
                pass
            print(sock.recv(4096).decode())
    """
    try:
        assert json.loads(run_code(code)) == {"error": "the control socket is for the server's account alone"}
    finally:
        os.chmod(os.path.join(folder, name), 0o600)
    assert re.search(r"process \d+ of user 65534 was refused at the control socket", server.log())
    assert json.loads(server.command("--status", "--json").stdout)["workers"]


@pytest.mark.parametrize("line", ["", "{", "[]", '{"command": "no"}', '{"command": {}}', "x" * 70000])
def test_what_is_no_command_is_refused(server: Server, line: str) -> None:
    assert b"no command that the server knows" in _asked(server, line)
    assert server.get("/").status == 200


def _asked(server: Server, line: str) -> bytes:
    """What the control socket answers to a line."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(PATIENCE)
        folder, name = control_path.near(control_path.path(str(server.pid_file)))
        sock.connect(name)
        os.close(folder)
        sock.sendall(line.encode() + b"\n")
        return receive_all(sock)


def test_a_command_may_ask_for_anything(server: Server) -> None:
    for command in ("trace", "stacks", "recycle", "report"):
        for value in ('"x"', "null", "1" + "0" * 50, "1e999", "-1", "[[]]", "{}", '"\\ud800"', '"\\u0000"'):
            names = ", ".join(f'"{name}": {value}' for name in ("name", "request", "address", "port", "tls"))
            told = [json.loads(line) for line in _asked(server, f'{{"command": "{command}", {names}}}').splitlines()]
            assert told or command == "stacks"  # (it has a line for each interpreter of the name)
            assert all("error" not in line for line in told), told
    line = f'{{"command": "trace", "request": "GET / HTTP/1.0\\r\\n\\r\\n", "address": "127.0.0.1", "port": {10**50}}}'
    assert json.loads(_asked(server, line))["why"] == ""
    assert server.get("/").status == 200


def test_a_command_that_fails_is_answered_and_those_behind_it_have_their_turn(server: Server) -> None:
    told = json.loads(_asked(server, '{"command": "reload"}'))
    assert told == {"error": "the command failed: KeyError: 'name'"}
    server.wait_for_log("the command 'reload' of the control socket failed: KeyError: 'name'")
    [last] = _asked(server, '{"command": "recycle", "name": "nobody"}').splitlines()
    assert json.loads(last)["why"] == "no worker has an interpreter 'nobody'"
