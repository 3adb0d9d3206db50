"""Commands that are interrupted, whose server does not answer, or whose folder is gone: what they say, in a line."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.waiting import PATIENCE

CONF = """
ServerName localhost
Listen 127.0.0.1:9
User root
PidFile mpserver.pid
"""


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """What a command takes for a server, in a folder with a configuration."""
    (tmp_path / "site.conf").write_text(CONF)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "mpserver.control"))
        sock.listen()
        sock.settimeout(PATIENCE)
        yield sock


def told(listener: socket.socket, folder: Path, *words: str, answer: bytes) -> tuple[int, str]:
    """What a command says, and its status, where the server says something and is gone."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mpserver", "-f", "site.conf", *words],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    client, _ = listener.accept()
    with client, client.makefile("rb") as lines:
        lines.readline()
        client.sendall(answer)
    return process.wait(PATIENCE), process.communicate()[0]


@pytest.mark.parametrize("words", [("--status",), ("--status", "--json")])
def test_a_server_that_ends_before_it_answers(listener: socket.socket, tmp_path: Path, words: tuple[str, ...]) -> None:
    assert told(listener, tmp_path, *words, answer=b"") == (1, "the server ended before it answered\n")
    assert told(listener, tmp_path, *words, answer=b'{"error": "so it is"}\n') == (1, "so it is\n")


@pytest.mark.parametrize("words", [("--status",), ("--recycle", "all"), ("--stacks", "x")])
def test_one_that_ends_in_the_middle_of_its_answer(
    listener: socket.socket, tmp_path: Path, words: tuple[str, ...]
) -> None:
    said = f"the server ended in the middle of its answer at {tmp_path}/mpserver.control\n"
    assert told(listener, tmp_path, *words, answer=b'{"workers": [') == (1, said)


def test_one_that_does_not_answer(listener: socket.socket, tmp_path: Path) -> None:
    code = "from mpserver.cli import main, status; status.STATUS_WITHIN = 0.1; main.sys.exit(main.main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "-f", "site.conf", "--status"],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    said = f"no answer from {tmp_path}/mpserver.control within 0.1 seconds: is the server stopped?\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_who_waits_may_give_up(listener: socket.socket, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "mpserver", "-f", "site.conf", "--recycle", "all"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # (who runs the tests in the background of a shell has it ignored)
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    client, _ = listener.accept()
    with client, client.makefile("rb") as lines:
        lines.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == ("", "")
    assert process.returncode == 128 + signal.SIGINT


def test_no_password_is_typed(tmp_path: Path) -> None:
    """Ctrl-D at the question."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "mpserver", "htpasswd", "-c", str(tmp_path / "users"), "zoe"])
    said = b""
    while b"New password: " not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x04")
    _pid, status = os.waitpid(pid, 0)
    said = os.read(terminal, 10000)
    os.close(terminal)
    assert (os.waitstatus_to_exitcode(status), said.strip()) == (1, b"mpserver: no password was typed")
    assert os.listdir(tmp_path) == []


def test_the_current_folder_is_gone(tmp_path: Path) -> None:
    (tmp_path / "site.conf").write_text(CONF)
    gone = tmp_path / "gone"
    gone.mkdir()

    def there(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            ["sh", "-c", 'cd "$1" && rmdir "$1" && shift && exec "$@"', "sh", str(gone), sys.executable, "-m",
             "mpserver", *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        gone.mkdir()
        return done.returncode, done.stdout

    said = "mpserver: the current folder is not there any more: go to one that is\n"
    for words in (("-X",), ("-t", "-f", "site.conf"), ("serve", "."), ("new", "site"), ("--status",)):
        assert there(*words) == (1, said), words
    whole = str(tmp_path / "site.conf")
    assert there("-t", "-f", whole) == (0, "Syntax OK\n")
    assert there("-k", "stop", "-f", whole) == (0, "mpserver (no pid file) not running\n")
    assert there("-k", "start", "-f", whole)[1].startswith("(2)No such file or directory: AH02291: ")
