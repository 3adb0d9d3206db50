"""What a request and its connection had is free when they are over: nothing of it waits for the garbage collector."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from conftest import StartServer
from support.certificates import Authority
from support.server import EACH_IN_BOTH, Server
from support.tls import HTTPS, Client, at_port
from support.waiting import wait_for

CONF = (
    """
LoadModule deflate_module modules/mod_deflate.so
PythonPath "['${WWW}'] + sys.path"
SetHandler mod_python
<Location /asks>
    PythonHandler app::asks
</Location>
<Location /filters>
    PythonHandler app::asks
    SetOutputFilter DEFLATE
</Location>
<Location /form>
    PythonHandler app::form
    SetInputFilter DEFLATE
</Location>
<Location /left>
    PythonHandler app::left
</Location>
"""
    + HTTPS
)

APP = """
import gc
from mod_python import apache, util

gc.disable()


def say(req, text):
    req.content_type = "text/plain"
    req.write(text)
    return apache.OK


def asks(req):
    return say(req, req.connection.client_ip)


def form(req):
    return say(req, util.FieldStorage(req)["a"])


def left(req):
    names = [type(one).__name__ for one in gc.get_objects()]
    return say(req, "%d" % sum(names.count(name) for name in ("mp_request", "mp_conn", "SSLObject")))
"""

#: So many requests of each sort; and what of them may be there still: the one that looks, and the last ones of threads.
MANY, FEW = 40, 20


class Served(NamedTuple):
    """A server with a port for TLS."""

    server: Server
    client: Client


@pytest.fixture(params=EACH_IN_BOTH, ids="-".join)
def served(start_server: StartServer, authority: Authority, request: pytest.FixtureRequest) -> Iterator[Served]:
    """It, for each kind of interpreter and MPM."""
    backend, mpm = request.param
    with at_port(authority) as (client, variables):
        options = {"backend": backend, "mpm": mpm, "threads": 2, "variables": variables, "mode": "foreground"}
        yield Served(start_server(CONF, {"app.py": APP}, **options), client)


def nothing_is_left(served: Served) -> None:
    wait_for(lambda: int(served.server.get("/left").text) < FEW, "requests to be free")


@pytest.mark.parametrize("path", ["/asks", "/filters"])
def test_of_a_request(served: Served, path: str) -> None:
    for _ in range(MANY):
        assert served.server.get(path, {"Accept-Encoding": "gzip"}).status == 200
    nothing_is_left(served)


def test_of_a_body_with_filters(served: Served) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    for number in range(MANY):
        reply = served.server.request("POST", "/form", gzip.compress(b"a=%d" % number), headers)
        assert reply.text == str(number)
    nothing_is_left(served)


def test_of_a_connection_over_tls(served: Served) -> None:
    for _ in range(MANY):
        assert served.client.get("a.example", "/asks").status == 200
    assert int(served.client.get("a.example", "/left").text) < FEW
