"""Handlers without a server: real requests, made of bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mod_python import Session, apache, util
from mpserver.api.request import Request
from mpserver.testing import Bench


def shows(req: Any) -> int:
    """Tells what it got."""
    form = util.FieldStorage(req)
    req.content_type = "application/json"
    req.headers_out["X-Seen"] = req.headers_in.get("X-Sent", "nothing")
    told = {
        "method": req.method,
        "uri": req.uri,
        "names": {name: form.getlist(name) for name in form},
        "file": req.filename,
        "client": req.connection.remote_ip,
        "options": dict(req.get_options()),
    }
    req.write(json.dumps(told))
    return apache.OK


def test_a_handler_gets_the_request_of_the_bytes(mpserver_bench: Bench) -> None:
    reply = mpserver_bench.get(shows, "/a%20b?x=1&x=2", {"X-Sent": "this"})
    assert (reply.status, reply.header("x-seen")) == (200, "this")
    assert reply.json() == {
        "method": "GET", "uri": "/a b", "names": {"x": ["1", "2"]}, "file": f"{mpserver_bench.folder}/a b",
        "client": "127.0.0.1", "options": {},
    }  # fmt: skip
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert mpserver_bench.ask(shows, "POST", "/", b"x=3", form).json()["names"] == {"x": ["3"]}
    chunks = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"

    def reads(req: Any) -> int:
        req.write(req.read())
        return apache.OK

    assert mpserver_bench.call(reads, chunks).body == b"ab"
    head = mpserver_bench.ask(shows, "HEAD", "/")
    assert (head.status, head.body) == (200, b"")


def test_configuration_phases_and_statuses_are_those_of_the_server(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("text")
    conf = 'PythonOption colour red\nHeader set X-All "yes"\n<Location /no>\n    Require all denied\n</Location>\n'
    with Bench(conf, tmp_path) as bench:
        assert bench.get(shows).json()["options"] == {"colour": "red"}

        def forbidden(req: Any) -> int:
            raise apache.SERVER_RETURN(apache.HTTP_FORBIDDEN)

        reply = bench.get(forbidden, "/x")
        assert (reply.status, "<h1>Forbidden</h1>" in reply.text, reply.header("X-All")) == (403, True, None)
        assert bench.get(shows, "/no/where").status == 403  # (it is not called)

        def sends(req: Any) -> int:
            req.sendfile(req.filename)
            return apache.OK

        assert bench.get(sends, "/page.txt").body == b"text"

        def redirects(req: Any) -> int:
            util.redirect(req, "/elsewhere")

        reply = bench.get(redirects)
        assert (reply.status, reply.header("Location")) == (302, "/elsewhere")


def test_sessions_logs_and_cleanups(mpserver_bench: Bench) -> None:
    ended: list[str] = []

    def counts(req: Any) -> int:
        session = Session.MemorySession(req)
        session["count"] = session.get("count", 0) + 1
        session.save()
        req.register_cleanup(ended.append, "over")
        req.log_error(f"count {session['count']}")
        req.write(str(session["count"]))
        return apache.OK

    first = mpserver_bench.get(counts)
    cookie = (first.header("Set-Cookie") or "").partition(";")[0]
    assert mpserver_bench.get(counts, "/", {"Cookie": cookie}).text == "2"
    assert ended == ["over", "over"]
    assert "[client 127.0.0.1:50000] count 2" in mpserver_bench.log()


def test_what_a_handler_raises_is_for_the_test(mpserver_bench: Bench) -> None:
    def fails(req: Any) -> int:
        raise FileNotFoundError("as asked")

    def forgets(req: Any) -> None:
        req.write("no result")

    with pytest.raises(FileNotFoundError, match="as asked"):
        mpserver_bench.get(fails)
    with pytest.raises(AssertionError, match="non integer"):
        mpserver_bench.get(forgets)


def test_a_request_for_functions_that_take_one(mpserver_bench: Bench) -> None:
    req = mpserver_bench.request(b"GET /x?a=1 HTTP/1.1\r\nHost: www.example.org:8080\r\nCookie: n=v\r\n\r\n")
    assert type(req) is Request
    assert (req.args, req.hostname, req.headers_in["cookie"]) == ("a=1", "www.example.org", "n=v")
    assert mpserver_bench.call(shows, req).json()["uri"] == "/x"


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"GET / HTTP/1.1\r\nHost: h\r\n", "an empty line is missing"), (b"nonsense\r\n\r\n", "this is no request")],
)
def test_what_is_no_request_is_told(mpserver_bench: Bench, data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        mpserver_bench.request(data)


def test_a_body_that_is_not_whole(mpserver_bench: Bench) -> None:
    def reads(req: Any) -> int:
        req.read()
        return apache.OK

    with pytest.raises(OSError, match="the bytes of the request end before its body does"):
        mpserver_bench.call(reads, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab")
