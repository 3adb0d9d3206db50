"""HostnameLookups and UseCanonicalName DNS: names of addresses, for logs, variables and handlers."""

from __future__ import annotations

import json
import socket

import pytest

from conftest import StartServer
from support.server import Server

CONF = """
LogFormat "%U %h" names
CustomLog logs/names.log names
SetHandler mod_python
PythonHandler app
PythonPath "['${WWW}'] + sys.path"
<Location /on>
    HostnameLookups On
</Location>
<Location /double>
    HostnameLookups Double
</Location>
<Location /dns>
    UseCanonicalName DNS
</Location>
"""

APP = """
import json
from mod_python import apache

def handler(req):
    req.add_cgi_vars()
    env = req.subprocess_env
    req.write(json.dumps([req.get_remote_host(), env.get("REMOTE_HOST"), env["REMOTE_ADDR"], env["SERVER_NAME"]]))
    return apache.OK
"""


def name_of(address: str) -> str:
    """What an address is called here."""
    try:
        return socket.gethostbyaddr(address)[0]
    except OSError:
        pytest.skip(f"{address} has no name on this machine")


@pytest.fixture(scope="module")
def server(start_module_server: StartServer) -> Server:
    """A server whose locations look up differently."""
    return start_module_server(CONF, {"app.py": APP}, backend="main")


def leads_back(name: str) -> bool:
    """Whether a name leads to the loopback address."""
    return any(entry[4][0] == "127.0.0.1" for entry in socket.getaddrinfo(name, None))


@pytest.mark.parametrize("path", ["/off", "/on", "/double"])
def test_names_of_clients(server: Server, path: str) -> None:
    name = name_of("127.0.0.1")
    known = path == "/on" or (path == "/double" and leads_back(name))
    shown = name if known else "127.0.0.1"
    answer = json.loads(server.get(path).body)
    assert answer[:3] == [shown, name if known else None, "127.0.0.1"]
    server.wait_for_log(f"{path} {shown}\n", "names.log")


def test_the_name_of_the_server(server: Server) -> None:
    assert json.loads(server.get("/dns", host="called.otherwise").body)[3] == name_of("127.0.0.1")
    assert json.loads(server.get("/off", host="called.otherwise").body)[3] == "called.otherwise"
