"""The demo's pages do what they say: forms, streams, logins, the test page, in a real server."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpserver.interpreters.kinds import AUTO
from support.processes import nothing_outlives
from support.server import Server
from support.waiting import wait_for

CONF = Path(__file__).resolve().parent.parent.parent / "conf"


class Demo(Server):
    """A server with the demo's configuration and nothing else."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "", mode="foreground")
        self.pid_file = self.logs / "mpserver.pid"
        (self.logs / "data").mkdir()
        (self.logs / "data" / "release.py").touch()
        variables = {
            "MPSERVER_PORT": str(self.port),
            "MPSERVER_RUN": str(self.logs),
            "MPSERVER_DEMO": str(CONF / "demo"),
            "MPSERVER_USER": "root" if os.geteuid() == 0 else getpass.getuser(),
        }
        lines = [f'Define {name} "{value}"' for name, value in variables.items()]
        self.conf.write_text("\n".join([*lines, f'Include "{CONF / "demo.conf"}"', ""]))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, orphanage: None) -> Iterator[Server]:
    """The demo's server."""
    with nothing_outlives(), Demo(tmp_path_factory.mktemp("demo")) as server:
        yield server


def test_static_files(demo: Server) -> None:
    page = demo.get("/static.html")
    assert page.header("Last-Modified")
    assert demo.get("/static.html", {"If-None-Match": page.header("ETag") or ""}).status == 304
    assert demo.get("/static.html", {"Range": "bytes=0-99"}).status == 206
    assert demo.get("/style.css").header("Content-Type") == "text/css"


def test_handler(demo: Server) -> None:
    page = demo.get("/hello?x=1")
    assert page.status == 200
    assert page.text.startswith("Hello, 127.0.0.1!")
    assert "/hello?x=1" in page.text


def test_form(demo: Server) -> None:
    assert 'action="/form.py/send"' in demo.get("/form.py").text
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    parts = [
        ('name="name"', "Zo\xeb"),
        ('name="comment"', "<b>1 & 2"),
        ('name="attachment"; filename="f.bin"', "0123456789"),
    ]
    body = "".join(f"--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n" for head, text in parts)
    answer = demo.request("POST", "/form.py/send", (body + "--b--\r\n").encode(), headers)
    assert answer.status == 200
    for text in ("Thank you, Zo\xeb", "&lt;b&gt;1 &amp; 2", "f.bin, 10 bytes"):
        assert text in answer.text
    assert "Something is missing" in demo.get("/form.py/send?name=x").text
    assert demo.get("/form.py/html").status == 403


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "text/xml"}, b"<a/>", 501),
        ({"Content-Type": "multipart/form-data; boundary=b"}, b"--b\r\nnonsense", 200),  # (no form)
        ({"Content-Type": "multipart/form-data"}, b"--b\r\nnonsense", 400),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"&" * 10_001, 413),
        ({}, b"name=a&comment=b", 200),
    ],
)
def test_bad_forms(demo: Server, headers: dict[str, str], body: bytes, status: int) -> None:
    assert demo.request("POST", "/form.py/send", body, headers).status == status
    assert demo.request("PUT", "/form.py/send", body, headers).header("Allow") is not None


def test_generators_are_streamed(demo: Server) -> None:
    answer = demo.get("/form.py/count?to=2")
    assert answer.text == "1\n2\n"
    assert answer.header("Transfer-Encoding") == "chunked"
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"


def test_login(demo: Server) -> None:
    for login in [None, ("spam", "wrong"), ("x", "")]:
        refused = demo.get("/login/", auth=login)
        assert refused.status == 401
        assert refused.header("WWW-Authenticate") == 'Basic realm="Demo members: spam, eggs"'
    assert "Welcome, spam" in demo.get("/login/", auth=("spam", "eggs")).text


def test_mpinfo(demo: Server) -> None:
    page = demo.get("/mpinfo")
    assert page.status == 200
    assert "mod_python works" in page.text
    assert "Listen 127.0.0.1:" in page.text
    assert demo.get("/form.py").status == 200
    assert "Publisher loading page" in demo.get("/mpinfo?log").text


def test_a_page_with_a_session(demo: Server) -> None:
    first = demo.get("/visits.psp")
    cookie = {"Cookie": (first.header("Set-Cookie") or "").partition(";")[0]}
    assert '<b id="visits">1</b> time;' in first.text
    assert '<b id="visits">2</b> times;' in demo.get("/visits.psp", cookie).text
    forgotten = demo.request("POST", "/visits.psp", "forget=1", {
        "Content-Type": "application/x-www-form-urlencoded", **cookie,
    })  # fmt: skip
    assert (forgotten.status, forgotten.header("Location")) == (302, "/visits.psp")
    assert '<b id="visits">1</b> time;' in demo.get("/visits.psp", cookie).text


def test_wsgi(demo: Server) -> None:
    page = demo.get("/wsgi/?x=<b>")
    assert page.header("Content-Type") == "text/html; charset=utf-8"
    assert "<dt>QUERY_STRING</dt><dd>&#x27;x=&lt;b&gt;&#x27;</dd>" in page.text
    assert demo.get("/wsgi/none").status == 404


def test_an_extension_module_has_its_application_move_and_the_page_shows_the_line_of_the_log(demo: Server) -> None:
    assert demo.get("/machine").status == 200
    if AUTO == "process":
        assert "every application is served by a process of its own" in demo.get("/machine").text
    else:
        wait_for(lambda: "can&#x27;t be used in an isolated subinterpreter" in demo.get("/machine").text, "the line")
        assert "interpreter &#x27;machine&#x27;: psutil." in demo.get("/machine").text


def test_the_button_replaces_one_application_and_no_other(demo: Server) -> None:
    assert demo.get("/recycle").status == 405
    assert demo.get("/hello?facts").status == 200
    first = json.loads(demo.get("/counter").body)["started"]
    pressed = demo.request("POST", "/recycle")
    assert (pressed.status, pressed.header("Location")) == (302, "/side.html")
    wait_for(lambda: json.loads(demo.get("/counter").body)["started"] > first, "a new interpreter")
    demo.wait_for_log("recycled 'counter': ")
    assert "recycled 'hello'" not in demo.log()
