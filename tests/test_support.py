"""The tests' own means: they would otherwise fail to notice."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from conftest import pytest_collection_modifyitems
from support.processes import (
    adopt_orphans,
    alive,
    descendants,
    end,
    nothing_outlives,
    open_files,
    run_code,
    session,
    threads,
)
from support.server import Port
from support.smtp import Sink
from support.waiting import wait_for

#: Starts a process that leaves its session, prints its number and sleeps: a daemon.
DAEMON = """
import subprocess, sys
sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(sleeper, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
print(child.pid)
"""


def test_a_daemon_that_stays_is_found_and_killed() -> None:
    adopt_orphans()
    with pytest.raises(AssertionError, match="outlived"), nothing_outlives():
        said = subprocess.run([sys.executable, "-c", DAEMON], check=True, capture_output=True, text=True)
        daemon = psutil.Process(int(said.stdout))
        assert alive(daemon)
    assert not alive(daemon)


#: Starts a child that starts one, in a session of their own; both wait until their input ends.
FAMILY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE)
input()
"""


def test_the_processes_below_one_are_found() -> None:
    command = [sys.executable, "-c", FAMILY]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        parent.stdout.readline()  # (the child runs)
        process = psutil.Process(parent.pid)
        [child] = descendants(process)
        assert child.ppid() == parent.pid
        assert {process, child} <= descendants()
        assert session(process) == {process, child}
        assert len(threads(child.pid, "comm")) == 1
        assert any(link.startswith("pipe:") for link in open_files(child.pid))
        end([child])
        assert descendants(process) == set()  # (nobody has taken note of its end)
        assert open_files(child.pid) == []
        parent.stdin.close()
    assert descendants(process) == session(process) == set()
    assert threads(parent.pid, "comm") == open_files(parent.pid) == []


@pytest.mark.parametrize(("text", "found"), [("@pytest.mark.alone", True), ("x = 1", False)])
def test_what_is_marked_alone_is_found_by_its_text(tmp_path: Path, text: str, found: bool) -> None:
    """By tools/test: what it does not find would not run at all."""
    file = tmp_path / "test_x.py"
    file.write_text(text)
    item = SimpleNamespace(path=file, get_closest_marker=lambda name: name == "alone" or None)
    other = SimpleNamespace(path=Path("nowhere"), get_closest_marker=lambda name: None)
    items: list[Any] = [item, other]
    left: list[Any] = []
    hook = SimpleNamespace(pytest_deselected=lambda items: left.extend(items))
    config: Any = SimpleNamespace(getoption=lambda name: "together", hook=hook)
    with contextlib.nullcontext() if found else pytest.raises(pytest.UsageError, match=r"test_x\.py: tools/test finds"):
        pytest_collection_modifyitems(config, items)
    assert (items, left) == (([other], [item]) if found else ([item, other], []))


def test_a_kept_port_refuses_until_someone_listens() -> None:
    port = Port()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port.number)) != 0
    with socket.create_server(("127.0.0.1", port.number)), socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port.number)) == 0
    port.release()


def test_waiting_ends_with_what_was_awaited() -> None:
    with pytest.raises(AssertionError, match=r"waited 0\.01 s for the moon"):
        wait_for(lambda: False, "the moon", 0.01)


def test_the_mail_server_keeps_what_it_gets(mail_server: Sink) -> None:
    with smtplib.SMTP(mail_server.address) as client:
        client.sendmail("a@example.org", ["b", "c"], "Subject: dots\r\n\r\n.\r\n..\r\nend")
    [mail] = mail_server.mails
    assert (mail.sender, mail.recipients) == ("a@example.org", ["b", "c"])
    assert mail.text == "Subject: dots\n\n.\n..\nend"


@pytest.mark.parametrize("module", ["mpserver.cli.main", "mod_python.apache", "argparse"])
def test_what_servers_import_has_been_compiled(module: str) -> None:
    loaded = run_code(f"import {module}, sys; print(sys.modules['{module}'].__spec__.cached)").strip()
    assert Path(loaded).is_file()
