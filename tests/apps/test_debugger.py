"""A debugger that listens (debugpy): attached as an editor does it, a breakpoint of a handler is met."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import StartServer
from support.apps import needs
from support.server import Port
from support.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.apps

CONF = """
<Location />
    SetHandler mod_python
    PythonHandler debugged
    PythonPath "sys.path + ['${WWW}']"
    PythonInterpreter site
</Location>
"""

APP = """
import debugpy
from mod_python import apache

debugpy.listen(("127.0.0.1", {port}))


def handler(req):
    answer = "asked: " + str(req.args)
    req.write(answer)
    return apache.OK
"""

#: The line that writes the answer.
LINE = 1 + next(n for n, line in enumerate(APP.splitlines()) if "req.write" in line)


class Editor:
    """The messages of the debug adapter protocol, as an editor sends and gets them."""

    def __init__(self, sock: socket.socket) -> None:
        self._file = sock.makefile("rwb")
        self._numbers = itertools.count(1)

    def ask(self, command: str, **arguments: Any) -> int:
        """Send a request, and give its number."""
        number = next(self._numbers)
        body = json.dumps({"seq": number, "type": "request", "command": command, "arguments": arguments}).encode()
        self._file.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._file.flush()
        return number

    def hear(self, **like: Any) -> dict[str, Any]:
        """The next message that has this."""
        while True:
            size = 0
            while (line := self._file.readline().strip()) != b"":
                size = int(line.partition(b":")[2]) if line.startswith(b"Content-Length") else size
            message: dict[str, Any] = json.loads(self._file.read(size))
            if like.items() <= message.items():
                return message

    def told(self, command: str, **arguments: Any) -> Any:
        """What a request is answered with."""
        message = self.hear(type="response", request_seq=self.ask(command, **arguments))
        assert message["success"], message
        return message.get("body")


@contextmanager
def attached(port: int, file: Path) -> Iterator[Editor]:
    """An editor with a breakpoint."""

    def dial() -> socket.socket | None:
        try:
            return socket.create_connection(("127.0.0.1", port), PATIENCE)
        except ConnectionRefusedError:
            return None

    with wait_for(dial, "the debugger to listen") as sock:
        editor = Editor(sock)
        editor.told("initialize", adapterID="test", pathFormat="path", linesStartAt1=True)
        attach = editor.ask("attach", justMyCode=False)
        editor.hear(event="initialized")
        found = editor.told("setBreakpoints", source={"path": str(file)}, breakpoints=[{"line": LINE}])
        assert [one["verified"] for one in found["breakpoints"]] == [True]
        editor.told("configurationDone")
        assert editor.hear(type="response", request_seq=attach)["success"]
        yield editor


def test_a_breakpoint_is_met(kind: str, mpm: str, start_server: StartServer) -> None:
    needs("debugpy")
    if kind in ("own", "shared"):
        pytest.skip("it listens in a daemon thread, and traces the main interpreter of a process: auto gives it that")
    port = Port()
    server = start_server(CONF, {"debugged.py": APP.format(port=port.number)}, backend=kind, mpm=mpm)
    port.release()
    assert server.get("/?first").text == "asked: first"
    with ThreadPoolExecutor(1) as threads:
        with attached(port.number, server.www / "debugged.py") as editor:
            asked = threads.submit(server.get, "/?second")
            stopped = editor.hear(event="stopped")["body"]
            assert stopped["reason"] == "breakpoint"
            frame = editor.told("stackTrace", threadId=stopped["threadId"])["stackFrames"][0]
            assert (frame["name"], frame["line"]) == ("handler", LINE)
            value = editor.told("evaluate", expression="answer.upper()", frameId=frame["id"], context="watch")
            assert value["result"] == "'ASKED: SECOND'"
            editor.told("evaluate", expression="answer = 'changed'", frameId=frame["id"], context="repl")
            editor.told("continue", threadId=stopped["threadId"])
            assert asked.result(PATIENCE).text == "changed"
            editor.told("disconnect")
        assert server.get("/?third").text == "asked: third"
    assert "Traceback" not in server.said()
