"""The example of three frameworks beside each other does what its README says."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable, Iterator

import pytest

from mpserver.interpreters.kinds import AUTO
from mpserver.testing import Server
from support.processes import PROJECT
from support.waiting import wait_for

pytestmark = [
    pytest.mark.apps,
    *(
        pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed: tools/test --apps")
        for name in ("django", "flask", "numpy")
    ),
]


@pytest.fixture(scope="module")
def server(mpserver_module: Callable[..., Server]) -> Iterator[Server]:
    """The example's server."""
    yield mpserver_module(PROJECT / "examples" / "frameworks" / "httpd.conf")


def cookies(server: Server, path: str) -> tuple[str, str]:
    """A page, and the cookies that it sets."""
    reply = server.get(path)
    assert reply.status == 200, server.log()
    return reply.text, "; ".join(value.partition(";")[0] for name, value in reply.headers if name == "Set-Cookie")


def test_the_shop_has_a_session_and_static_files(server: Server) -> None:
    page, cookie = cookies(server, "/shop/")
    assert 'action="/shop/add"' in page
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    form = f"csrfmiddlewaretoken={token[1]}&name=tea"
    bought = server.post("/shop/add", form, {"Cookie": cookie})
    assert (bought.status, bought.header("Location")) == (302, "/shop/")
    session = (bought.header("Set-Cookie") or "").partition(";")[0]
    assert '<b id="total">4</b>' in server.get("/shop/", {"Cookie": f"{cookie}; {session}"}).text
    assert server.post("/shop/add", form).status == 403  # (without the cookie)
    (sheet,) = re.findall(r'rel="stylesheet" href="([^"]+)"', page)
    static = server.get(sheet)
    assert (static.status, static.header("Content-Type")) == (200, "text/css")
    assert static.header("Cache-Control") == "max-age=3600"
    assert server.get("/shop/static/none.css").status == 404
    assert server.get("/shop/none").status == 404


def test_the_notes_know_where_they_are(server: Server) -> None:
    written = server.post("/notes/", "text=%3Cb%3E")
    assert (written.status, written.header("Location")) == (302, "/notes/1")
    assert json.loads(server.get("/notes/1").body) == {"note": "<b>", "all": "/notes/"}
    assert "&lt;b&gt;" in server.get("/notes/").text
    assert server.get("/notes/2").status == 404


def test_the_curve_is_a_process_and_the_others_are_not(server: Server) -> None:
    picture = server.get("/curve?n=4")
    assert (picture.status, picture.header("Content-Type")) == (200, "image/svg+xml")
    assert picture.text.count(",") == 721
    assert {server.get(f"/curve?n={n}").status for n in ("0", "x", "21")} == {400}
    if AUTO != "process":  # (where all are, nobody moves)
        log = server.folder / "frameworks.error.log"
        wait_for(lambda: "interpreter 'curve': " in log.read_text(), "the log to tell")
        assert "can't be used in an isolated subinterpreter" in log.read_text()
        assert not re.search("interpreter '(shop|notes)': ", log.read_text())


def test_the_page_leads_to_all(server: Server) -> None:
    links = re.findall(r'<li><a href="([^"]+)"', server.get("/").text)
    assert len(links) == 3
    assert {server.get(link).status for link in links} == {200}
