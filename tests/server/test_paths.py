"""``sys.path``: each interpreter and each section has its own, and the server never imports by an application's."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import EACH_IN_BOTH, Server

#: What is taken away, or shadowed: modules of the standard library that the engine uses late, or that those use.
SHADOWED = (
    "abc", "base64", "cgi", "contextlib", "copyreg", "dbm", "email", "enum", "gzip", "hashlib", "hmac", "html", "http",
    "inspect", "io", "json", "linecache", "multipart", "mimetypes", "pickle", "pprint", "random", "secrets", "shutil",
    "socket", "socketserver", "struct", "subprocess", "tempfile", "textwrap", "tokenize", "traceback", "urllib", "uuid",
    "zlib",
)  # fmt: skip

CONF = """
<Directory "${WWW}">
    SetHandler mod_python
</Directory>
<Directory "${WWW}/alone">
    PythonHandler only
    PythonPath "['${WWW}/lib']"
    PythonInterpreter alone
</Directory>
<Directory "${WWW}/early">
    PythonInitHandler only::nothing
    PythonHeaderParserHandler only::nothing
    PythonHandler only
    PythonPath "['${WWW}/lib']"
    PythonInterpreter early
</Directory>
<Directory "${WWW}/pages">
    PythonHandler mod_python.publisher
    PythonPath "['${WWW}/lib']"
    PythonInterpreter pages
</Directory>
<Directory "${WWW}/psp">
    PythonHandler mod_python.psp
    PythonPath "['${WWW}/lib']"
    PythonInterpreter psp
</Directory>
<Directory "${WWW}/shadows">
    PythonHandler shadowed
    PythonInterpreter shadows
</Directory>
<Directory "${WWW}/one">
    PythonHandler shown
    PythonInterpreter shared
</Directory>
<Directory "${WWW}/two">
    PythonHandler shown
    PythonInterpreter shared
</Directory>
<Directory "${WWW}/three">
    PythonHandler third
    PythonPath "sys.path + ['${WWW}/lib3']"
    PythonInterpreter shared
</Directory>
<Directory "${WWW}/main">
    PythonHandler shown
    PythonInterpreter main_interpreter
    PythonPath "['${WWW}/main', '/only/of/main'] + sys.path"
</Directory>
<Directory "${WWW}/fresh">
    PythonHandler shown
    PythonInterpreter fresh
</Directory>
<Location /wsgi1>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application served
    PythonPath "['${WWW}/wsgi1'] + sys.path"
    PythonInterpreter wsgi
</Location>
<Location /wsgi2>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application served
    PythonPath "['${WWW}/wsgi2'] + sys.path"
    PythonInterpreter wsgi
</Location>
<Location /named1>
    SetHandler mod_python
    PythonHandler named
    PythonPath "['${WWW}/named1'] + sys.path"
    PythonInterpreter named
</Location>
<Location /named2>
    SetHandler mod_python
    PythonHandler named
    PythonPath "['${WWW}/named2'] + sys.path"
    PythonInterpreter named
</Location>
<Directory "${WWW}/ssi">
    SetHandler default-handler
    Options +Includes
    AddOutputFilter INCLUDES .shtml
    PythonPath "['${WWW}/lib'] + sys.path"
    PythonInterpreter ssi
</Directory>
"""

ONLY = """
from mod_python import apache, util, Session
import sys
import time

def nothing(req):
    return apache.OK

def handler(req):
    what = req.args or "form"
    if what.startswith("import="):
        try:
            __import__(what[7:])
        except ImportError as error:
            req.write("%s: %s" % (type(error).__name__, error))
            return apache.OK
        req.write("there")
        return apache.OK
    if what == "redirect":
        util.redirect(req, "/elsewhere?a=1&b=2")
    if what == "internal":
        req.internal_redirect(req.uri + "?path")
        return apache.OK
    if what == "whole":
        req.write("%d %s" % (time.strptime("1997", "%Y").tm_year, "b\xfccher".encode("idna").decode()))
        return apache.OK
    if what == "broken":
        import missing_one
    if what == "session":
        session = Session.FileSession(req) if req.method == "GET" else Session.MemorySession(req)
        session["x"] = [1]
        session.save()
        req.write("kept")
        return apache.OK
    if what == "path":
        req.write(repr(sys.path))
        return apache.OK
    req.write(repr(util.FieldStorage(req).getfirst("name")))
    return apache.OK
"""

SHOWN = """
import sys
from mod_python import apache
try:
    import helper
except ImportError:
    helper = None

def handler(req):
    req.write("%s|%s|%s" % (apache._runtime.current().kind, getattr(helper, "name", None), "\\n".join(sys.path)))
    return apache.OK
