"""What a WSGI application's interpreter remembers of requests is bounded, whatever clients send."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import BACKENDS

CONF = """
LimitRequestFieldSize 30000
<Location />
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app::application
    PythonPath "['${WWW}'] + sys.path"
</Location>
"""

#: It tells how much it finds kept of a header.
APP = """
import gc

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    mine = id(environ)
    kept = [one for one in gc.get_objects() if type(one) is dict and "HTTP_X_MUCH" in one and id(one) != mine]
    return [b"%d" % sum(len(one["HTTP_X_MUCH"]) for one in kept)]
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_long_headers_are_not_kept(start_server: StartServer, backend: str) -> None:
    server = start_server(CONF, {"app.py": APP}, backend=backend)
    sizes = [int(server.get("/", {"X-Much": f"{number}" + "x" * 20_000}).text) for number in range(20)]
    assert max(sizes) < 100_000, sizes
