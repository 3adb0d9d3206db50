"""Log files and piped programs: opened, reopened, restarted, and errors that name the remedy."""

import os
import pwd
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mpserver.errors import StartError
from mpserver.system import log_files
from mpserver.system.log_files import GIVEN, Logs
from mpserver.system.log_targets import QUEUE, log_key
from support.waiting import wait_for


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("logs/error_log", "/srv/logs/error_log"),
        ("/var/log/x.log", "/var/log/x.log"),
        ("logs/../x.log", "/srv/x.log"),
        ("|/usr/bin/rotatelogs logs/x 86400", "|/usr/bin/rotatelogs logs/x 86400"),
        ("syslog:local1", "syslog:local1"),
    ],
)
def test_names_of_targets(target: str, name: str) -> None:
    assert log_key("/srv", target) == name


def test_a_target_is_opened_once_for_appending(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("before\n")
    logs = Logs(str(tmp_path), ["x.log", str(path)])
    [fd] = logs.fds.values()
    os.write(fd, b"after\n")
    assert path.read_text() == "before\nafter\n"
    assert not os.get_inheritable(fd)
    logs.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_opening_anew_finds_the_file_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    first = Logs(str(tmp_path), ["x.log"])
    path.rename(tmp_path / "x.log.1")
    second = Logs(str(tmp_path), ["x.log"])
    os.write(first.fds[str(path)], b"old\n")
    os.write(second.fds[str(path)], b"new\n")
    assert (path.read_text(), (tmp_path / "x.log.1").read_text()) == ("new\n", "old\n")
    first.close()
    second.close()


#: Opens a log as root without the right to write where others are at home, or as whoever runs this.
OPENS = """
import ctypes, os, sys
from mpserver.errors import StartError
from mpserver.system import log_files
from mpserver.system.log_files import Logs
if os.geteuid() == 0:
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    rights = (ctypes.c_uint32 * 6)()  # (none: root is an account as any other)
    assert ctypes.CDLL(None).capset(header, rights) == 0
try:
    Logs(sys.argv[1], ["x.log"])
except StartError as error:
    print(error)
"""


def test_who_may_not_write_to_a_folder_is_told_and_whose_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    folder.chmod(0o555)
    told = subprocess.run([sys.executable, "-c", OPENS, folder], capture_output=True, text=True, check=True).stdout
    me, owner = (pwd.getpwuid(uid).pw_name for uid in (os.geteuid(), folder.stat().st_uid))
    rights = ", without the capability CAP_DAC_OVERRIDE," if os.geteuid() == 0 else ""
    assert told == (
        f"(13)Permission denied: AH00091: could not open log file {folder}/x.log. It is {me}{rights} that opens it, "
        f"and {folder} is {owner}'s (mode 0555): give the folder to {me}, or name another place with ErrorLog or "
        "CustomLog.\n"
    )


def test_a_missing_folder_is_a_clear_error_and_nothing_stays_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(StartError, match=rf"\(2\)No such file or directory: .*'{tmp_path}/missing/'.*Create it"):
        Logs(str(tmp_path), ["fine.log", "missing/x.log"])
    assert os.listdir("/proc/self/fd") == before


def test_standard_error_is_a_target(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logs = Logs(str(tmp_path), ["/dev/stderr"])
    os.write(logs.fds["/dev/stderr"], b"to the terminal\n")
    logs.close()
    assert capfd.readouterr().err == "to the terminal\n"


def logger(tmp_path: Path, name: str = "piped.log") -> str:
    """A piped log program that copies its input to a file, and writes its pid beside it."""
    program = tmp_path / "logger.py"
    program.write_text(
        "import os, sys\n"
        "open(sys.argv[1] + '.pid', 'w').write(str(os.getpid()))\n"
        "for line in sys.stdin:\n"
        "    with open(sys.argv[1], 'a') as out: out.write(line)\n"
        "open(sys.argv[1], 'a').write('END')\n"
    )
    return f"|{sys.executable} {program} {tmp_path / name}"


def reap(pid: int) -> None:
    os.waitpid(pid, 0)


def test_a_piped_program_gets_the_lines_and_ends_when_all_have_closed(tmp_path: Path) -> None:
    target = logger(tmp_path)
    logs = Logs(str(tmp_path), [target])
    copy = os.dup(logs.fds[target])  # as a worker has one
    os.write(copy, b"line\n")
    out = tmp_path / "piped.log"
    wait_for(lambda: out.exists() and out.read_text() == "line\n", "the line")
    pid = int((tmp_path / "piped.log.pid").read_text())
    logs.close()
    os.write(copy, b"drained\n")
    os.close(copy)
    reap(pid)
    assert out.read_text() == "line\ndrained\nEND"


def test_a_piped_program_that_died_is_started_again_and_finds_what_was_written(tmp_path: Path) -> None:
    target = logger(tmp_path)
    logs = Logs(str(tmp_path), [target])
    pid_file, out = tmp_path / "piped.log.pid", tmp_path / "piped.log"
    pid = int(wait_for(lambda: pid_file.exists() and pid_file.read_text(), "the program"))
    assert logs.own(pid)
    os.kill(pid, signal.SIGKILL)
    reap(pid)
    os.write(logs.fds[target], b"meanwhile\n")
    assert logs.reaped(pid) == sys.executable
    assert not logs.own(pid)
    wait_for(lambda: out.exists() and out.read_text() == "meanwhile\n", "the line")
    assert logs.reaped(pid) is None
    new = int(pid_file.read_text())
    logs.close()
    reap(new)


def ended(logs: Logs) -> int:
    """The only program of these logs, once it has ended."""
    [pipe] = logs._pipes
    pid = pipe.pid
    reap(pid)
    return pid


@pytest.mark.parametrize("target", ["|true", f"{QUEUE}no.such"], ids=["piped", "own"])
def test_a_program_that_cannot_be_started_again_keeps_its_pipe(tmp_path: Path, target: str) -> None:
    logs = Logs(str(tmp_path), ["x.log", target])
    before = {fd: os.fstat(fd).st_ino for fd in logs.fds.values()}
    [pipe] = logs._pipes
    pipe.command[0] = "/gone"
    with pytest.raises(StartError, match=r"\(2\)No such file or directory: AH00104"):
        logs.reaped(ended(logs))
    assert {fd: os.fstat(fd).st_ino for fd in logs.fds.values()} == before
    for fd in logs.apart().values():  # as each fork does
        os.close(fd)
    logs.close()
    for fd in before:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_nothing_is_kept_for_a_program_that_is_not_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "SOON", float("inf"))
    monkeypatch.setattr(log_files, "TRIES", 2)
    logs = Logs(str(tmp_path), ["x.log", f"{QUEUE}no.such"])
    assert logs.reaped(ended(logs)) == "no.such"
    with pytest.raises(StartError, match=r"'no\.such' ends again and again"):
        logs.reaped(ended(logs))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        [fd] = logs.apart().values()
        os.write(fd, b"told by a worker that ends")
        os.close(fd)
    assert len(os.listdir("/proc/self/fd")) < before + 10
    logs.close()


def given(reader: int) -> set[int]:
    """The numbers in the system of the sockets that a program of the server's own is given to read from."""
    found: set[int] = set()
    with socket.socket(fileno=os.dup(reader)) as sock:
        sock.setblocking(False)
        while True:
            try:
                _told, fds, _flags, _address = socket.recv_fds(sock, 1, GIVEN)
            except BlockingIOError:
                return found
            for fd in fds:
                found.add(os.fstat(fd).st_ino)
                os.close(fd)


def test_a_program_that_is_started_again_is_given_each_socket(tmp_path: Path) -> None:
    logs = Logs(str(tmp_path), ["x.log", f"{QUEUE}no.such"])
    [pipe] = logs._pipes
    for _ in range(400):
        [fd] = logs.apart().values()
        os.write(fd, b"told by a worker that ends")
        os.close(fd)
    given(pipe.reader)
    logs.reaped(ended(logs))  # (nor does the next one read)
    assert len(given(pipe.reader)) == 400
    ended(logs)
    logs.close()


def test_a_pipe_through_the_shell(tmp_path: Path) -> None:
    logs = Logs(str(tmp_path), [f"|$ cat > {tmp_path}/out; echo done >> {tmp_path}/out"])
    [fd] = logs.fds.values()
    os.write(fd, b"line\n")
    logs.close()
    out = tmp_path / "out"
    wait_for(lambda: out.exists() and out.read_text() == "line\ndone\n", "the lines")


def test_a_program_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"unable to start piped log program '/no/such/program'"):
        Logs(str(tmp_path), ["|/no/such/program -x"])
