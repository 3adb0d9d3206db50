"""The command with standard streams closed: descriptors 0 to 2 are always something harmless."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.server import Port
from support.waiting import PATIENCE, wait_for


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_what_is_closed_is_dev_null(tmp_path: Path, closed: str) -> None:
    port = Port()
    conf = tmp_path / "httpd.conf"
    user = "User root\n" if os.geteuid() == 0 else ""
    conf.write_text(
        f"{user}PidFile {tmp_path}/pid\nErrorLog {tmp_path}/error.log\nListen 127.0.0.1:{port.number}\n"
        f"ServerName localhost\nDocumentRoot {tmp_path}\nStartServers 1\n"
    )
    (tmp_path / "mime.types").write_text("text/plain txt\n")
    with conf.open("a") as file:
        file.write(f"TypesConfig {tmp_path}/mime.types\n")
    command = f"exec {sys.executable} -m mpserver -f {conf} -DFOREGROUND {closed}"
    server = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(
            lambda: server.poll() is not None or ((tmp_path / "pid").exists() and "resuming" in log(tmp_path)),
            "its start",
        )
        assert server.poll() is None, log(tmp_path)
        for fd in range(3):
            found = os.readlink(f"/proc/{server.pid}/fd/{fd}")
            assert not found.startswith("anon_inode") and "socket" not in found, (fd, found)
    finally:
        server.send_signal(signal.SIGTERM)
        code = server.wait(PATIENCE)
        port.release()
    assert code == 0
    assert not (tmp_path / "pid").exists()
    assert "Traceback" not in log(tmp_path)


def log(folder: Path) -> str:
    """The error log."""
    path = folder / "error.log"
    return path.read_text() if path.exists() else ""
