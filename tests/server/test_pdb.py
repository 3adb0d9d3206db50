"""PythonEnablePdb (manual 5.4.1): the debugger on the terminal of a server of one process, and nowhere else."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import StartServer
from support.processes import nothing_outlives
from support.server import BACKENDS, Reply, Server
from support.waiting import PATIENCE

CONF = """
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler app
    PythonEnablePdb On
</Directory>
<Directory "${WWW}/free">
    PythonEnablePdb Off
</Directory>
<Directory "${WWW}/traced">
    PythonEnablePdb Off
    PythonHandler app::traced
    PythonPath "['${WWW}']"
    PythonInterpreter traced
</Directory>
"""
APP = """from mod_python import apache

def handler(req):
    answer = "asked: " + str(req.args)
    if req.args == "add":
        req.add_handler("PythonHandler", "app::second")
    req.write(answer)
    return apache.OK

def traced(req):
    import pdb
    value = "traced"
    if req.args == "pdb":
        pdb.set_trace()
    elif req.args == "breakpoint":
        breakpoint()
    elif req.args == "mortem":
        try:
            raise ValueError("dead")
        except ValueError:
            pdb.post_mortem()
    req.write(value)
    return apache.OK

def second(req):
    req.write(", twice")
    return apache.OK
"""
FILES: dict[str, str | bytes] = {"app.py": APP, "x": "", "free/x": "", "traced/x": ""}


class Terminal(Server):
    """A server of one process whose standard streams are a terminal."""

    screen = ""

    def _launch(self, *arguments: str) -> None:
        self.terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mpserver", "-f", str(self.conf), "-DONE_PROCESS"],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def close(self) -> None:
        super().close()
        os.close(self.terminal)

    def expect(self, text: str) -> str:
        """Read the screen until it shows a text. :returns: what came up to it."""
        while text not in self.screen:
            readable, _, _ = select.select([self.terminal], [], [], PATIENCE)
            assert readable, f"{text!r} does not come: {self.screen}\n{self.said()}"
            self.screen += os.read(self.terminal, 65536).decode()
        before, _, self.screen = self.screen.partition(text)
        return before

    def type(self, line: str) -> None:
        """Send a line, as from the keyboard."""
        os.write(self.terminal, f"{line}\n".encode())

    @contextmanager
    def asked(self, path: str) -> Iterator[list[Reply]]:
        """Ask beside, and wait for the answer at the end."""
        replies: list[Reply] = []
        beside = threading.Thread(target=lambda: replies.append(self.get(path)))
        beside.start()
        yield replies
        beside.join(PATIENCE)
        assert replies, self.said()


@pytest.fixture(scope="module", params=BACKENDS)
def terminal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, orphanage: None
) -> Iterator[Terminal]:
    folder: Path = tmp_path_factory.mktemp("terminal")
    server = Terminal(folder, CONF, FILES, backend=request.param)
    with nothing_outlives(), server:
        yield server


def test_the_prompt_stands_at_the_first_line(terminal: Terminal) -> None:
    with terminal.asked("/x?one") as replies:
        assert 'answer = "asked: "' in terminal.expect("(Pdb) ")
        terminal.type("p req.args.upper()")
        assert "'ONE'" in terminal.expect("(Pdb) ")
        terminal.type("continue")
    assert (replies[0].status, replies[0].text) == (200, "asked: one")


def test_quitting_fails_that_request_alone(terminal: Terminal) -> None:
    with terminal.asked("/x?one") as replies:
        terminal.expect("(Pdb) ")
        terminal.type("quit")
    assert replies[0].status == 500
    assert "BdbQuit" in terminal.wait_for_log("BdbQuit")
    with terminal.asked("/x?two") as replies:
        terminal.expect("(Pdb) ")
        terminal.type("c")
    assert replies[0].text == "asked: two"


def test_added_handlers_stop_too(terminal: Terminal) -> None:
    with terminal.asked("/x?add") as replies:
        terminal.expect("(Pdb) ")
        terminal.type("c")
        assert 'req.write(", twice")' in terminal.expect("(Pdb) ")
        terminal.type("c")
    assert replies[0].text == "asked: add, twice"


@pytest.mark.parametrize("how", ["pdb", "breakpoint", "mortem"])
def test_what_an_application_calls_itself_prompts_on_the_terminal(terminal: Terminal, how: str) -> None:
    """Though its PythonPath has no library."""
    for _round in range(2):
        with terminal.asked(f"/traced/x?{how}") as replies:
            terminal.expect("(Pdb) ")
            terminal.type("p value.upper()")
            assert "'TRACED'" in terminal.expect("(Pdb) ")
            if how != "mortem":
                terminal.type("value = 'changed'")
                terminal.expect("(Pdb) ")
            terminal.type("c")
        assert (replies[0].status, replies[0].text) == (200, "traced" if how == "mortem" else "changed"), (
            terminal.said()
        )
    assert "(Pdb)" not in terminal.log()


def test_off_where_it_is_off(terminal: Terminal) -> None:
    assert terminal.get("/free/x?one").text == "asked: one"


def test_elsewhere_it_is_ignored(start_server: StartServer) -> None:
    server = start_server(CONF, FILES, mode="foreground")
    assert server.get("/x?one").text == "asked: one"
    server.wait_for_log("PythonEnablePdb is ignored: it needs a server of one process")
    assert "(Pdb)" not in server.said()
