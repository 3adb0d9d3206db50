"""What applications see of forms, pages, cookies, sessions and names, as the published mod_python on httpd has it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import wait_for

CONF = """
PythonInterpPerDirectory Off
PythonInterpPerDirective Off
<VirtualHost *:${PORT}>
    ServerName plain.test
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName ported.test:8099
</VirtualHost>
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/gone">
    SetHandler mod_python
    PythonHandler gone
    PythonInterpreter gone
</Directory>
<Directory "${WWW}/psp">
    SetHandler mod_python
    PythonHandler reads mod_python.psp
    PythonOption mod_python.session.session_type FileSession
    PythonOption mod_python.session.database_directory "${ROOT}"
</Directory>
<Directory "${WWW}/pub">
    AddHandler mod_python .py
    PythonHandler mod_python.publisher
</Directory>
<Location /absent>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonPath "sys.path + ['${WWW}/app']"
    PythonOption mod_python.wsgi.application app::missing
</Location>
<Location /misnamed>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonPath "sys.path + ['${WWW}/app']"
    PythonOption mod_python.wsgi.application app::handlr
</Location>
<Location /never>
    SetHandler mod_python
    PythonPath "sys.path + ['${WWW}/app']"
    PythonHandler app | py
</Location>
<Location /always>
    SetHandler mod_python
    PythonPath "sys.path + ['${WWW}/app']"
    PythonHandler app |
</Location>
"""

APP = """
import json
from mod_python import Cookie, Session, apache, util

def handler(req):
    req.content_type = "text/plain"
    found = globals().get((req.path_info or "/names")[1:])(req)
    req.write(json.dumps(found), 0)
    return apache.OK

def names(req):
    req.add_common_vars()
    return [req.construct_url("/x"), req.subprocess_env["SERVER_PORT"]]

def config(req):
    tables = req.get_config(), req.server.get_config(), apache.main_server.get_config()
    return [sorted(table.keys()) for table in tables]

def form(req):
    first = util.FieldStorage(req, file_callback="none")
    second = util.FieldStorage(req)
    return [[[field.name, field.filename, bool(field), text(field.value)] for field in first.list], len(second.list)]

def text(value):
    return value if isinstance(value, str) else value.decode()

def cookies(req):
    return {name: cookie.value for name, cookie in Cookie.get_cookies(req).items()}

def moved(req):
    req.write("")
    util.redirect(req, "/elsewhere", text="there")

def late(req):
    req.write("sent")
    try:
        util.redirect(req, "/elsewhere")
    except IOError as error:
        return str(error)
"""

#: A handler that runs before the page and reads the body.
READS = """
from mod_python import apache, util

def handler(req):
    if "X-Read" in req.headers_in:
        util.FieldStorage(req)
    return apache.OK
"""

PUB = """
def keys():
    return {1: 0, 2: 0}.keys()

def lines():
    return map(str.upper, ["a", "b"])

def refused():
    return 403
