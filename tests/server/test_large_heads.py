"""LimitResponseFields and LimitResponseHead: what no client could read is not sent."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import PATIENCE, wait_for

APP = """
from mod_python import apache


def fill(table, args):
    count, size = map(int, args.split("x"))
    for number in range(count):
        table.add("X-%d" % number, "v" * size)


def handler(req):
    fill(req.headers_out, req.args)
    req.write("served", 0)
    return apache.OK


def errors(req):
    fill(req.err_headers_out, req.args)
    return apache.HTTP_NOT_FOUND


def flushes(req):
    fill(req.headers_out, req.args)
    req.write("served")
    return apache.OK


def caught(req):
    fill(req.headers_out, req.args)
    try:
        req.write("served")
    except ValueError:
        pass
    return apache.HTTP_NOT_FOUND


def told(req):
    req.set_content_length(6)
    fill(req.headers_out, req.args)
    req.write("served")
    return apache.OK


def application(environ, start_response):
    count, size = map(int, environ["QUERY_STRING"].split("x"))
    start_response("200 OK", [("X-%d" % number, "v" * size) for number in range(count)])
    return [b"served"]
"""
WAYS = ("handler", "errors", "flushes", "application")
#: Where the answer had a framing before it was refused.
FRAMED = ("flushes", "caught", "told", "application")

CONF = """
CustomLog logs/access.log "%U %>s"
PythonPath "['${WWW}'] + sys.path"
""" + "".join(
    f"""
<Location /{way}>
    SetHandler mod_python
    PythonHandler {"mod_python.wsgi" if way == "application" else f"app::{way}"}
    PythonOption mod_python.wsgi.application app
</Location>
"""
    for way in dict.fromkeys((*WAYS, *FRAMED))
)
HOSTS = """
<VirtualHost *:${PORT}>
    ServerName usual.test
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName small.test
    LimitResponseFields 10
    LimitResponseHead 2K
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName any.test
    LimitResponseFields 0
    LimitResponseHead 0
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName fields.test
    LimitResponseFields 5
    {lines}
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName bytes.test
    LimitResponseHead 200
    {lines}
</VirtualHost>
""".replace("{lines}", "\n".join(f"Header set X-{number} {number:030}" for number in range(8)))


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    """A server with hosts of several limits."""
    server = start_module_server(
        CONF + HOSTS,
        {"app.py": APP, "page.txt": "a page"},
        mode="foreground",
        mpm="worker",
        backend=request.param,
        workers=1,
    )
    yield server
    server.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("host", "asked", "told"),
    [
        ("usual.test", "10000x1000", "10000 header fields are set for it, and LimitResponseFields is 1000"),
        ("usual.test", "10x1000000", "bytes, and LimitResponseHead is 1048576"),
        ("small.test", "11x1", "11 header fields are set for it, and LimitResponseFields is 10"),
        ("small.test", "9x300", "bytes, and LimitResponseHead is 2048"),
    ],
)
def test_too_much_is_a_500_and_told(server: Server, way: str, host: str, asked: str, told: str) -> None:
    begun = len(server.log())
    lines = server.log("access.log").count(f"/{way} 500")
    answer = server.raw(f"GET /{way}?{asked} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 500 "), answer[:200]
    assert len(answer) < 4000
    assert b"served" not in answer
    wait_for(lambda: told in server.log()[begun:], told)
    wait_for(lambda: server.log("access.log").count(f"/{way} 500") == lines + 1, "its line in the access log")


@pytest.mark.parametrize("way", FRAMED)
def test_the_page_in_its_place_has_a_framing_of_its_own(server: Server, way: str) -> None:
    """Else what is left of it would be the beginning of the next answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    for asked, statuses in (("11x1", (404, 500)), ("1x1", (200, 404))):
        connection.request("GET", f"/{way}?{asked}", headers={"Host": "small.test"})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status in statuses
        assert body.endswith(b"</html>\n") or body == b"served"
        assert answer.headers["Content-Length"] is None or int(answer.headers["Content-Length"]) == len(body)
    connection.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("host", "asked"), [("usual.test", "990x1000"), ("small.test", "8x100"), ("any.test", "3000x1000")]
)
def test_what_is_within_the_limits_is_sent(server: Server, way: str, host: str, asked: str) -> None:
    answer = server.raw(f"GET /{way}?{asked} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 " if way == "errors" else b"HTTP/1.1 200 ")
    count = int(asked.partition("x")[0])
    assert answer.partition(b"\r\n\r\n")[0].count(b"\r\nX-") == count


@pytest.mark.parametrize("path", ["/handler?0x1", "/page.txt"])
@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("fields.test", "header fields are set for it, and LimitResponseFields is 5"),
        ("bytes.test", "bytes, and LimitResponseHead is 200"),
    ],
)
def test_what_the_configuration_sets_counts(server: Server, host: str, told: str, path: str) -> None:
    """Also where it is the same for all responses; on connections that are kept, whose heads are made at once."""
    with server.connection() as connection:
        for asked, status in ((host, 500), (host, 500), ("usual.test", 200)):
            begun = server.log().count(told)
            connection.request("GET", path, headers={"Host": asked})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
            if status == 500:
                wait_for(lambda begun=begun: server.log().count(told) > begun, told)  # type: ignore[misc]
