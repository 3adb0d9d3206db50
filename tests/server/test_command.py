"""The command ``mod_python``: from nothing to a site that serves, and to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.processes import adopt_orphans, alive, descendants, nothing_outlives
from support.server import Port
from support.waiting import PATIENCE, wait_for


def mod_python(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command; its output goes through files, since a server that it starts would keep a pipe open."""
    import tempfile

    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        code = subprocess.run(
            [sys.executable, "-m", "mod_python", *arguments],
            check=False, stdout=out, stderr=err, stdin=subprocess.DEVNULL, timeout=PATIENCE,
        ).returncode  # fmt: skip
        out.seek(0)
        err.seek(0)
        done = subprocess.CompletedProcess(arguments, code, out.read(), err.read())
    assert not check or code == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def port() -> Iterator[int]:
    """A free port; what a test leaves running is a failure."""
    adopt_orphans()
    with nothing_outlives():
        reserved = Port()
        yield reserved.number
        reserved.release()


def fetch(port: int, path: str) -> tuple[int, str]:
    """Status and body of a GET."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


def answers(port: int, path: str) -> tuple[int, str] | None:
    """The same; None while nobody listens."""
    try:
        return fetch(port, path)
    except OSError:
        return None


def readable(site: Path) -> Path:
    """The site's configuration, as one that can run here: pytest's folders are closed to other accounts."""
    source = site / "conf" / "httpd_conf.py"
    config = site / "conf" / "httpd.conf"
    if os.geteuid() == 0:
        import re

        text = source.read_text()
        assert re.search(r"User\('(?!root')[\w-]+'\)", text), "a server that root starts needs an account"
        text = re.sub(r"User\('.*?'\)", "User('root')", text)
        source.write_text(re.sub(r"Group\('.*?'\)", "Group('root')", text))
        config.write_text(mod_python("genconfig", str(source)).stdout)
    return config


@pytest.mark.parametrize("handler", ["mod_python.publisher", "mod_python.wsgi"])
def test_a_site_is_made_started_restarted_and_stopped(tmp_path: Path, port: int, handler: str) -> None:
    site = tmp_path / "my site"
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "library.py").write_text(
        'def application(environ, start_response):\n    start_response("200 OK", [])\n    return [b"hello"]\n'
    )
    options = ["--pythonoption", "mod_python.wsgi.application library"] if handler.endswith("wsgi") else []
    done = mod_python(
        "create", str(site), f"--pythonhandler={handler}", "--listen", f"127.0.0.1:{port}",
        "--pythonpath", str(modules), *options,
    )  # fmt: skip
    assert f"mod_python start {site}/conf/httpd.conf" in done.stderr
    (site / "public" / "page.py").write_text('import library\n\ndef index():\n    return "hello"\n')
    config = str(readable(site))
    mod_python("start", config)
    try:
        assert wait_for(lambda: answers(port, "/page"), "an answer") == (200, "hello")
        master = psutil.Process(int((site / "logs" / "httpd.pid").read_text()))
        for command in ("graceful", "restart"):
            log, former = (site / "logs" / "error_log").read_text(), descendants(master)
            mod_python(command, config)
            wait_for(
                lambda log=log: "resuming normal operations" in (site / "logs" / "error_log").read_text()[len(log) :],  # type: ignore[misc]
                f"the end of {command}",
            )
            # (one that ends may take a client along)
            wait_for(lambda former=former: not any(map(alive, former)), "the former workers to end")  # type: ignore[misc]
            assert fetch(port, "/page") == (200, "hello")
        assert int((site / "logs" / "httpd.pid").read_text()) == master.pid
    finally:
        mod_python("stop", config)
    wait_for(lambda: not alive(master), "the server's end")
    assert answers(port, "/page") is None


def test_a_configuration_is_not_written_over(tmp_path: Path) -> None:
    mod_python("create", str(tmp_path / "site"), "--pythonhandler", "mine")
    config = tmp_path / "site" / "conf" / "httpd_conf.py"
    config.write_text("mine")
    done = mod_python("create", str(tmp_path / "site"), "--pythonhandler", "other", check=False)
    assert done.returncode == 1
    assert "already" in done.stderr
    assert config.read_text() == "mine"


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    assert mod_python("create", str(tmp_path / "x"), check=False).returncode == 2
    assert mod_python(check=False).returncode == 2
    assert "no configuration" in mod_python("start", str(tmp_path / "none.conf"), check=False).stderr


def test_version_tells_what_runs() -> None:
    said = mod_python("version").stdout
    assert "3.5.0" in said
    assert sys.version.split()[0] in said
