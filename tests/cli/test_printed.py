"""What the command prints: a unit for systemd, and all of it into pipes that are closed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import StartServer
from mpserver.cli import unit
from support.commands import command
from support.processes import PROJECT
from support.waiting import wait_for


def test_the_unit_has_the_paths_of_this_command_and_configuration(tmp_path: Path) -> None:
    (tmp_path / "mpserver.conf").write_text("Listen 9\nErrorLog /var/log/x.log\nPidFile /run/x.pid\n")
    done = command(tmp_path, "--print-unit")
    apart = f"in {tmp_path}: the service has a /tmp of its own (PrivateTmp=): move it\n"
    told = f"Warning: the configuration is {apart}" if str(tmp_path).startswith("/tmp/") else ""
    assert (done.returncode, done.stderr) == (0, told)
    lines = done.stdout.splitlines()
    assert "TimeoutStopSec=30" in lines
    assert f"Environment=MPSERVER_CONF={tmp_path}/mpserver.conf" in lines
    [start] = [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")]
    assert start.endswith("mpserver -D FOREGROUND -f ${MPSERVER_CONF}")
    assert os.access(start.split()[0], os.X_OK)


def test_the_unit_waits_for_as_long_as_the_configuration_lets_requests_run(tmp_path: Path) -> None:
    conf = "Listen 9\nShutdownDelay 5\nGracefulShutdownTimeout 60\nErrorLog /var/log/x.log\nPidFile /tmp/x.pid\n"
    (tmp_path / "mpserver.conf").write_text(conf)
    done = command(tmp_path, "--print-unit")
    assert "TimeoutStopSec=75" in done.stdout.splitlines()
    assert "Warning: PidFile is in /tmp: the service has a /tmp of its own (PrivateTmp=): move it\n" in done.stderr
    users = command(tmp_path, "--print-unit", "--user")
    assert (users.stderr, "TimeoutStopSec=75" in users.stdout.splitlines()) == ("", True)
    (tmp_path / "mpserver.conf").write_text("Misspelled\n")
    assert "TimeoutStopSec=30" in command(tmp_path, "--print-unit").stdout.splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_others_is_told_before_the_service_fails_there(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    os.chown(tmp_path / "site", 65534, 65534)
    (tmp_path / "mpserver.conf").write_text("Listen 9\nErrorLog /proc/self/cwd/site/x.log\nPidFile /run/x.pid\n")
    done = command(tmp_path, "--print-unit")
    assert "Warning: the log /proc/self/cwd/site/x.log: /proc/self/cwd/site is not root's, and the service's root" in (
        done.stderr
    )


@pytest.mark.parametrize(
    ("name", "configuration"),
    [("mpserver", "/etc/mpserver/httpd.conf"), ("mpserver-user", "%h/mpserver/mpserver.conf")],
)
def test_it_is_the_one_of_the_project(name: str, configuration: str) -> None:
    def settings(file: Path) -> list[str]:
        return [line for line in file.read_text().splitlines() if line and not line.startswith("#")]

    made = settings(PROJECT / "mpserver" / "cli" / f"{name}.service.in")
    values = {"@COMMAND@": "/usr/local/bin/mpserver", "@CONF@": f"MPSERVER_CONF={configuration}"}
    for word, value in values.items():
        made = [line.replace(word, value) for line in made]
    assert made == settings(PROJECT / "conf" / f"{name}.service")


def test_the_file_for_logrotate_has_the_logs_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "mpserver.conf").write_text(
        "Listen 9\nServerName localhost\nErrorLog logs/error.log\nCustomLog '|/usr/bin/rotatelogs x 5' common\n"
        "CustomLog 'logs/my access.log' common\nCustomLog /dev/stdout common\n<VirtualHost *:9>\n"
        "TransferLog logs/transfer.log\nErrorLog syslog\n</VirtualHost>\n"
    )
    done = command(tmp_path, "--print-logrotate")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    logs = tmp_path / "logs"
    assert f'{logs}/error.log "{logs}/my access.log" {logs}/transfer.log {{' in lines
    [reopen] = [line.strip() for line in lines if "-k reopen" in line]
    assert reopen.endswith(f"mpserver -f {tmp_path}/mpserver.conf -k reopen >/dev/null")
    assert os.access(reopen.split()[0], os.X_OK)


@pytest.mark.parametrize(
    ("log", "fault"),
    [("logs/*.log", "logrotate would take the name of the log '"), ("/dev/stderr", "there is nothing to rotate")],
)
def test_what_can_not_be_rotated_is_told(tmp_path: Path, log: str, fault: str) -> None:
    (tmp_path / "mpserver.conf").write_text(f"Listen 9\nServerName localhost\nErrorLog {log}\n")
    done = command(tmp_path, "--print-logrotate")
    assert done.returncode == 1
    assert fault in done.stderr


def test_it_rotates_as_the_one_of_the_project() -> None:
    def settings(file: Path) -> list[str]:
        return [line for line in file.read_text().splitlines() if not line.startswith("#")]

    values = {
        "@LOGS@": "/var/log/mpserver/*.log",
        "@COMMAND@": "mpserver",
        "@CONF@": "/etc/mpserver/httpd.conf",
    }
    made = settings(PROJECT / "mpserver" / "cli" / "mpserver.logrotate.in")
    for word, value in values.items():
        made = [line.replace(word, value) for line in made]
    assert made == settings(PROJECT / "conf" / "mpserver.logrotate")


def test_a_site_in_a_home_can_write_there() -> None:
    assert "ProtectHome=false" in unit.text("/home/ann/site/mpserver.conf").splitlines()
    assert "ProtectHome=read-only" in unit.text("/etc/mpserver/httpd.conf").splitlines()


def test_user_goes_with_print_unit(tmp_path: Path) -> None:
    done = command(tmp_path, "-t", "--user")
    assert done.returncode == 1
    assert "user goes with --print-unit" in done.stderr


def test_words_with_signs_are_one_word() -> None:
    made = unit.text('/srv/my site/100% "$x".conf').splitlines()
    assert 'Environment="MPSERVER_CONF=/srv/my site/100%% \\"$x\\".conf"' in made


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
@pytest.mark.parametrize("options", [(), ("--user",)])
def test_systemd_takes_it(tmp_path: Path, options: tuple[str, ...]) -> None:
    file = tmp_path / "mpserver.service"
    file.write_text(command(tmp_path, "--print-unit", *options, "-f", "a b.conf").stdout)
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, check=False)
    assert str(file) not in done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_it_takes_from_the_service_what_that_does_not_need() -> None:
    unit_file = PROJECT / "conf" / "mpserver.service"
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=29", str(unit_file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can give up capabilities, with setpriv"
)
def test_the_server_runs_with_what_the_unit_leaves_it(start_open_server: StartServer, tmp_path: Path) -> None:
    lines = (PROJECT / "conf" / "mpserver.service").read_text().splitlines()
    [names] = [line.partition("=")[2].split() for line in lines if line.startswith("CapabilityBoundingSet=")]
    kept = ",".join(["-all", *(f"+{name.removeprefix('CAP_').lower()}" for name in names)])
    server = start_open_server(
        "User nobody\nPythonPath \"sys.path+['${WWW}']\"\nSetHandler mod_python\nPythonHandler app\n",
        {"app.py": "import os\n\ndef handler(req):\n    req.write(str(os.getuid()))\n    return 0\n"},
        mode="foreground", prefix=("setpriv", f"--bounding-set={kept}", "--no-new-privs"),
    )  # fmt: skip
    account = pwd.getpwnam("nobody").pw_uid
    assert server.get("/").text == str(account)
    worker = server.workers()[0]
    assert worker.uids().real == account
    worker.kill()
    wait_for(lambda: [one.pid for one in server.workers()] not in ([], [worker.pid]), "another worker")
    server.command("-k", "graceful")
    assert server.get("/").text == str(account)
    server.stop()
    assert "Operation not permitted" not in server.said()


@pytest.mark.parametrize(
    "words", [("-L",), ("--help",), ("serve", "--help"), ("--print-unit", "--user"), ("-t", "-D", "DUMP_MODULES")]
)
def test_who_has_read_enough_is_told_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "mpserver.conf").write_text("Listen 127.0.0.1:9\nServerName localhost\nUser root\n")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = command(tmp_path, *words, stdout=writer)
    finally:
        os.close(writer)
    assert done.stderr == ""
    assert done.returncode in (
        141,
        0 if words[0] == "serve" else 141,
    )  # (argparse may say nothing of it, not even to us)
