"""A file's name tells its coding and language; what is said in its place when something fails has neither."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server

APP = """
from mod_python import apache


def handler(req):
    if req.args == "raise":
        raise ValueError("fails")
    if req.args == "filter":
        req.register_output_filter("bad", "coded::bad")
        req.add_output_filter("bad")
        req.write("content")
        return apache.OK
    if req.args:
        return int(req.args)
    req.write("content")
    return apache.OK


def bad(filter):
    raise ValueError("fails, too")
"""

CONF = """
AddEncoding x-own .own
AddLanguage de .de
ErrorDocument 403 "not for you"
ErrorDocument 405 "not so"
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler coded
</Directory>
<Directory "${WWW}/debug">
    PythonDebug On
    PythonPath "sys.path + ['${WWW}']"
</Directory>
"""


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """Handlers for files with codings and languages, in one kind of interpreter."""
    files: dict[str, str | bytes] = {"coded.py": APP, "a.html.de.own": "", "debug/a.html.de.own": ""}
    return start_module_server(CONF, files, backend=str(request.param))


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/a.html.de.own?403", 403, "not for you"),
        ("/a.html.de.own?404", 404, "Not Found"),
        ("/a.html.de.own?405", 405, "not so"),
        ("/a.html.de.own?filter", 500, "Internal Server Error"),
        ("/debug/a.html.de.own?raise", 500, "ValueError: fails"),
        ("/debug/a.html.de.own?filter", 500, "ValueError: fails, too"),
    ],
)
def test_what_is_said_of_an_error_is_plain(server: Server, path: str, status: int, said: str) -> None:
    whole = server.get(path.partition("?")[0])
    assert (whole.header("Content-Encoding"), whole.header("Content-Language")) == ("x-own", "de")
    reply = server.get(path)
    assert reply.status == status
    assert said in reply.text
    assert (reply.header("Content-Encoding"), reply.header("Content-Language")) == (None, None)
    assert (reply.header("Allow") is not None) is (status == 405)  # (RFC 9110 15.5.6)
