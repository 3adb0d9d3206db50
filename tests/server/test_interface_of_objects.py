"""The objects of a request as programs look at them: names of types, tables, arguments by name, and what is where."""

from __future__ import annotations

import ast
from typing import Any
from urllib.parse import quote

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Server, receive_all

CONF = """
Timeout 1
LogLevel error
PythonPath "sys.path + ['${WWW}/app']"
<VirtualHost *:${PORT}>
    ServerName early.test
    PythonPostReadRequestHandler app::early
    DocumentRoot "${WWW}"
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName ported.test:8443
    DocumentRoot "${WWW}"
    ErrorLog logs/ported.log
</VirtualHost>
<Directory "${WWW}/app">
    SetHandler mod_python
    PythonHandler app
    PythonOutputFilter app::turn TURN
    RequestBodyStreaming On
</Directory>
<Directory "${WWW}/wsgi">
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application app::application
    PythonOption mod_python.wsgi.base_uri /wsgi/x
</Directory>
"""
APP = """
from urllib.parse import unquote
from mod_python import apache


def handler(req):
    scope = {"req": req, "apache": apache, "r": None, "result": apache.OK}
    try:
        exec(unquote(req.headers_in["X-Code"]), scope)
    except Exception as error:
        kind = type(error)
        scope["r"] = f"{kind.__module__}.{kind.__qualname__}: {error}"
    if scope["r"] is not None:
        req.write(repr(scope["r"]), 0)
    return scope["result"]


def early(req):
    req.add_common_vars()
    env = req.subprocess_env
    req.notes["seen"] = repr([
        [name for name in env if name.startswith("SCRIPT")], "SCRIPT_FILENAME" in env, env["SCRIPT_FILENAME"],
        env.get("SCRIPT_FILENAME", "default"), dict(env)["SCRIPT_FILENAME"], "'SCRIPT_FILENAME': None" in str(env),
        ("SCRIPT_FILENAME", None) in env.items(), env.copy()["SCRIPT_FILENAME"],
    ])
    return apache.OK


def turn(filter):
    mine, filter.req = filter.req, "another"
    assert filter.req == "another"
    filter.req = mine
    filter.pass_on()


def application(environ, start_response):
    start_response("200 OK", [])
    return [str(type(environ["wsgi.input"])).encode()]
"""
FILES: dict[str, str | bytes] = {"app/app.py": APP, "app/x": "", "wsgi/x": "", "page.txt": "the page"}


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind."""
    backend, mpm = request.param
    return start_module_server(CONF, FILES, backend=backend, mpm=mpm)


def value(server: Server, code: str, host: str | None = None) -> Any:
    """What the code gave."""
    reply = server.get("/app/x", {"X-Code": quote(code)}, host=host)
    assert reply.status == 200, server.said()
    return ast.literal_eval(reply.text)


def test_names_of_types(server: Server) -> None:
    of = "req, req.connection, req.server, req.headers_in, req.headers_out, apache.table(), req.hlist, req.finfo"
    names = ["request", "conn", "server", "table", "table", "table", "hlist", "finfo"]
    assert value(server, f"r = [str(type(one)) for one in ({of})]") == [f"<class 'mp_{name}'>" for name in names]
    assert value(server, "r = [repr(one)[:9] for one in (req, req.connection)]") == ["<mp_reque", "<mp_conn "]
    for member in ("id", "aborted"):
        said = f"builtins.AttributeError: attribute {member!r} of 'mp_conn' objects is not writable"
        assert value(server, f"req.connection.{member} = 1") == said
    for method, body in (("GET", None), ("POST", b"x")):
        assert server.request(method, "/wsgi/x", body).text == "<class 'mp_request'>"


def test_the_error_log_has_the_name_that_was_written(server: Server) -> None:
    assert value(server, "r = req.server.error_fname, apache.main_server.error_fname") == (None, "logs/error.log")
    assert value(server, "r = req.server.error_fname", "ported.test") == "logs/ported.log"


# ---- tables


@pytest.mark.parametrize(
    ("make", "items"),
    [
        ("({'a': 1, 'b': None})", [("a", "1"), ("b", "None")]),
        ("([('a', '1'), ['A', '2']])", [("a", "2")]),
        ("(a='1')", [("a", "1")]),
        ("({'a': '1'}, b='2', a='3')", [("a", "3"), ("b", "2")]),
        ("(iter([('a', '1')]))", [("a", "1")]),
        ("(Keys())", [("x", "x!"), ("y", "y!")]),
        ("(apache.table(a='1'))", [("a", "1")]),
        ("()", []),
    ],
)
def test_tables_are_made_as_dictionaries(server: Server, make: str, items: list[tuple[str, str]]) -> None:
    keys = "class Keys:\n    def keys(self): return ['x', 'y']\n    def __getitem__(self, k): return k + '!'\n"
    assert value(server, f"{keys}r = apache.table{make}.items()") == items
    assert value(server, f"{keys}t = apache.table(z='0')\nt.update{make}\nr = t.items()") == [("z", "0"), *items]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("[5]", "builtins.TypeError: cannot convert table update sequence element #0 to a sequence"),
        ("['ab', ('a',)]", "builtins.ValueError: table update sequence element #1 has length 1; 2 is required"),
    ],
)
def test_what_no_table_can_be_made_of(server: Server, source: str, said: str) -> None:
    assert value(server, f"apache.table({source})") == said
    assert value(server, f"req.notes.update({source})") == said


def test_a_number_makes_no_table(server: Server) -> None:
    assert value(server, "apache.table(5)") == "builtins.TypeError: 'int' object is not iterable"
    assert value(server, "req.notes.update(5)") == "builtins.AttributeError: 'int' object has no attribute 'keys'"


def test_tables_are_compared_and_copied(server: Server) -> None:
    code = """
