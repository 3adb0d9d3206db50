"""How a server calls itself in addresses: ServerName's scheme and port, the socket's port; and AddDefaultCharset."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Server

CONF = """
UseCanonicalName On
PythonPath "['${WWW}'] + sys.path"
<Location /app>
    SetHandler mod_python
    PythonHandler app
</Location>
Redirect /r /target
<VirtualHost *>
    ServerName plain.example
</VirtualHost>
<VirtualHost *>
    ServerName https://front.example
</VirtualHost>
<VirtualHost *>
    ServerName https://front.example:8443
    ServerAlias ported.example
</VirtualHost>
<VirtualHost *>
    ServerName named.example:99
    <Location /app/physical>
        UseCanonicalPhysicalPort On
    </Location>
    <Location /app/client>
        UseCanonicalName Off
        UseCanonicalPhysicalPort On
    </Location>
</VirtualHost>
<VirtualHost *>
    ServerName bare.example
    UseCanonicalPhysicalPort On
</VirtualHost>
<VirtualHost *>
    ServerName utf.example
    AddDefaultCharset utf-8
    <Directory "${WWW}/off">
        AddDefaultCharset Off
    </Directory>
    <Directory "${WWW}/on">
        AddDefaultCharset On
    </Directory>
</VirtualHost>
"""

APP = """
from mod_python import apache

def handler(req):
    req.add_common_vars()
    if req.args:
        req.content_type = req.args.replace("+", " ")
    else:
        req.content_type = "application/x-none"
    env = req.subprocess_env
    req.write(f"{req.construct_url('/x')} {env['REQUEST_SCHEME']} {env['SERVER_PORT']}")
    return apache.OK
"""


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """Each kind of interpreter; one with the worker MPM."""
    backend, mpm = request.param
    files = {"app.py": APP, "x.txt": "x", "x.html": "x", "x.css": "x", "off/x.txt": "x", "on/x.txt": "x"}
    return start_module_server(CONF, files, backend=backend, mpm=mpm)


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("plain.example", "/app", "http://plain.example/x http 80"),
        ("front.example", "/app", "https://front.example/x https 443"),
        ("ported.example", "/app", "https://front.example:8443/x https 8443"),
        ("named.example", "/app", "http://named.example:99/x http 99"),
        ("named.example", "/app/physical", "http://named.example:99/x http 99"),
        ("named.example", "/app/client", "http://named.example:PORT/x http PORT"),
        ("named.example:77", "/app/client", "http://named.example:77/x http 77"),
        ("bare.example", "/app", "http://bare.example:PORT/x http PORT"),
    ],
)
def test_what_a_server_calls_itself(server: Server, host: str, path: str, expected: str) -> None:
    assert server.get(path, host=host).text == expected.replace("PORT", str(server.port))


def test_redirects_have_the_scheme_of_the_front_end(server: Server) -> None:
    assert server.get("/r/a", host="front.example").header("Location") == "https://front.example/target/a"
    assert server.get("/r/a", host="plain.example").header("Location") == "http://plain.example/target/a"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/x.txt", "text/plain; charset=utf-8"),
        ("/x.html", "text/html; charset=utf-8"),
        ("/x.css", "text/css"),
        ("/off/x.txt", "text/plain"),
        ("/on/x.txt", "text/plain; charset=iso-8859-1"),
        ("/app?text/html", "text/html; charset=utf-8"),
        ("/app?text/html;+charset=koi8-r", "text/html; charset=koi8-r"),
        ("/app?text/plain;+format=flowed", "text/plain; charset=utf-8; format=flowed"),
        ("/app", "application/x-none"),
        ("/none", "text/html; charset=iso-8859-1"),
    ],
)
def test_a_default_charset(server: Server, path: str, expected: str) -> None:
    for _ in range(2):
        assert server.get(path, host="utf.example").header("Content-Type") == expected
