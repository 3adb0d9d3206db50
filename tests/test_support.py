"""The tests' own means: they would otherwise fail to notice."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from support.processes import adopt_orphans, alive, nothing_outlives, run_code
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