import copy, pickle
class Mine(apache.table):
    def __setitem__(self, key, value): apache.table.__setitem__(self, key, value + "!")
t = apache.table(a="1")
t.add("a", "2")
mine = Mine(b="1")
mine.extra = 5
r = [t == {"a": ["1", "2"]}, t != {"a": "1"}, t == 5, t == None, copy.copy(t) == t, copy.deepcopy(t) == t,
     pickle.loads(pickle.dumps(t)).items(), str(type(copy.copy(req.headers_out))), t.setdefault("c"),
     t.setdefault("c", "x"), t.setdefault("d", "y"), mine.items(), type(mine.copy()).__name__, copy.copy(mine).extra]
"""
    assert value(server, code) == [
        True, True, False, False, True, True, [("a", "1"), ("a", "2")], "<class 'mp_table'>", "", "", "y",
        [("b", "1!")], "Mine", 5,
    ]  # fmt: skip
    code = (
        "t = req.headers_out\ntry:\n    t.update(apache.table({'X': 'a\\nb'}))\nexcept ValueError:\n    r = 'refused'"
    )
    assert value(server, code) == "refused"


def test_a_variable_without_a_value(server: Server) -> None:
    seen = [["SCRIPT_FILENAME"], True, None, "default", None, True, True, None]
    assert value(server, "r = eval(req.notes['seen'])", "early.test") == seen
    code = "req.add_common_vars()\nr = req.subprocess_env['SCRIPT_FILENAME']"
    assert value(server, code, "early.test") == str(server.www / "app" / "x")
    assert server.get("/wsgi/x", host="early.test").status == 200


# ---- arguments by the manual's names


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("f = []\nreq.register_cleanup(callable=f.append, data=5)\nr = 1", 1),
        ("req.server.register_cleanup(request=req, callable=len, data='')\nr = 1", 1),
        ("apache.register_cleanup(handler=len, data='')\nr = 1", 1),
        ("req.set_content_length(len=1)\nr = 1", 1),
        ("r = req.ssl_var_lookup(var_name='X')\nr = str(r)", "None"),
        ("t = apache.table()\nt.add(key='a', val='b')\nr = t.items()", [("a", "b")]),
        ("r = req.construct_url(uri='/x')[-2:]", "/x"),
        ("req.update_mtime(dependency_mtime=5)\nr = req.mtime", 5.0),
        ("req.register_input_filter(filter_name='a', filter='b', dir=None)\nr = 1", 1),
        ("req.register_output_filter(filter_name='a', filter='b', dir=None)\nr = 1", 1),
        ("req.log_error(message='x', level=3)\nr = 1", 1),
        ("req.write(string='7', flush=0)", 7),
    ],
)
def test_arguments_by_name(server: Server, code: str, expected: object) -> None:
    assert value(server, code) == expected


# ---- what else the manual says


@pytest.mark.parametrize(
    ("host", "url", "port", "name"),
    [
        ("h", "http://h/x", "80", "h"),
        ("h:99", "http://h:99/x", "99", "h"),
        ("h.", "http://h/x", "80", "h"),
        ("h.:99", "http://h:99/x", "99", "h"),
        ("ported.test", "http://ported.test:8443/x", "8443", "ported.test"),
        ("ported.test:99", "http://ported.test:99/x", "99", "ported.test"),
    ],
)
def test_the_port_of_urls(server: Server, host: str, url: str, port: str, name: str) -> None:
    code = "req.add_common_vars()\nr = [req.construct_url('/x'), req.subprocess_env['SERVER_PORT'], req.hostname]"
    assert value(server, code, host) == [url, port, name]


def test_the_list_of_handlers_is_one(server: Server) -> None:
    code = "n = 0\nwhile req.hlist.handler and n < 9:\n    req.hlist.next()\n    n += 1\nr = n, req.hlist is req.hlist"
    assert value(server, code) == (1, True)


def test_file_information_of_another_name(server: Server) -> None:
    code = f"req.filename = {str(server.www / 'page.txt')!r}\nr = [req.finfo.fname, req.finfo.filetype, req.finfo.size]"
    assert value(server, code) == [str(server.www / "page.txt"), 1, 8]
    assert value(server, "req.filename = '/no/such'\nr = [req.finfo.fname, req.finfo.filetype]") == ["/no/such", 0]


@pytest.mark.parametrize("uri", ["''", "'?q'"])
def test_a_redirect_to_no_path(server: Server, uri: str) -> None:
    for host in (None, "early.test"):
        reply = server.get("/app/x", {"X-Code": quote(f"req.internal_redirect({uri})")}, host=host)
        assert reply.status == 404
        assert reply.text.count("<html") == 1


def test_a_redirect_that_leads_nowhere(server: Server) -> None:
    for host in (None, "early.test"):
        reply = server.get("/app/x", {"X-Code": quote("req.internal_redirect('x.txt')")}, host=host)
        assert reply.status == 400


def test_the_configuration_begins_with_what_was_written(server: Server) -> None:
    roots = value(server, "r = [node for node in apache.config_tree() if node[0] == 'ServerRoot']")
    assert roots == [("ServerRoot", f'"{server.root}"')]


def test_nothing_written_is_no_answer_yet(server: Server) -> None:
    for code in ("req.write('')", "req.write(b'', 1)"):
        reply = server.get("/app/x", {"X-Code": quote(code)})
        assert (reply.header("Content-Length"), reply.header("Transfer-Encoding")) == ("0", None)
    reply = server.get("/app/x", {"X-Code": quote("req.write('')\nreq.headers_out['X-A'] = 'late'\nr = 1")})
    assert (reply.header("X-A"), reply.text) == ("late", "1")


def test_the_log_without_a_server(server: Server) -> None:
    for level in (4, 6):
        value(server, f"apache.log_error('level {level} of nobody', {level})\nr = 1")
        value(server, f"apache.log_error('level {level} of mine', {level}, req.server)\nr = 1")
    value(server, "apache.log_error('that is all')\nr = 1")
    log = server.wait_for_log("that is all")
    assert ("level 4 of nobody" in log, "level 6 of nobody" in log, "of mine" in log) == (True, False, False)


def test_a_body_that_stops_coming(server: Server) -> None:
    with server.dial() as sock:
        code = quote("req.read()")
        sock.sendall(f"POST /app/x HTTP/1.1\r\nHost: h\r\nX-Code: {code}\r\nContent-Length: 100000\r\n\r\nx".encode())
        assert b"'builtins.OSError: Client read error (Timeout?)'" in receive_all(sock)