"""

FILES: dict[str, str | bytes] = {
    "lib/only.py": ONLY,
    "lib/ours.py": "def value():\n    return 'of ours'\n",
    "alone/x": "",
    "early/x": "",
    "pages/page.py": "def index(req, name='nobody'):\n    import ours\n    return name + ' ' + ours.value()\n",
    "psp/page.psp": "<% import ours %>[<%= ours.value() %>]<%= form.getfirst('name') %>",
    **{f"shadows/{name}.py": f"raise RuntimeError('{name} of the application')" for name in SHADOWED},
    "shadows/shadowed.py": ONLY,
    "shadows/x": "",
    "one/shown.py": SHOWN,
    "one/helper.py": "name = 'helper of one'",
    "two/shown.py": SHOWN,
    "two/helper.py": "name = 'helper of two'",
    "three/third.py": "x = 1",
    "lib3/third.py": SHOWN,
    "main/shown.py": SHOWN,
    "fresh/shown.py": "import sys\nsys.path.insert(0, '/put/by/fresh')\nsys.path.append('/end/by/fresh')\n" + SHOWN,
    **{f"{name}/x": "" for name in ("one", "two", "three", "main", "fresh")},
    **{
        f"wsgi{number}/served.py": (
            "def application(environ, start_response):\n"
            f"    start_response('200 OK', [])\n    return [b'site {number}']\n"
        )
        for number in (1, 2)
    },
    **{
        f"named{number}/named.py": f"def handler(req):\n    req.write('named {number}')\n    return 0\n"
        for number in (1, 2)
    },
    "ssi/page.shtml": "<!--#python eval=\"__import__('ours').value()\" -->",
}  # fmt: skip


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def started(request: pytest.FixtureRequest, start_module_server: StartServer) -> tuple[str, Server]:
    """The kind, and a server: each kind under both MPMs."""
    kind, mpm = request.param
    return kind, start_module_server(CONF, FILES, backend=kind, mpm=mpm, mode="foreground")


def form(server: Server, path: str) -> str:
    """What a handler reads of a multipart form."""
    body = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nvalue\r\n--x--\r\n'
    return server.request("POST", path, body, {"Content-Type": "multipart/form-data; boundary=x"}).text


@pytest.mark.parametrize("where", ["alone", "early", "shadows"])
def test_the_server_imports_nothing_by_the_path_of_an_application(started: tuple[str, Server], where: str) -> None:
    _kind, server = started
    url = f"/{where}/x"
    assert form(server, url) == "Field('name', 'value')"
    redirected = server.get(f"{url}?redirect")
    assert redirected.status == 302
    assert redirected.header("Location") == "/elsewhere?a=1&b=2"
    assert server.get(f"{url}?internal").text.startswith("[")
    assert server.get(f"{url}?session").text == "kept"
    assert server.request("POST", f"{url}?session").text == "kept"
    assert server.get(f"{url}?broken").status == 500
    said = server.wait_for_log("No module named 'missing_one'")
    assert "of the application" not in said
    told = [line.rpartition("No module named ")[2] for line in said.splitlines() if "No module named" in line]
    missing = {name.partition(" (interpreter ")[0] for name in told}
    assert missing == {"'missing_one'"}


def test_its_own_modules_run_there_too(started: tuple[str, Server]) -> None:
    _kind, server = started
    assert server.get("/pages/page?name=x").text == "x of ours"
    assert server.get("/psp/page.psp?name=x").text == "[of ours]x"


def test_an_application_finds_what_is_on_its_path(started: tuple[str, Server]) -> None:
    """It does not find by the server's: what a path leaves out is not there (as on the real one)."""
    _kind, server = started
    assert server.get("/alone/x?import=ours").text == "there"
    assert server.get("/alone/x?import=mod_python.util").text == "there"
    assert server.get("/alone/x?import=colorsys").text == "ModuleNotFoundError: No module named 'colorsys'"
    # what is there of the standard library is whole
    assert server.get("/alone/x?whole").text == "1997 xn--bcher-kva"


def shown(server: Server, name: str) -> tuple[str, str, list[str]]:
    """The kind of an interpreter, the helper that a page has found, and the path."""
    kind, helper, path = server.get(f"/{name}/x").text.split("|")
    return kind, helper, path.split("\n")


def test_a_path_holds_what_was_requested(started: tuple[str, Server]) -> None:
    """Whatever its zygote has loaded before; and each page finds its own modules."""
    kind, server = started
    if kind == "main":  # (one for all names: there they have to be together)
        assert shown(server, "one")[1] == "helper of one"
        return
    www = str(server.www)
    first = shown(server, "main")
    assert first[0] == "main"
    assert first[2][:2] == [f"{www}/main", "/only/of/main"]
    base = first[2][2:]
    assert shown(server, "two") == (kind, "helper of two", [f"{www}/two/", *base])
    assert shown(server, "one") == (kind, "helper of two", [f"{www}/one/", f"{www}/two/", *base])
    both = [f"{www}/one/", f"{www}/two/", *base]
    assert shown(server, "three") == (kind, "helper of two", [*both, f"{www}/lib3"])
    assert shown(server, "fresh") == (kind, "None", ["/put/by/fresh", f"{www}/fresh/", *base, "/end/by/fresh"])
    assert shown(server, "two")[2] == [*both, f"{www}/lib3"]


def test_modules_of_one_name_on_two_paths(started: tuple[str, Server]) -> None:
    """They are loaded by their files: handlers, and applications of WSGI."""
    _kind, server = started
    for _round in range(2):
        for number in (1, 2):
            assert server.get(f"/named{number}").text == f"named {number}"
            assert server.get(f"/wsgi{number}").text == f"site {number}"


def test_elements_of_pages_find_the_modules_of_the_path(started: tuple[str, Server]) -> None:
    """From the first page on."""
    _kind, server = started
    assert server.get("/ssi/page.shtml").text == "of ours"


def test_modules_that_are_meant_twice_are_told(started: tuple[str, Server]) -> None:
    """By `-t` and by the start, with the remedy; only where the files differ, and the interpreter does not."""
    _kind, server = started
    told = [line for line in server.command("-t").stderr.splitlines() if "several modules" in line]
    assert len(told) == 2
    for line, name, module in zip(told, ("wsgi", "named"), ("served", "named"), strict=True):
        files = " and ".join(
            f"{server.www}/{name}{number}/{module}.py (PythonPath ['{server.www}/{name}{number}'] + sys.path)"
            for number in (1, 2)
        )
        assert f"Warning: interpreter '{name}' has several modules '{module}': {files}" in line
        assert line.endswith("give each of the sections a PythonInterpreter")
    assert [line for line in server.said().splitlines() if line.startswith("Warning") and "several" in line] == told
    assert len([line for line in server.log().splitlines() if "several modules" in line]) == 2
