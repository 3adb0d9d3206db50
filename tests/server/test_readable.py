"""The start and -t look whether the accounts that will run can read what they need, and name folder and account."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.checking import refusal
from support.processes import PROJECT, nothing_outlives
from support.server import BACKENDS, Server

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can start a server that runs as another account")

APP = """
from mod_python import apache


def handler(req):
    req.write("served")
    return apache.OK
"""

#: A site in which one thing is locked: its configuration, and the folder that hinders.
SITES = {
    "DocumentRoot": ('DocumentRoot "${ROOT}/locked/docs"', "locked"),
    "handler": ('<Directory "${ROOT}/locked/docs">\nPythonHandler app\n</Directory>', "locked"),
    "folder itself": ('<Directory "${ROOT}/locked">\nPythonHandler app\n</Directory>', "locked"),
    "PythonVirtualEnv": (
        'PythonHandler app\nPythonInterpBackend process\nPythonVirtualEnv "${ROOT}/locked/env"', "locked",
    ),
    "link": ('DocumentRoot "${ROOT}/link"', "locked"),
    "host": ('<VirtualHost *>\nServerName other\nDocumentRoot "${ROOT}/locked/docs"\n</VirtualHost>', "locked"),
}  # fmt: skip


def site(folder: Path, conf: str) -> Server:
    """A server, not started, with a folder that root alone can enter."""
    server = Server(folder / "server", conf, {"app.py": APP})
    (server.root / "locked" / "docs").mkdir(parents=True)
    (server.root / "link").symlink_to("locked/docs")
    env = server.root / "locked" / "env" / "bin"
    env.mkdir(parents=True)
    (env.parent / "pyvenv.cfg").write_text("")
    (env / "python").symlink_to(sys.executable)
    (server.root / "locked").chmod(0o700)
    server.reserved.release()
    return server


def as_account(server: Server, account: str = "nobody") -> None:
    """Have the workers run as another account."""
    server.conf.write_text(server.conf.read_text().replace("User root\n", f"User {account}\n"))


@pytest.fixture
def readable_python() -> None:
    """Skip the test where this Python is for its owner alone."""
    if not ROOT:
        return  # (then it is our own)
    try:
        look = [sys.executable, "-c", "import mpserver, mod_python, multipart"]
        subprocess.run(look, user="nobody", capture_output=True, check=True, cwd="/")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this Python is not for others to read")


@needs_root
@pytest.mark.parametrize("name", SITES)
def test_the_folder_and_the_account_are_named(open_folder: Path, name: str) -> None:
    conf, hindering = SITES[name]
    server = site(open_folder, conf)
    as_account(server)
    text = f"the account nobody, which will run, can't enter the folder {server.root / hindering} (mode 0700"
    assert text in refusal(server)


@needs_root
def test_the_start_says_the_same_and_the_end_needs_to_read_nothing(open_folder: Path) -> None:
    server = site(open_folder, SITES["handler"][0])
    as_account(server)
    for arguments in (("-k", "start"), ("-X",), ("-DFOREGROUND",)):
        done = server.command(*arguments, check=False)
        assert done.returncode == 1
        assert "the account nobody, which will run, can't enter the folder" in done.stderr
    assert server.command("-k", "stop").returncode == 0


@needs_root
def test_root_reads_all(open_folder: Path) -> None:
    server = site(open_folder, SITES["handler"][0])
    assert "Syntax OK" in server.command("-t").stderr


@needs_root
def test_the_account_of_an_application_looks_at_its_own(open_folder: Path) -> None:
    conf = """
    <Directory "${ROOT}/locked/docs">
        PythonHandler app
        PythonInterpreter theirs
        PythonInterpUser nobody
    </Directory>
    """
    server = site(open_folder, conf)
    said = refusal(server)
    assert f"the account nobody, which will run, can't enter the folder {server.root}/locked (" in said
    assert "DocumentRoot" not in said


@needs_root
def test_what_is_a_fault_only_when_used_is_a_warning(open_folder: Path, readable_python: None) -> None:
    conf = """
    PythonPath "['${ROOT}/locked/lib', '${ROOT}/locked/docs', '/nonexistent'] + sys.path"
    <Directory "${ROOT}/unlisted">
        PythonHandler app
    </Directory>
    """
    server = site(open_folder, conf)
    (server.root / "unlisted").mkdir()
    (server.root / "unlisted").chmod(0o711)
    as_account(server)
    done = server.command("-t")
    assert "Syntax OK" in done.stderr
    locked, unlisted = server.root / "locked", server.root / "unlisted"
    assert f"Warning: the PythonPath entry {locked}/docs: the account nobody, which will run, can't " in done.stderr
    assert f"the account nobody, which will run, can't list the folder {unlisted} (mode 0711" in done.stderr
    assert f"Warning: PythonPath: there is no {locked}/lib" in done.stderr


@needs_root
def test_files_of_users_and_folders_of_sessions(open_folder: Path, readable_python: None) -> None:
    """What root has made by the pages of the manual is not yet the server's to use."""
    conf = """
    <Location />
        PythonOption mod_python.session.database_directory ${ROOT}/sessions
        AuthUserFile "${ROOT}/users"
        AuthGroupFile "${ROOT}/groups"
    </Location>
    """
    server = site(open_folder, conf)
    (server.root / "sessions").mkdir(0o755)
    for name, mode in (("users", 0o640), ("groups", 0o644)):
        (server.root / name).touch()
        (server.root / name).chmod(mode)
    as_account(server)
    done = server.command("-t")
    assert "Syntax OK" in done.stderr
    told = "the account nobody, which will run, can't"
    assert f"Warning: AuthUserFile {server.root}/users: {told} read the file {server.root}/users" in done.stderr
    assert (
        f"database_directory {server.root}/sessions: {told} write to the folder {server.root}/sessions" in done.stderr
    )
    assert "groups" not in done.stderr
    shutil.chown(server.root / "sessions", "nobody")
    shutil.chown(server.root / "users", "nobody")
    assert "Warning" not in server.command("-t").stderr


