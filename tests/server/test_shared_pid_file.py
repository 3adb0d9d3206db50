"""Two servers with one PidFile: the second refuses, and the first can still be told to stop."""

from __future__ import annotations

from pathlib import Path

from support.server import Server


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
