"""Django and Flask as people install them, unmodified, through ``mod_python.wsgi``."""

from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from conftest import StartServer
from support.server import BACKENDS, MPMS, Server

pytestmark = pytest.mark.apps

HERE = Path(__file__).parent

#: A framework's name, and the option that names its application.
FRAMEWORKS = {"flask": "flask_app::app", "django": "django_app"}

CONF = """
<Location /my-app>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonPath "sys.path + ['${{WWW}}']"
    PythonOption mod_python.wsgi.application {application}
</Location>
"""

BASE = "/my-app"

#: ``auto`` shows what people get who say nothing: own, or a process where a module refuses.
KINDS = (*BACKENDS, "auto")


@pytest.fixture(scope="module", params=list(itertools.product(FRAMEWORKS, KINDS, MPMS)), ids="-".join)
def site(request: pytest.FixtureRequest, start_module_server: StartServer) -> tuple[str, Server]:
    """One framework's site in one kind of interpreter."""
    name, kind, mpm = request.param
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed: tools/test --apps")
    source = HERE / f"{name}_site" / f"{name}_app.py"
    conf = CONF.format(application=FRAMEWORKS[name])
    return name, start_module_server(conf, {source.name: source.read_text()}, backend=kind, mpm=mpm)


def multipart(**parts: Any) -> tuple[bytes, dict[str, str]]:
    """A form with a text and a file."""
    lines = []
    for name, value in parts.items():
        if isinstance(value, bytes):
            lines.append(f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="Zoë.bin"\r\n\r\n'.encode())
            lines.append(value + b"\r\n")
        else:
            lines.append(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    return b"".join(lines) + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


def test_mount(site: tuple[str, Server]) -> None:
    _, server = site
    assert server.get(BASE + "/").text == "index of /my-app"


def test_paths_beyond_ascii(site: tuple[str, Server]) -> None:
    _, server = site
    reply = server.get(BASE + "/hello/Zo%C3%AB")
    found = json.loads(reply.body)
    assert reply.header("Content-Type") == "application/json"
    assert (found["hello"], found["url"]) == ("Zoë", BASE + "/hello/Zo%C3%AB")
    assert found["external"].startswith(f"http://127.0.0.1:{server.port}/")


def test_forms_with_files(site: tuple[str, Server]) -> None:
    _, server = site
    body, headers = multipart(text="Zoë", upload=b"\0" * 3_000_000)
    found = json.loads(server.request("POST", BASE + "/form", body, headers).body)
    assert found == {"text": "Zoë", "file": "Zoë.bin", "size": 3_000_000}


def test_sessions(site: tuple[str, Server]) -> None:
    _, server = site
    reply = server.get(BASE + "/count")
    cookie = (reply.header("Set-Cookie") or "").partition(";")[0]
    assert (reply.text, server.get(BASE + "/count", {"Cookie": cookie}).text) == ("1", "2")


def test_streams_and_files(site: tuple[str, Server]) -> None:
    name, server = site
    reply = server.get(BASE + "/stream")
    assert reply.header("Transfer-Encoding") == "chunked"
    assert [line.split()[-1] for line in reply.text.splitlines()] == ["0", "1", "2"]
    source = (HERE / f"{name}_site" / f"{name}_app.py").read_bytes()
    reply = server.get(BASE + "/file")
    assert (reply.status, reply.body, reply.header("Content-Length")) == (200, source, str(len(source)))
    assert server.request("HEAD", BASE + "/file").header("Content-Length") == str(len(source))


def test_statuses(site: tuple[str, Server]) -> None:
    name, server = site
    reply = server.get(BASE + "/moved")
    assert (reply.status, reply.header("Location")) == (302, BASE + "/")
    assert server.get(BASE + "/teapot").status == (418 if name == "flask" else 404)
    assert server.get(BASE + "/missing").status == 404
    assert server.get(BASE + "/fails").status == 500
    if name == "flask":  # Django tells the administrators, by mail
        server.wait_for_log("LookupError: a fault of the view")


def test_a_connection_is_kept(site: tuple[str, Server]) -> None:
    _, server = site
    with server.connection() as connection:
        for path in ("/", "/stream", "/moved", "/missing", "/"):
            connection.request("GET", BASE + path)
            connection.getresponse().read()
            assert connection.sock is not None, path


def test_flask_reads_chunked_bodies(site: tuple[str, Server]) -> None:
    name, server = site
    if name != "flask":
        pytest.skip("Django refuses bodies without Content-Length")
    with server.connection() as connection:
        connection.request("POST", BASE + "/chunks", iter([b"x" * 1000, b"y"]), encode_chunked=True)
        assert connection.getresponse().read() == b"1001"


def test_django_has_its_database(site: tuple[str, Server]) -> None:
    name, server = site
    if name != "django":
        pytest.skip("Flask has none")
    assert server.get(BASE + "/database").text == "42"
