"""Root's rights, as applications find them: given up for good, with all that programs could get them back by."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")

NOBODY = pwd.getpwnam("nobody")

APP = """
import json
import os
import subprocess


def handler(req):
    refused = []
    for name, values in (("setuid", (0,)), ("setresuid", (0, 0, 0)), ("setgid", (0,)), ("setgroups", ([0],))):
        try:
            getattr(os, name)(*values)
        except PermissionError:
            refused.append(name)
    req.write(json.dumps({
        "status": open("/proc/self/status").read(),
        "refused": refused,
        "user of a setuid program": int(subprocess.run([req.args, "-u"], stdout=-1, check=True).stdout),
    }))
    return 0
"""

CONF = "User nobody\n" + "".join(
    f"""
<Location /{name}>
    SetHandler mod_python
    PythonHandler app
    PythonPath "sys.path + ['${{WWW}}']"
    PythonInterpreter {name}
    {more}
</Location>
"""
    for name, more in (
        *((kind, f"PythonInterpBackend {kind}") for kind in BACKENDS),
        ("apart", "PythonInterpUser nobody\n    PythonInterpBackend process"),
    )
)


@pytest.fixture
def program(open_folder: Path) -> Iterator[Path]:
    """The program id, with root's rights for everybody who starts it."""
    found = shutil.which("id")
    assert found is not None
    path = open_folder / "as-root"
    shutil.copyfile(found, path)
    path.chmod(0o4755)
    yield path
    path.unlink()


def ask(server: Server, path: str, program: Path) -> Any:
    """What an application finds."""
    reply = server.get(f"{path}?{program}")
    assert reply.status == 200, server.said()
    return json.loads(reply.body)


def test_nothing_brings_them_back(start_open_server: StartServer, program: Path) -> None:
    server = start_open_server(CONF, {"app.py": APP}, mode="foreground")
    none = "0" * 16
    for path in (*BACKENDS, "apart"):
        found = ask(server, f"/{path}", program)
        facts = dict(re.findall(r"(\w+):\t(.*)", found["status"]))
        assert facts["Uid"].split() == [str(NOBODY.pw_uid)] * 4, path
        assert facts["Gid"].split() == [str(NOBODY.pw_gid)] * 4, path
        assert facts["Groups"].split() == [str(group) for group in os.getgrouplist("nobody", NOBODY.pw_gid)], path
        assert [facts[name] for name in ("CapPrm", "CapEff", "CapAmb")] == [none] * 3, path
        assert facts["NoNewPrivs"] == "1", path
        assert found["refused"] == ["setuid", "setresuid", "setgid", "setgroups"], path
        assert found["user of a setuid program"] == NOBODY.pw_uid, path


def test_programs_may_have_more_where_that_is_said(start_open_server: StartServer, program: Path) -> None:
    server = start_open_server(f"NoNewPrivileges Off\n{CONF}", {"app.py": APP}, mode="foreground")
    for path in ("process", "apart"):
        found = ask(server, f"/{path}", program)
        assert "NoNewPrivs:\t0\n" in found["status"]
        assert found["refused"] == ["setuid", "setresuid", "setgid", "setgroups"], path
