"""docs/wsgi.md, done as it says: its applications and configurations are written down and served."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import StartServer
from support.pages import blocks, page
from support.server import Server

PAGE = page("wsgi.md")


def serve(start_server: StartServer, name: str, backend: str = "auto") -> Server:
    """Start the server with one of the page's configurations: its own port, its own folder, its own account."""
    found = blocks(PAGE)
    server = start_server("", {file: text for file, text in found.items() if file.endswith(".py")}, mode="foreground")
    server.stop()
    defines = [line for line in server.conf.read_text().splitlines() if line.startswith(("Define", "User"))]
    text = found[name]
    for here, there in (
        ("ServerRoot /srv/site", f"ServerRoot {server.root}"), ("/srv/site", str(server.www)),
        ("Listen     8080", f"Listen 127.0.0.1:{server.port}"), ("User       www-data\n", ""),
    ):  # fmt: skip
        assert here in text or here == "/srv/site", here
        text = text.replace(here, there)
    more = f"LogLevel info\nPythonInterpBackend {backend}\nPythonOption mod_python.mutex_directory {server.root}/run\n"
    server.conf.write_text("\n".join([*defines, text]) + more)
    server.start()
    return server


def test_it_has_no_other_blocks() -> None:
    names = (
        "hello.py httpd.conf shop/app.py wiki/app.py several.conf counting.py threads.conf heavy.py early.conf chat.py"
    )
    assert list(blocks(PAGE)) == names.split()


def test_one_application(start_server: StartServer) -> None:
    server = serve(start_server, "httpd.conf")
    assert server.get("/a/b").text == "hello from /a/b\n"
    assert server.get("/a%2Fb").status == 404
    server.conf.write_text(server.conf.read_text() + "AllowEncodedSlashes On\n")
    server.stop()
    server.start()
    assert server.get("/a%2Fb").text == "hello from /a/b\n"


@pytest.mark.parametrize("backend", ["auto", "process"])
def test_several_applications(start_server: StartServer, backend: str) -> None:
    server = serve(start_server, "several.conf", backend)
    server.write("shop/static/style.css", "static")
    for _ in range(2):
        assert server.get("/shop").text == "the shop"
        assert server.get("/shop/static/style.css").text == "static"
        assert server.get("/wiki/x").text == "the wiki, with the settings production"


@pytest.mark.parametrize("backend", ["auto", "process"])
def test_one_process_with_threads(start_server: StartServer, backend: str) -> None:
    server = serve(start_server, "threads.conf", backend)
    with ThreadPoolExecutor(8) as pool:
        told = [text.split() for text in pool.map(lambda _: server.get("/").text, range(40))]
    assert sorted(int(number) for number, _pid in told) == list(range(1, 41))
    assert len({pid for _number, pid in told}) == 1


@pytest.mark.skipif(sys.version_info < (3, 14), reason="auto begins with subinterpreters from 3.14 on")
def test_what_moves_has_moved_before_the_first_request(start_server: StartServer) -> None:
    server = serve(start_server, "early.conf")
    log = server.wait_for_log("so the application runs in processes from now on")
    assert "interpreter 'site': faulthandler can't be used" in log
    assert server.get("/").text == "loaded in site, False"


def test_the_environ_has_what_the_table_says(start_server: StartServer) -> None:
    table = PAGE.partition("## What the environ holds")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    keys = {key for row in rows for key in re.findall(r"`([\w.]+)`", row)}
    app = (
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return ['\\n'.join(sorted(map(str, environ))).encode()]\n"
    )
    conf = (
        "SetEnv SET_HERE yes\n<Location /w>\nSetHandler mod_python\nPythonHandler mod_python.wsgi\n"
        "PythonOption mod_python.wsgi.application env_app\nPythonPath \"sys.path + ['${WWW}']\"\n</Location>\n"
    )
    server = start_server(conf, {"env_app.py": app})
    headers = {"Upgrade": "x", "Connection": "Upgrade", "Authorization": "Basic bWU6eA==", "Content-Type": "text/plain"}
    found = set(server.request("POST", "/w", b"x", headers).text.splitlines())
    #: Those that a password or a certificate brings along, which other tests see to.
    elsewhere = {"REMOTE_USER", "AUTH_TYPE", "HTTPS"}
    assert keys - found == elsewhere
    assert "SET_HERE" in found