@needs_root
def test_a_folder_of_sessions_may_be_another_accounts(open_folder: Path, readable_python: None) -> None:
    """Nobody can tell here which interpreters will use it."""
    conf = """
    PythonOption mod_python.session.database_directory ${ROOT}/sessions
    <Directory "${ROOT}/www">
        PythonHandler app
        PythonInterpreter theirs
        PythonInterpUser daemon
    </Directory>
    """
    server = site(open_folder, conf)
    (server.root / "sessions").mkdir(0o700)
    shutil.chown(server.root / "sessions", "daemon")
    as_account(server)
    done = server.command("-t")
    assert "Syntax OK" in done.stderr
    assert "Warning" not in done.stderr


def test_an_ordinary_account_looks_itself(open_folder: Path, readable_python: None) -> None:
    server = site(open_folder, SITES["handler"][0])
    account = "nobody" if ROOT else getpass.getuser()
    options: dict[str, str] = {}
    if ROOT:
        options = {"user": account}
    else:
        (server.root / "locked").chmod(0)
    command = [sys.executable, "-m", "mpserver", "-t", "-f", str(server.conf)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False, **options)  # type: ignore[call-overload]
    finally:
        (server.root / "locked").chmod(0o700)
    assert done.returncode == 1
    assert f"the account {account}, which will run, can't enter the folder {server.root}/locked (mode 0" in done.stderr


# ---- the packages


@pytest.fixture
def packages(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The server's packages in a folder of their own, from which a server is started; it finds no others."""
    packages, site = open_folder / "packages", open_folder / "site"
    for name in ("mpserver", "mod_python"):
        shutil.copytree(PROJECT / name, packages / name, ignore=shutil.ignore_patterns("__pycache__"))
    site.mkdir()
    (site / "sitecustomize.py").write_text(f"import sys\nsys.path.remove({str(PROJECT)!r})\n")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.chdir(packages)
    return packages


@needs_root
def test_packages_that_the_account_can_not_read(open_folder: Path, packages: Path) -> None:
    packages.chmod(0o700)
    server = site(open_folder, "PythonHandler app\n")
    as_account(server)
    for arguments in (("-t",), ("-k", "start")):
        done = server.command(*arguments, check=False)
        assert done.returncode == 1
        for name in ("mpserver", "mod_python"):
            text = f"the package {name} in {packages / name}: the account nobody, which will run, can't enter"
            assert f"{text} the folder {packages} (mode 0700" in done.stderr


@needs_root
@pytest.mark.parametrize("mpm", ["prefork", "worker"])
@pytest.mark.parametrize("kind", [*BACKENDS, *(["shared"] if "own" in BACKENDS else [])])
def test_packages_that_can_not_be_read_any_more(
    open_folder: Path, orphanage: None, readable_python: None, packages: Path, kind: str, mpm: str
) -> None:
    conf = """
    PythonPath "sys.path + ['${WWW}']"
    SetHandler mod_python
    PythonHandler app
    """
    late = Server(open_folder / "late", conf, {"app.py": APP}, mode="daemon", backend=kind, mpm=mpm)
    as_account(late)
    late.pid_file.parent.chmod(0o777)
    with nothing_outlives(), late as server:
        packages.chmod(0o700)
        for _ in range(2):
            assert server.get("/").status == 500
        if kind in ("own", "shared"):
            assert f"user #{pwd.getpwnam('nobody').pw_uid} can't read {packages}/mpserver: " in server.log()
        else:
            missing = "mpserver.interpreters.threaded" if mpm == "worker" else "mod_python"  # (what is imported first)
            assert f"No module named '{missing}'" in server.log()
        assert "exit signal" not in server.log()
        server.stop(signal.SIGWINCH)
