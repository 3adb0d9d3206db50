"""The pid file: written whole, removed when it is ours, and left-over ones recognised."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mpserver.errors import StartError
from mpserver.system import pidfile
from support.waiting import PATIENCE


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "mpserver.pid")


def titled(title: str) -> subprocess.Popen[str]:
    """A process with a title, waiting on its standard input for others."""
    code = """
import setproctitle, sys
for line in sys.stdin:
    setproctitle.setproctitle(line.rstrip())
    print("on", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    change_title(process, title)
    return process


def change_title(process: subprocess.Popen[str], title: str) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{title}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "on\n"


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_no_file_is_no_server(path: str) -> None:
    assert pidfile.look(path) == (None, False)


def test_write_and_remove(path: str) -> None:
    pidfile.write(path)
    assert open_text(path) == f"{os.getpid()}\n"
    assert os.stat(path).st_mode & 0o777 == 0o644 & ~current_umask()
    pidfile.remove(path)
    assert os.listdir(os.path.dirname(path)) == []


def open_text(path: str) -> str:
    with open(path) as file:
        return file.read()


def current_umask() -> int:
    mask = os.umask(0o22)
    os.umask(mask)
    return mask


def test_another_servers_file_stays(path: str) -> None:
    with open(path, "w") as file:
        file.write("1234567\n")
    pidfile.remove(path)
    assert os.path.exists(path)


@pytest.mark.parametrize(
    ("title", "running"),
    [
        ("mpserver: master [/etc/mpserver/httpd.conf]", True),
        ("mpserver: one process [/etc/mpserver/httpd.conf]", True),
        # (longer than the command was)
        (f"mpserver: master [/srv/{'long/' * 200}httpd.conf]", True),
        ("mpserver: worker 3", False),
        ("nginx: master process", False),
    ],
)
def test_only_a_live_master_counts_as_running(path: str, title: str, running: bool) -> None:
    process = titled(title)
    try:
        with open(path, "w") as file:
            file.write(str(process.pid))
        assert pidfile.look(path) == (process.pid, running)
    finally:
        end(process)
    assert pidfile.look(path) == (process.pid, False)


def test_a_server_without_a_title_is_told_from_who_reads_its_log(path: str, tmp_path: Path) -> None:
    """Where there is no room for a title it has the words of its command."""
    script = tmp_path / "my venv" / "mpserver"
    script.parent.mkdir()
    script.write_text("import sys\nprint('on', flush=True)\nsys.stdin.read()\n")
    for words, running in (
        ([sys.executable, str(script), "-X"], True),
        ([sys.executable, "-X", "dev", str(script)], True),
        (["tail", "-n", "1", "-f", str(script)], False),
    ):
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            with open(path, "w") as file:
                file.write(str(process.pid))
            assert pidfile.look(path) == (process.pid, running), words
            process.kill()


def test_the_configuration_is_read_from_a_title_of_any_length() -> None:
    """One that is as long as the command was, or longer, is not to be taken for several words."""
    process = titled("mpserver: master")
    try:
        for length in range(500):
            configuration = f"/srv/of us/{'x' * length}.conf"
            change_title(process, f"mpserver: master [{configuration}]")
            assert pidfile.configuration(process.pid) == configuration
            assert pidfile.is_server(process.pid)
    finally:
        end(process)


def test_a_title_without_room_for_all_of_it_names_no_configuration() -> None:
    process = titled("mpserver: master [/srv/of us [/si")
    try:
        assert pidfile.is_server(process.pid)
        assert pidfile.configuration(process.pid) is None
        change_title(process, "mpserver: master [/srv/of [us]/site.conf]")
        assert pidfile.configuration(process.pid) == "/srv/of [us]/site.conf"
    finally:
        end(process)


def test_a_zombie_is_dead(path: str) -> None:
    process = titled("mpserver: master [x]")
    process.kill()
    with open(path, "w") as file:
        file.write(str(process.pid))
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
    assert pidfile.look(path) == (process.pid, False)
    end(process)


@pytest.mark.parametrize("text", ["", "abc", "-1", "0", "99999999999999999999", "12 34", "١٢٣"])
def test_a_corrupt_file_is_told(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    with pytest.raises(StartError, match="Remove it before continuing"):
        pidfile.look(path)


def test_a_missing_folder_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"No such file or directory.*PidFile"):
        pidfile.write(str(tmp_path / "missing" / "mpserver.pid"))


def test_a_full_disk_leaves_nothing_behind(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each start has the same number, it would be in the way of the next one."""

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as context:
        context.setattr(os, "write", full)
        with pytest.raises(StartError, match="No space left on device"):
            pidfile.claim(path)
    assert os.listdir(os.path.dirname(path)) == []
    pidfile.claim(path)


def test_the_file_of_a_running_server_is_not_written_over(path: str) -> None:
    process = titled("mpserver: master [/srv/other.conf]")
    try:
        with open(path, "w") as file:
            file.write(str(process.pid))
        said = rf"a running server \(pid {process.pid}, with the configuration /srv/other.conf\): .* PidFile of its own"
        with pytest.raises(StartError, match=said):
            pidfile.claim(path)
        with open(path) as file:
            assert file.read() == str(process.pid)
    finally:
        end(process)
    assert pidfile.claim(path) == (process.pid, False)
    assert os.listdir(os.path.dirname(path)) == ["mpserver.pid"]


def test_our_own_number_was_a_server_before_us(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In containers, where each start has the same numbers."""
    pidfile.write(path)
    monkeypatch.setattr(pidfile, "is_server", lambda _pid: True)
    assert pidfile.claim(path) == (os.getpid(), False)


def test_of_two_that_start_at_once_one_waits_for_the_other(path: str) -> None:
    """And sees then what that one has written: here a lock that is removed and made anew."""
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        claiming = threading.Thread(target=pidfile.claim, args=(path,))
        claiming.start()
        claiming.join(0.2)
        assert claiming.is_alive()
        assert not os.path.exists(path)
        os.unlink(lock.name)
    claiming.join(PATIENCE)
    assert not claiming.is_alive()
    assert os.listdir(os.path.dirname(path)) == ["mpserver.pid"]