"""

FILES: dict[str, str | bytes] = {
    "app/app.py": APP,
    "app/x": "",
    "psp/reads.py": READS,
    "psp/form.psp": "<%= len(form.list) %>",
    "psp/names.psp": "<% db = types.SimpleNamespace(session=1, form=2) %><%= db.session + db.form %>",
    "psp/own.psp": "<%= session.is_new() %>",
    "psp/order.psp": "<%\nclass Out:\n    def __lshift__(self, text):\n        req.write(text)\nout = Out()\n#\n%>"
    "<p>before</p><% out << 'MID' %><p>after</p>",
    "psp/ends.psp": "<% psp.set_error_page('error.psp') %>a<% sys.exit() %>b",
    "psp/error.psp": "[<%= exception[0].__name__ %>]",
    "psp/cut.psp": "a<% req.write('b')",
    "psp/bare.psp": "a<%@ include file=error.psp %>b",
    "pub/p.py": PUB,
    "gone/gone.py": "from mod_python import apache\n\ndef handler(req):\n    req.write('here')\n    return apache.OK\n",
}  # fmt: skip

MULTIPART = {"Content-Type": "multipart/form-data; boundary=XX"}
UPLOAD = (
    b'--XX  \r\nContent-Disposition: form-data; name="empty"; filename=""\r\nContent-Type: a/octet-stream\r\n\r\n'
    b'\r\n--XX\r\nContent-Disposition: form-data; name="up"; filename="C:\\dir\\a%22.txt"\r\n\r\ndata'
    b'\r\n--XX\r\nContent-Disposition: form-data; name="cut"\r\n\r\nso far'
)


@pytest.fixture(scope="module", params=[*BACKENDS, *(f"{kind}, worker" for kind in BACKENDS if kind != "main")])
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """The applications in one kind of interpreter, with one thread (prefork) or several (worker)."""
    kind, _, mpm = str(request.param).partition(", ")
    return start_module_server(CONF, FILES, backend=kind, mpm=mpm or "prefork")


def found(server: Server, path: str, headers: dict[str, str] | None = None, host: str | None = None) -> Any:
    """What the application tells."""
    reply = server.get(f"/app/x/{path}", headers or {}, host=host)
    assert reply.status == 200, server.said()
    return json.loads(reply.text)


@pytest.mark.parametrize(
    ("host", "url", "port"),
    [
        ("ported.test", "http://ported.test:8099/x", "8099"),
        ("ported.test:80", "http://ported.test/x", "80"),
        ("plain.test", "http://plain.test/x", "80"),
        ("plain.test:99", "http://plain.test:99/x", "99"),
    ],
)
def test_the_port_of_servername_counts_where_host_has_none(server: Server, host: str, url: str, port: str) -> None:
    assert found(server, "names", host=host) == [url, port]
    assert server.get("/app", host=host).header("Location") == url[:-1] + "app/"


def test_servers_say_nothing_of_interpreters_per_directory(server: Server) -> None:
    own, *servers = found(server, "config", host="ported.test")
    assert own == ["PythonInterpPerDirective", "PythonInterpPerDirectory"]
    assert servers == [["PythonInterpPerDirective"]] * 2


def test_forms(server: Server) -> None:
    reply = server.request("POST", "/app/x/form", UPLOAD, MULTIPART)
    fields, second = json.loads(reply.text)
    assert fields == [
        ["empty", None, False, ""],
        ["up", r"C:\dir\a%22.txt", True, "data"],
        ["cut", None, True, "so far"],
    ]
    assert second == 0
    assert json.loads(server.request("POST", "/app/x/form", b"", MULTIPART).text) == [[], 0]


def test_a_page_finds_the_form_that_was_read_empty(server: Server) -> None:
    assert server.request("POST", "/psp/form.psp", UPLOAD, MULTIPART).text == "3"
    assert server.request("POST", "/psp/form.psp", UPLOAD, MULTIPART | {"X-Read": "1"}).text == "0"


def test_cookies_of_others_may_have_quotes(server: Server) -> None:
    sent = {"Cookie": 'a=x"; pysid=1; b=y"; c="d;e"'}
    assert found(server, "cookies", sent) == {"a": 'x"', "pysid": "1", "b": 'y"', "c": '"d;e"'}


def test_a_session_is_for_pages_that_name_it_themselves(server: Server) -> None:
    reply = server.request("POST", "/psp/names.psp", b"x", {"Content-Type": "text/x-none"})
    assert (reply.status, reply.text, reply.header("Set-Cookie")) == (200, "3", None)
    own = server.get("/psp/own.psp")
    cookie = own.header("Set-Cookie") or ""
    assert (own.text, re.match("pysid=[0-9a-f]{32}; path=/", cookie) is not None) == ("True", True)
    # cookies with one quote each, before it and behind it, do not take it away
    sent = {"Cookie": f'a=x"; {cookie.partition(";")[0]}; b=y"'}
    assert server.get("/psp/own.psp", sent).text == "False"


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("order", "<p>before</p>MID<p>after</p>"),
        ("ends", "a[SystemExit]"),
        ("cut", "ab"),
        ("bare", "ab"),
    ],
)
def test_pages(server: Server, page: str, text: str) -> None:
    assert server.get(f"/psp/{page}.psp").text == text


def test_an_empty_write_sends_no_head(server: Server) -> None:
    reply = server.get("/app/x/moved")
    assert (reply.status, reply.header("Location"), reply.text) == (302, "/elsewhere", "there")
    assert server.get("/app/x/late").text.startswith('sent"Cannot redirect after headers')


def test_what_the_publisher_goes_through(server: Server) -> None:
    assert server.get("/pub/p.py/keys").text == "12"
    assert server.get("/pub/p.py/lines").text == "AB"
    assert server.get("/pub/p.py/refused").text == "403"
    server.wait_for_log("/pub/p.py/refused returned 403, which is sent as text")
    assert server.get("/pub/p.PY/keys").status == 404


def test_an_application_that_is_not_there_declines(server: Server) -> None:
    assert server.get("/absent/x").status == 404
    server.wait_for_log("mod_python.wsgi.application app::missing: its module has no such object, so /absent/x is decl")
    assert server.get("/misnamed").status == 404
    server.wait_for_log(
        "app::handlr: its module has no such object, so /misnamed is declined: did you mean app::handler?"
    )


def test_extensions_that_were_hardly_meant(server: Server) -> None:
    assert server.get("/never/x.py").status == 404
    assert json.loads(server.get("/always").text)[1] == str(server.port)
    said = server.command("-t").stderr
    assert 'no file has the extension "py"' in said
    assert 'no extension after the "|"' in said


def test_a_module_whose_file_is_gone_is_not_served(server: Server) -> None:
    assert server.get("/gone/x").text == "here"
    file = server.www / "gone" / "gone.py"
    file.rename(file.with_suffix(".off"))
    wait_for(lambda: server.get("/gone/x").status == 500, "the module to be missed")
    assert server.get("/gone/x").status == 500
    file.with_suffix(".off").rename(file)
    assert server.get("/gone/x").text == "here"
