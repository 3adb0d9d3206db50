"""Two servers with one PidFile: the second refuses, and the first can still be told to stop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

from support.processes import descendants, nothing_outlives
from support.server import Server
from support.waiting import PATIENCE


def test_the_second_refuses(tmp_path: Path) -> None:
    first = Server(tmp_path / "first", "", {"a.txt": "first\n"}, mode="daemon")
    second = Server(tmp_path / "second", f'PidFile "{first.pid_file}"\n')
    try:
        first.start()
        assert first.master is not None
        for words in (("-k", "start"), ("-X",), ("-DFOREGROUND",)):
            done = second.command(*words, check=False)
            assert done.returncode == 1
            assert (
                f"PidFile {first.pid_file} is that of a running server (pid {first.master.pid}, with the configuration "
                f"{first.conf}): stop that one, or give this one a PidFile of its own"
            ) in done.stderr
        again = first.command("-k", "start")
        assert again.stdout == f"mpserver (pid {first.master.pid}) already running\n"
        assert first.get("/a.txt").text == "first\n"
        assert first.command("-k", "stop").returncode == 0
    finally:
        second.close()
        first.close()


def test_of_two_daemons_that_start_at_once_one_does_and_after_its_death_another_one(
    tmp_path: Path, orphanage: None
) -> None:
    with nothing_outlives():
        servers = [Server(tmp_path / name, "", {"a.txt": name}, mode="daemon") for name in ("one", "two", "three")]
        for server in servers[1:]:
            server.conf.write_text(f'{server.conf.read_text()}PidFile "{servers[0].pid_file}"\n')
        try:
            starts = [
                subprocess.Popen(
                    [sys.executable, "-m", "mpserver", "-f", str(server.conf), "-k", "start"],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                )
                for server in servers
            ]  # fmt: skip
            said = [start.communicate(timeout=PATIENCE)[0] for start in starts]
            (first,) = [number for number, start in enumerate(starts) if start.returncode == 0]
            pid = int(servers[0].pid_file.read_text())
            for number, text in enumerate(said):
                if number != first:
                    assert f"is that of a running server (pid {pid}, with the configuration " in text, said
            assert servers[first].get("/a.txt").status == 200

            killed = psutil.Process(pid)
            family = descendants(killed)
            killed.kill()  # (the pid file stays, and so does whatever else a master removes)
            assert not psutil.wait_procs([killed, *family], timeout=PATIENCE)[1]
            assert int(servers[0].pid_file.read_text()) == pid
            second = servers[first - 1]
            second.pid_file = servers[0].pid_file
            second.start()
            assert second.get("/a.txt").status == 200
            assert int(servers[0].pid_file.read_text()) != pid
        finally:
            for server in servers:
                server.close()
