"""What applications see of the answer once its head was made, and what they may put on the objects of a request."""

from __future__ import annotations

import ast
from itertools import count
from typing import Any
from urllib.parse import quote

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Reply, Server
from support.waiting import wait_for

CONF = """
LogFormat "%{X-Code}i|%s|%>s|%{X-A}o|%{Content-Length}o|%{Content-Type}o|%B" seen
CustomLog logs/seen.log seen
ErrorDocument 404 /app/document
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
    PythonLogHandler app::log
    PythonOption seen "${ROOT}/run/seen"
</Directory>
<Directory "${WWW}/static">
    PythonLogHandler app::log
    PythonPath "sys.path + ['${WWW}/app']"
    PythonOption seen "${ROOT}/run/seen"
</Directory>
"""
#: Runs the code that comes along; in the log phase, too, where its ``r`` is written to a file with the number.
APP = """
from urllib.parse import unquote
from mod_python import apache

FACTS = (
    "status", "status_line", "content_type", "clength", "chunked", "_bytes_queued", "bytes_sent", "sent_bodyct",
    "eos_sent",
)


def facts(req):
    found = {name: getattr(req, name) for name in FACTS}
    found["out"], found["err"] = req.headers_out.items(), req.err_headers_out.items()
    found["keepalive"] = req.connection.keepalive
    return found


def run(req, name):
    scope = {"req": req, "apache": apache, "r": None, "result": apache.OK, "facts": facts}
    try:
        exec(unquote(req.headers_in.get(name, "")), scope)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        scope["r"] = f"{type(error).__name__}: {error}"
    return scope


def handler(req):
    scope = run(req, "X-Code")
    if scope["r"] is not None:
        req.write(repr(scope["r"]), 0)
    return scope["result"]


def log(req):
    scope = run(req, "X-Log")
    if scope["r"] is not None:
        with open(req.get_options()["seen"] + req.headers_in["X-Number"], "w") as file:
            file.write(repr(scope["r"]))
    return apache.OK
"""
FILES: dict[str, str | bytes] = {"app/app.py": APP, "app/x": "", "static/page.txt": "the page"}
NUMBERS = count()


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind."""
    backend, mpm = request.param
    return start_module_server(CONF, FILES, backend=backend, mpm=mpm)


@pytest.fixture
def number() -> str:
    """What tells a request from the others."""
    return str(next(NUMBERS))


def ask(server: Server, code: str, log: str = "", method: str = "GET", path: str = "/app/x", **more: str) -> Reply:
    return server.request(method, path, None, {"X-Code": quote(code), "X-Log": quote(log), **more})


def seen(server: Server, number: str, code: str, log: str = "r = facts(req)", **more: Any) -> Any:
    """What the log phase saw of a request."""
    ask(server, code, log, **more, **{"X-Number": number})
    return written(server, number)


def written(server: Server, number: str) -> Any:
    """What the log phase of a request wrote."""
    path = server.root / "run" / f"seen{number}"
    return ast.literal_eval(wait_for(lambda: path.read_text() if path.exists() else "", "the log phase"))


def value(server: Server, code: str) -> Any:
    reply = ask(server, code)
    assert reply.status == 200, server.said()
    return ast.literal_eval(reply.text)


USUAL = {"status": 200, "status_line": "200 OK", "content_type": None, "err": [], "keepalive": 1, "eos_sent": 1}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("req.write('hello', 0)", {
            "out": [("Content-Length", "5"), ("Connection", "close")], "clength": 5, "chunked": 0,
            "_bytes_queued": 5, "bytes_sent": 5, "sent_bodyct": 1,
        }),
        ("req.content_type = 'text/x'\nreq.headers_out['X-a'] = 'b'\nreq.write('hello', 0)", {
            "out": [("X-a", "b"), ("Content-Length", "5"), ("Connection", "close"), ("Content-Type", "text/x")],
            "clength": 5, "chunked": 0, "_bytes_queued": 5, "bytes_sent": 5, "sent_bodyct": 1, "content_type": "text/x",
        }),
        ("req.err_headers_out['X-e'] = 'b'\nreq.set_content_length(5)\nreq.write('hello', 0)", {
            "out": [("X-e", "b"), ("Content-Length", "5"), ("Connection", "close")], "clength": 5, "chunked": 0,
            "_bytes_queued": 5, "bytes_sent": 5, "sent_bodyct": 1,
        }),
        ("req.write('hello' * 1000)\nreq.write('more')", {
            "out": [("Transfer-Encoding", "chunked"), ("Connection", "close")], "clength": 0, "chunked": 1,
            "_bytes_queued": 5004, "bytes_sent": 5004, "sent_bodyct": 1,
        }),
        ("req.status = 404\nreq.write('a', 0)", {
            "out": [("Content-Length", "1"), ("Connection", "close")], "clength": 1, "chunked": 0, "status": 404,
            "status_line": "404 Not Found", "_bytes_queued": 1, "bytes_sent": 1, "sent_bodyct": 1,
        }),
        ("req.status_line = '200 Fine'\nreq.write('a', 0)", {
            "out": [("Content-Length", "1"), ("Connection", "close")], "clength": 1, "chunked": 0,
            "status_line": "200 Fine", "_bytes_queued": 1, "bytes_sent": 1, "sent_bodyct": 1,
        }),
        ("req.status = 204", {
            "out": [("Connection", "close")], "clength": 0, "chunked": 0, "status": 204,
            "status_line": "204 No Content", "_bytes_queued": 0, "bytes_sent": 0, "sent_bodyct": 0,
        }),
        ("result = apache.HTTP_NOT_MODIFIED", {
            "out": [("Connection", "close")], "clength": 0, "chunked": 0, "status": 304,
            "status_line": "304 Not Modified", "_bytes_queued": 0, "bytes_sent": 0, "sent_bodyct": 0,
        }),
        ("req.internal_redirect('/static/page.txt')", {
            "out": [], "clength": 0, "chunked": 0, "status_line": None, "_bytes_queued": 0, "bytes_sent": 0,
            "sent_bodyct": 0,
        }),
    ],
)  # fmt: skip
def test_what_was_sent_can_be_seen_in_the_log_phase(
    server: Server, number: str, code: str, expected: dict[str, Any]
) -> None:
    assert seen(server, number, code) == {**USUAL, **expected}


def test_files(server: Server, number: str) -> None:
    found = seen(server, number, "", path="/static/page.txt")
    assert found["status"] == 200, (found, server.said())
    names = [name for name, _ in found["out"]]
    assert names == ["Last-Modified", "ETag", "Accept-Ranges", "Content-Length", "Connection", "Content-Type"]
    assert (found["clength"], found["bytes_sent"], found["content_type"]) == (8, 8, "text/plain")
    etag = dict(found["out"])["ETag"]
    found = seen(server, str(next(NUMBERS)), "", path="/static/page.txt", **{"If-None-Match": etag})
    assert (found["status"], found["status_line"]) == (304, "304 Not Modified")
    assert dict(found["out"])["ETag"] == etag


def test_error_pages(server: Server, number: str) -> None:
    found = seen(server, number, "req.headers_out['X-a'] = 'gone'\nresult = 403")
    assert (found["status"], found["status_line"]) == (403, "403 Forbidden")
    out = dict(found["out"])
    assert sorted(out) == ["Connection", "Content-Length", "Content-Type"]
    assert int(out["Content-Length"]) == found["clength"] == found["bytes_sent"] == found["_bytes_queued"]


def test_after_a_redirect_the_first_request_keeps_its_own(server: Server, number: str) -> None:
    code = "if not req.prev:\n    req.headers_out['X-a'] = 'first'\n    req.content_type = 'text/first'\n    {}\n"
    code += "else:\n    req.headers_out['X-a'] = 'second'\n    req.status = 201\n    req.write('second', 0)"
    first = "r = [dict(facts(one)['out']), one.content_type, one.status]"
    log = f"one = req\n{first}\none = req.next\nr += {first[4:]}"
    for how, status in (("req.internal_redirect('/app/x')", 200), ("result = 404", 404)):
        number = str(next(NUMBERS))
        found = seen(server, number, code.format(how), log)
        # (an error's page has none of the headers)
        assert found[:3] == [{"X-a": "first"} if status == 200 else {}, "text/first", status]
        assert (found[3]["X-a"], found[3]["Content-Length"], found[5]) == ("second", "6", 201)
        server.wait_for_log(f"{quote(code.format(how))}|{status}|201|second|6|-|6", "seen.log")


def test_while_the_answer_runs(server: Server) -> None:
    code = "req.headers_out['X-a'] = 'b'\nr = [facts(req)['keepalive']]\nreq.flush()\n"
    code += "r += [req.headers_out.items(), req.status_line, facts(req)['keepalive'], req.eos_sent]"
    out = [("X-a", "b"), ("Transfer-Encoding", "chunked"), ("Connection", "close")]
    assert value(server, code) == [0, out, "200 OK", 1, 0]
    code = "req.write('[', 1)\nreq.write(repr(req.headers_out.items()) + ']', 0)"
    assert value(server, code) == [out[1:]]


def test_kept_connections_say_so(server: Server) -> None:
    numbers = [str(next(NUMBERS)) for _ in range(2)]
    codes = {"X-Code": quote("r = req.connection.keepalive"), "X-Log": quote("r = facts(req)")}
    with server.connection() as connection:
        for one in numbers:
            connection.request("GET", "/app/x", headers={**codes, "X-Number": one})
            assert connection.getresponse().read() == b"0"
    for one in numbers:
        found = written(server, one)
        assert (found["keepalive"], found["out"]) == (2, [("Content-Length", "1")])


def test_a_request_counts_for_its_connection_once_its_head_has_left(server: Server) -> None:
    look = "r.append(req.connection.keepalives)\n"
    code = f"r = []\n{look}req.write(' ', 1)\n{look}"
    log = f"r = []\n{look}"
    numbers = [str(next(NUMBERS)) for _ in range(3)]
    with server.connection() as connection:
        for index, one in enumerate(numbers):
            last = index == 2
            headers = {"X-Code": quote(code), "X-Log": quote(log), "X-Number": one}
            connection.request("GET", "/app/x", headers=headers | ({"Connection": "close"} if last else {}))
            answer = ast.literal_eval(connection.getresponse().read().decode())
            assert answer == [index, index + (not last)]
    assert [written(server, one) for one in numbers] == [[1], [2], [2]]


# ---- the type of the content


@pytest.mark.parametrize(
    ("code", "types"),
    [
        ("req.headers_out['Content-Type'] = 'text/a'", ["text/a"]),
        ("req.err_headers_out['content-type'] = 'text/a'", ["text/a"]),
        ("for one, value in (req.headers_out, 'text/a'), (req.err_headers_out, 'text/e'): one['Content-Type'] = value",
         ["text/e", "text/a"]),
        ("req.content_type = 'text/y'\nreq.headers_out['Content-Type'] = 'text/a'", ["text/y"]),
        ("req.headers_out['Content-Type'] = 'text/a'\nreq.content_type = 'text/y'", ["text/y"]),
        ("req.content_type = 'text/y'\nreq.err_headers_out['Content-Type'] = 'text/a'", ["text/y"]),
        ("req.headers_out['Content-Type'] = 'text/a'\nreq.status = 204", ["text/a"]),
    ],
)  # fmt: skip
def test_a_content_type_among_the_headers(server: Server, code: str, types: list[str]) -> None:
    for end in ("", "\nreq.flush()"):
        reply = ask(server, code + end)
        assert [value for name, value in reply.headers if name.lower() == "content-type"] == types
    shown = "text/y" if "text/y" in types else "None"
    assert ask(server, code + "\nreq.status = 200\nreq.write(str(req.content_type), 0)").text == shown


@pytest.mark.parametrize(
    "code",
    [
        "req.content_type = 'text/\\u20ac'", "req.status_line = '200 \\u20ac'", "req.headers_out['X-a'] = '\\u20ac'",
        "req.err_headers_out['X-a'] = '\\u20ac'", "req.headers_out.add('X-a', '\\u20ac')",
    ],
)  # fmt: skip
def test_what_no_header_can_hold_is_refused_where_it_is_set(server: Server, code: str) -> None:
    reply = ask(server, code)
    assert (reply.status, reply.text) == (200, "'TypeError: not an ISO-8859-1 string'")


@pytest.mark.parametrize("value", ["'text/\\xe9'", "b'text/\\xe9'"])
def test_what_latin_1_has_is_sent_so(server: Server, value: str) -> None:
    reply = ask(server, f"req.content_type = {value}\nreq.headers_out['X-a'] = {value}\nreq.status_line = '200 \\xe9'")
    assert (reply.header("Content-Type"), reply.header("X-a"), reply.reason) == ("text/\xe9", "text/\xe9", "\xe9")


# ---- attributes of applications

NAMES = (
    "finish", "_link", "_parts", "_started", "plain", "_log", "framed", "_plan", "_head", "kept", "fd", "link",
    "send", "hold", "input", "look_up", "data", "x",
)  # fmt: skip


@pytest.mark.parametrize("of", ["req", "req.connection", "req.server", "req.connection.base_server"])
def test_any_attribute_may_be_set(server: Server, of: str) -> None:
    code = "".join(f"{of}.{name} = 5\n" for name in NAMES) + f"r = [getattr({of}, name) for name in {NAMES}]"
    assert value(server, code) == [5] * len(NAMES)
    assert value(server, f"r = [{of}.missing]").startswith("AttributeError")


def test_attributes_of_the_connection_stay_with_it(server: Server) -> None:
    codes = {
        "req.connection.who = req.server.who = 'joe'\nr = 1": "1",
        "r = [req.connection.who, hasattr(req.server, 'who')]": "['joe', False]",
    }
    with server.connection() as connection:
        for code, expected in codes.items():
            connection.request("GET", "/app/x", headers={"X-Code": quote(code)})
            assert connection.getresponse().read().decode() == expected
    assert value(server, "r = hasattr(req.connection, 'who')") is False
