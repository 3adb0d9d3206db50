"""The guides, done as they say: their files are written down, their servers started, their commands typed.

A page takes part by its blocks: "`site/FILE`:" before a block is a file of /srv/site, and a block of ``console`` has
commands with what they show, in which ``...`` stands for anything. Here /srv/site is a folder of the test, and the
ports are those that the kernel gives.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.pages import ANY, page, steps, typed
from support.processes import PROJECT, descendants, nothing_outlives
from support.server import Port
from support.waiting import PATIENCE, wait_for

PAGES = sorted(
    str(path.relative_to(PROJECT / "docs"))
    for path in (PROJECT / "docs").rglob("*.md")
    if "\n```console\n" in path.read_text()
)
#: The ports that pages name, for servers and for what they keep for programs.
PORTS = ("8000", "8080", "8081", "8443", "9000", "9901")


class Reader:
    """Somebody who does what a page says, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.others = descendants()
        self.site = folder / "site"
        self.site.mkdir()
        self.ports = {name: Port(everywhere=True) for name in PORTS}
        self.servers: list[subprocess.Popen[bytes]] = []
        self.written: dict[str, str] = {}
        commands = folder / "bin"
        commands.mkdir()
        for name, words in {"mpserver": "-m mpserver", "python": "", "mod_python": "-m mod_python.command"}.items():
            (commands / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words} "$@"\n')
            (commands / name).chmod(0o755)
        self.environ = {
            **os.environ, "PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(PROJECT), "LC_ALL": "C.UTF-8",
            "HOME": str(folder), "TMPDIR": str(folder),
        }  # fmt: skip
        # (at a terminal curl shows no progress, which it does for our pipe)
        (folder / ".curlrc").write_text("silent\nshow-error\n")
        self.console = folder / "console"

    def here(self, text: str) -> str:
        """What a page says, for this folder and these ports."""
        text = text.replace("/srv/site", str(self.site))
        for name, port in self.ports.items():
            text = re.sub(rf"(?<![\d.]){name}\b", str(port.number), text)
        return text

    def there(self, text: str) -> str:
        """The same the other way."""
        text = text.replace(str(self.site), "/srv/site")
        for name, port in self.ports.items():
            text = re.sub(rf"\b{port.number}\b", name, text)
        return text

    def write(self, file: str, text: str) -> None:
        """A file of the page."""
        path = self.site / file
        path.parent.mkdir(parents=True, exist_ok=True)
        text = self.here(text)
        if file in self.written and self.written[file] == text:
            return
        self.written[file] = text
        if path.suffix == ".conf":
            # (root has to say whom it serves as, and only tests serve as root)
            text = text.replace("User www-data\n", "")
            if os.geteuid() == 0:
                text += "User root\n"
        path.write_text(text)

    def type(self, command: str, shown: str) -> None:
        """Type a command. One that serves goes on in the background, as in another terminal."""
        command = self.here(command)
        if re.match(r"mpserver (-X|serve)\b(?!.*--print)", command):
            self._serve(command)
            return
        code, found = self._run(command)

        def comes() -> bool:
            nonlocal code, found
            code, found = self._run(command)
            return same(shown, found)

        if re.match(r"grep ", command) and not same(shown, found):
            wait_for(comes, f"$ {command}: {shown}")  # (an answer may be here before its line in a log)
        assert same(shown, found), f"$ {command}\n{found}\nand not\n{shown}\n{self.log()}"
        assert shown or code == 0, f"$ {command}\n{found}\n{self.log()}"

    def _run(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.site, env=self.environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=4 * PATIENCE, check=False,
        )  # fmt: skip
        return done.returncode, self.there(done.stdout).replace("\r\n", "\n")

    def _ports(self, command: str) -> list[int]:
        """Where a server will listen."""
        conf = re.search(r"-f (\S+)", command)
        text = Path(self.site, conf[1] if conf else "mpserver.conf").read_text() if "mpserver -X" in command else ""
        told = re.findall(r"^\s*Listen\s+(?:\S+:)?(\d+)", text, re.MULTILINE) or re.findall(r":(\d+)$", command)
        return [int(port) for port in told] or [self.ports["8000"].number]

    def _serve(self, command: str) -> None:
        if " serve " in command and "--bind" not in command:
            command += f" --bind 127.0.0.1:{self.ports['8000'].number}"  # (the page means the default)
        ports = self._ports(command)
        if os.geteuid() == 0 and " serve " not in command:
            command += " -C 'User root'"
        with self.console.open("ab") as console:
            server = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.site, env=self.environ, stdin=subprocess.DEVNULL,
                stdout=console, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.servers.append(server)

        def listens() -> bool:
            assert server.poll() is None, f"$ {command}\n{self.log()}"
            return not any(free(port) for port in ports)

        wait_for(listens, f"somebody to listen: {command}")

    def log(self) -> str:
        """What the servers said."""
        files = [self.console, *sorted(self.site.rglob("*log"))]
        return "".join(file.read_text(errors="replace") for file in files if file.is_file())

    def stop(self) -> None:
        """Ctrl-C in all terminals; some of a server's processes end after it."""
        for server in self.servers:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
        for server in self.servers:
            server.wait(PATIENCE)
        # (those of daemons, which the page has told to end, as well)
        psutil.wait_procs(descendants() - self.others, timeout=PATIENCE)
        for port in self.ports.values():
            port.release()


def free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        probe.settimeout(PATIENCE)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def same(shown: str, found: str) -> bool:
    """Whether a command showed what a page says; lines are compared without blanks at their ends."""
    if not shown:
        return True
    pattern = ".*?".join(
        re.escape(part) for part in re.sub(r"[ \t]+$", "", shown, flags=re.MULTILINE).strip("\n").split("...")
    )
    return re.fullmatch(pattern, re.sub(r"[ \t]+$", "", found, flags=re.MULTILINE).strip("\n"), re.DOTALL) is not None


@pytest.fixture
def reader(tmp_path: Path, orphanage: None) -> Iterator[Reader]:
    """A reader, whose servers end with the test."""
    with nothing_outlives(), contextlib.closing(contextlib.ExitStack()) as stack:
        reader = Reader(tmp_path)
        stack.callback(reader.stop)
        yield reader


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guides ask with curl")
@pytest.mark.parametrize("name", PAGES)
def test_what_the_page_says_happens(reader: Reader, name: str) -> None:
    told = steps(page(name))
    # (a module that was looked for in vain is not looked for again within a second)
    for file, text in {step.file: step.text for step in reversed(told) if step.file}.items():
        reader.write(file, text)
    for step in told:
        if step.file is not None:
            reader.write(step.file, step.text)
        else:
            for command, shown in typed(step.text):
                reader.type(command, shown)


@pytest.mark.parametrize("name", PAGES)
def test_no_block_is_left_out(name: str) -> None:
    text = page(name)
    assert len(ANY.findall(text)) == len(steps(text)), "a block without the line that tells its file is run by nobody"


def test_what_was_shown_is_compared() -> None:
    assert same("a ... c\n", "a bb c  \n")
    assert not same("a c\n", "a b c\n")
    assert not same("a\n", "a\nb\n")
