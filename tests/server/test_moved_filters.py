"""Filters that handlers add to a request, and the file that they tell of, are there wherever it goes on."""

from __future__ import annotations

import ast

import pytest

from conftest import StartServer
from support.server import EACH_IN_BOTH, Server

APP = """
from mod_python import apache


def early(req):
    req.register_output_filter("shout", "filtering::shout")
    req.register_input_filter("turn", "filtering::turn")
    if req.args == "early":
        req.add_output_filter("shout")
        req.add_input_filter("turn")
    return apache.DECLINED


def fixup(req):
    if req.args == "file":
        req.finfo = apache.stat(__file__, apache.APR_FINFO_NORM)
    if req.args == "late":
        req.add_output_filter("shout")
        req.add_input_filter("turn")
    return apache.OK


def shout(filter):
    while data := filter.read():
        filter.write(data.upper())
    if data is None:
        filter.write("!")
        filter.close()


def turn(filter):
    while data := filter.read():
        filter.write(data.replace(b"a", b"z"))
    if data is None:
        filter.close()


def handler(req):
    req.content_type = "text/plain"
    req.write(b"body: " + req.read())
    req.write(" in " + apache.interpreter)
    if req.args in ("file", "stat"):
        req.write(repr([req.finfo.fname, req.finfo.size, req.finfo[9], req.finfo.filetype, req.finfo.valid]))
    return apache.OK
"""

CONF = """
PythonPath "sys.path + ['${WWW}']"
PythonInterpPerDirective On
PythonPostReadRequestHandler filtering::early
<Directory "${WWW}/one">
    PythonFixupHandler filtering::fixup
</Directory>
<Directory "${WWW}/one/sub">
    SetHandler mod_python
    PythonHandler filtering
</Directory>
"""


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """A server whose phases have interpreters of their own, of one kind and in one MPM."""
    backend, mpm = request.param
    return start_module_server(CONF, {"filtering.py": APP, "one/sub/a.txt": ""}, backend=backend, mpm=mpm)


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize("body", [b"abc", b"abc" * 50_000], ids=["short", "long"])
def test_filters_go_along(server: Server, when: str, body: bytes) -> None:
    for _ in range(2):
        plain = server.request("POST", "/one/sub/a.txt", b"abc")
        assert plain.text == f"body: abc in {server.www}/one/sub/"
        reply = server.request("POST", f"/one/sub/a.txt?{when}", body)
        assert reply.text == f"body: {body.decode().replace('a', 'z')} in {server.www}/one/sub/".upper() + "!"


def test_the_file_that_a_handler_tells_of_goes_along(server: Server) -> None:
    place = f"body:  in {server.www}/one/sub/"
    seen = (server.www / "filtering.py").stat()
    told = ast.literal_eval(server.get("/one/sub/a.txt?file").text.removeprefix(place))
    assert told[:4] == [f"{server.www}/filtering.py", seen.st_size, int(seen.st_ctime), 1]
    assert server.get("/one/sub/a.txt?stat").text.startswith(f"{place}['{server.www}/one/sub/a.txt', 0, ")
