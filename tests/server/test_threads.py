"""Threads of an interpreter at the same pages, modules, scripts and application: each client gets its own answer."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import PATIENCE

CLIENTS = 20
TURNS = 20
#: What every client asks for by turns; the answer is its name.
PATHS = ("/module/who", "/page.psp", "/script.py", "/wsgi", "/string", "/cookie")

HURRY = """
import random
import sys


def hurry():
    sys.setswitchinterval(random.choice((1e-6, 1e-5, 1e-4, 5e-3)))
"""

APP = """
import hurry
from mod_python import Cookie, apache, psp


def string(req):
    hurry.hurry()
    psp.PSP(req, string="<%= form.getfirst('name') %>").run()
    return apache.OK


def cookie(req):
    hurry.hurry()
    req.write(Cookie.get_cookie(req, "name").value)
    return apache.OK


def application(environ, start_response):
    hurry.hurry()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Name", environ["HTTP_X_NAME"])])
    assert environ["QUERY_STRING"] == "name=" + environ["HTTP_X_NAME"]
    return [environ["HTTP_X_NAME"].encode()]
"""

MODULE = """
import hurry

calls = []


def who(req, name):
    hurry.hurry()
    calls.append(name)
    return name


def count(req):
    return str(len(calls))
"""

FILES: dict[str, str | bytes] = {
    "lib/hurry.py": HURRY,
    "app.py": APP,
    "module.py": MODULE,
    "page.psp": "<% import hurry; hurry.hurry() %><%= form.getfirst('name') %>",
    "script.py": "import hurry, os; hurry.hurry()\n"
                 "print('Content-Type: text/plain\\n\\n' + os.environ['QUERY_STRING'].partition('=')[2], end='')\n",
}  # fmt: skip

CONF = """
PythonPath "['${WWW}/lib', '${WWW}'] + sys.path"
PythonInterpreter one
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler mod_python.publisher
    <Files page.psp>
        PythonHandler mod_python.psp
    </Files>
    <Files script.py>
        PythonHandler mod_python.cgihandler
    </Files>
</Directory>
<Location /wsgi>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app
</Location>
<Location /string>
    SetHandler mod_python
    PythonHandler app::string
</Location>
<Location /cookie>
    SetHandler mod_python
    PythonHandler app::cookie
</Location>
"""


def ask(server: Server, name: str, faults: Counter[str]) -> None:
    """One client: all paths by turns on one connection; ``faults`` counts what must not be."""
    with server.connection() as connection:
        for turn in range(TURNS):
            path = PATHS[(turn + int(name)) % len(PATHS)]
            headers = {"X-Name": name, "Cookie": f"name={name}"}
            connection.request("GET", f"{path}?name={name}", headers=headers)
            answer = connection.getresponse()
            body = answer.read().decode()
            if (answer.status, body) != (200, name) or answer.getheader("X-Name", name) != name:
                faults[f"{path}: {answer.status} {body[:40]!r}"] += 1


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_everybody_gets_their_own_answer(start_server: StartServer, backend: str, mpm: str) -> None:
    server = start_server(CONF, FILES, backend=backend, mpm=mpm, threads=CLIENTS)
    faults: Counter[str] = Counter()
    clients = [threading.Thread(target=ask, args=(server, str(number), faults)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(PATIENCE)
    assert not any(client.is_alive() for client in clients), server.said()
    assert not faults, (faults, server.said())
    # a published module keeps what all of them have put there: it was loaded once
    asked = Counter(PATHS[(turn + number) % len(PATHS)] for number in range(CLIENTS) for turn in range(TURNS))
    assert server.get("/module/count").text == str(asked[PATHS[0]])
