"""Servers of tests: whatever is served, by the fixtures of the plugin for pytest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from mod_python import apache
from mpserver.testing import KINDS, Server

Start = Callable[..., Server]


def hello(req: Any) -> int:
    """A handler."""
    req.content_type = "text/plain; charset=utf-8"
    req.write(f"{req.method} {req.get_options().get('name', 'nobody')} in {req.interpreter}")
    req.log_error("was asked")
    return apache.OK


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A WSGI application."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read() or environ["PATH_INFO"].encode()]


@pytest.mark.parametrize("mpserver_kind", KINDS)
def test_a_handler_by_each_kind(mpserver: Start, mpserver_kind: str) -> None:
    server = mpserver(hello, conf="PythonInterpreter mine\nPythonOption name Zoe")
    where = "main_interpreter" if mpserver_kind == "main" else "mine"
    assert server.get().text.startswith("GET Zoe in ")
    assert server.get().text in (f"GET Zoe in {where}", "GET Zoe in mine")
    assert "was asked" in server.wait_for_log("was asked")


def test_a_wsgi_application(mpserver_module: Start) -> None:
    server = mpserver_module(application, mpm="worker")
    assert server.get("/here").text == "/here"
    reply = server.post("/", "a=b")
    assert (reply.status, reply.text) == (200, "a=b")


def test_a_folder_a_text_and_a_file(mpserver: Start, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a text")
    (tmp_path / "page.psp").write_text("<%= 6 * 7 %>")
    server = mpserver(tmp_path)
    assert (server.get("/a.txt").text, server.get("/page.psp").text) == ("a text", "42")
    text = f'DocumentRoot "{tmp_path}"\n<Directory "{tmp_path}">\n    Require all granted\n</Directory>\n'
    assert mpserver(text).get("/a.txt").text == "a text"
    file = tmp_path / "site.conf"
    file.write_text(f'Listen 127.0.0.1:${{PORT}}\nServerName h\nUser root\nErrorLog "${{FOLDER}}/error.log"\n'
                    f'PidFile "${{FOLDER}}/pid"\n{text}')  # fmt: skip
    assert mpserver(file).get("/a.txt").text == "a text"


def test_what_can_not_be_served_is_told(mpserver: Start, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no configuration"):
        mpserver(tmp_path / "none.conf")
    with pytest.raises(ValueError, match="no module 'no_such_one'"):
        mpserver("no_such_one:app")
    with pytest.raises(ValueError, match="must be defined in a module"):
        mpserver(lambda req: 0)
    with pytest.raises(RuntimeError, match=r"(?s)does not start.*did you mean PythonHandler\?"):
        mpserver("PythonHandlr app\nTimeout 5\n")


FAILING = """
from mod_python import apache


def handler(req):
    req.log_error("what the log has")
    req.write("answered")
    return apache.OK


def test_fails(mpserver):
    server = mpserver(handler)
    assert server.get().text == "answered"
    server.wait_for_log("what the log has")
    assert server.get().status == 404


def test_passes(mpserver_bench):
    assert mpserver_bench.get(handler).text == "answered"
"""


def test_the_log_is_shown_with_what_fails(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["mpserver.testing.plugin"]\n')
    (tmp_path / "test_site.py").write_text(FAILING)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_site.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    shown = done.stdout.partition("log of mpserver at port")[2]
    assert "what the log has" in shown
    assert "assert 200 == 404" in done.stdout
