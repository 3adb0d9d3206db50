"""Programs of the package index as people install them, unmodified, with the configuration of their own documentation.

What has a client of its own is used by that: git, hg, pip, xmlrpc.client.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import xmlrpc.client
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest

from conftest import StartServer
from serving.clients import GIT, commit, git_repository, hg_repository, radicale_settings, run, wheel
from serving.clients import page as write_page
from support.apps import needs, script
from support.processes import PROJECT
from support.server import Server

pytestmark = pytest.mark.apps

WSGI = """
<Location /{name}>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonPath "sys.path + ['${{WWW}}']"
    PythonOption mod_python.wsgi.application {name}_site
</Location>
"""

#: The modules of those WSGI applications that are not in tools/wsgi_apps as they are wanted here.
MODULES = {
    "wsgidav": """
import os
from wsgidav.wsgidav_app import WsgiDAVApp
application = WsgiDAVApp({
    "provider_mapping": {"/": os.environ["DATA"]},
    "simple_dc": {"user_mapping": {"*": True}},
    "mount_path": "/wsgidav",
    "verbose": 1,
    "logging": {"enable_loggers": []},
    "property_manager": True,
    "lock_storage": True,
})
""",
}

#: The files of the others there; ``DATA`` of the environment is a folder of its own.
SOURCES = PROJECT / "tools" / "wsgi_apps"
SITES = {
    "pypiserver": "pypiserver_index", "radicale": "radicale_dates", "mercurial": "hgweb", "klaus": "klaus_git",
    "paste": "paste_files",
}  # fmt: skip

Site = tuple[Server, Path]
Begin = Callable[[str], Site]


@pytest.fixture
def begin(kind: str, mpm: str, start_server: StartServer, tmp_path: Path) -> Begin:
    """Starts a server with one of the WSGI applications."""

    def start(name: str) -> Site:
        data = tmp_path / "data"
        data.mkdir(exist_ok=True)
        module = MODULES.get(name) or (SOURCES / f"{SITES[name]}.py").read_text()
        source = f"import os\nos.environ['DATA'] = {str(data)!r}\n{module}"
        return start_server(WSGI.format(name=name), {f"{name}_site.py": source}, backend=kind, mpm=mpm), data

    return start


def clone_and_push(url: str, folder: Path) -> None:
    """Clone, push a commit with more than a megabyte, clone again."""
    one, two = folder / "one", folder / "two"
    run(*GIT, "clone", "-q", url, str(one))
    assert (one / "first.txt").read_text() == "the first\n"
    long = os.urandom(1_500_000).hex()
    commit(one, "second.txt", long)
    run(*GIT, "push", "-q", "origin", "HEAD", cwd=one)
    run(*GIT, "clone", "-q", url, str(two))
    assert (two / "second.txt").read_text() == long


# ---- those with a handler of their own for mod_python


TRAC = """
<Location /projects/one>
    SetHandler mod_python
    PythonHandler trac.web.modpython_frontend
    PythonOption TracEnv {home}
    PythonOption TracUriRoot /projects/one
</Location>
<Location /projects/one/login>
    AuthType Basic
    AuthName "The project"
    AuthUserFile {users}
    Require valid-user
</Location>
"""


def test_trac(kind: str, mpm: str, start_server: StartServer, tmp_path: Path) -> None:
    needs("trac")
    if sys.version_info >= (3, 14):
        pytest.skip("Trac asks sqlite3 for version_info, which this Python has not: it runs on 3.13 and before")
    home, admin = tmp_path / "trac", script("trac-admin")
    run(admin, str(home), "initenv", "The project", "sqlite:db/trac.db")
    run(admin, str(home), "permission", "add", "anonymous", "TICKET_CREATE")
    run(admin, str(home), "permission", "add", "zoe", "TRAC_ADMIN")
    users = tmp_path / "users"
    run(sys.executable, "-m", "mpserver", "htpasswd", "-cb", str(users), "zoe", "secret")
    server = start_server(TRAC.format(home=home, users=users), backend=kind, mpm=mpm)
    assert "Welcome to Trac" in server.get("/projects/one/wiki").text
    trac_log_in(server)
    page = server.get("/projects/one/newticket")
    (cookie,) = [
        value.partition(";")[0] for name, value in page.headers if name == "Set-Cookie" and "form_token" in value
    ]
    fields = {
        "__FORM_TOKEN": cookie.partition("=")[2], "field_summary": "It is broken, Zoë", "field_description": "x",
        "field_reporter": "somebody", "submit": "Create ticket",
    }  # fmt: skip
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    made = server.request("POST", "/projects/one/newticket", urlencode(fields).encode(), headers)
    assert (made.status, made.header("Location")) == (303, f"http://127.0.0.1:{server.port}/projects/one/ticket/1")
    assert "It is broken, Zoë" in server.get("/projects/one/ticket/1").text
    style = server.get("/projects/one/chrome/common/css/trac.css")
    assert (style.status, style.header("Content-Type")) == (200, "text/css")
    assert server.get("/projects/one/nowhere").status == 404


def trac_log_in(server: Server) -> None:
    """Trac takes its users from the server, and keeps them by a cookie of its own."""
    for headers in ({}, basic("zoe", "a wrong one")):
        refused = server.get("/projects/one/login", headers)
        assert (refused.status, refused.header("WWW-Authenticate")) == (401, 'Basic realm="The project"')
    assert server.get("/projects/one/admin").status == 404  # (who may administer nothing has no such page)
    let_in = server.get("/projects/one/login", basic("zoe", "secret"))
    assert let_in.status in (302, 303)
    (cookie,) = [value.partition(";")[0] for name, value in let_in.headers if "trac_auth" in value]
    page = server.get("/projects/one/wiki", {"Cookie": cookie}).text
    assert "logged in as" in page
    assert "zoe" in page
    assert server.get("/projects/one/admin/general/basics", {"Cookie": cookie}).status == 200


def basic(user: str, password: str) -> dict[str, str]:
    """The header of a log-in."""
    return {"Authorization": f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"}


ROUNDUP = """
AliasMatch /roundup/(.+)/@@file/(.*) {root}/$1/html/$2
AliasMatch /roundup/([^/]+)/(?!@@file/)(.*) {root}/$1/dummy.py/$2
<Directory {root}>
    Require all granted
    AllowOverride None
    Options None
    AddHandler python-program .py
    PythonHandler roundup.cgi.apache
</Directory>
<Directory {root}/one>
    PythonOption TrackerHome {root}/one
</Directory>
"""


def test_roundup(kind: str, mpm: str, start_server: StartServer, tmp_path: Path) -> None:
    needs("roundup")
    root, admin = tmp_path / "trackers", script("roundup-admin")
    home = root / "one"
    root.mkdir()
    run(admin, "-i", str(home), "install", "classic", "anydbm")
    config = (home / "config.ini").read_text()
    config = re.sub(r"(?m)^#?domain *=.*", "domain = example.com", config)
    config = re.sub(r"(?m)^#?web *=.*", "web = http://localhost/roundup/one/", config)
    (home / "config.ini").write_text(config)
    run(admin, "-i", str(home), "initialise", "secret")
    run(admin, "-i", str(home), "create", "issue", "title=It is broken", "status=1")
    server = start_server(ROUNDUP.format(root=root), backend=kind, mpm=mpm)
    page = server.get("/roundup/one/")
    assert page.status == 200
    assert page.header("Content-Type") == "text/html; charset=utf-8"
    assert "It is broken" in page.text
    assert "It is broken" in server.get("/roundup/one/issue1").text
    assert "It is broken" in server.get("/roundup/one/issue?@columns=title&@filter=status&status=1").text
    style = server.get("/roundup/one/@@file/style.css")
    assert (style.header("Content-Type"), style.body) == ("text/css", (home / "html" / "style.css").read_bytes())


# ---- WSGI applications


def test_pypiserver(begin: Begin, tmp_path: Path) -> None:
    needs("pypiserver")
    name = "some_package-1.0-py3-none-any.whl"
    server, data = begin("pypiserver")
    wheel(data)
    url = f"http://127.0.0.1:{server.port}/pypiserver/simple/"
    assert f'href="/pypiserver/packages/{name}' in server.get("/pypiserver/simple/some-package/").text
    run(
        sys.executable, "-m", "pip", "download", "-q", "--isolated", "--no-deps", "--no-cache-dir",
        "--index-url", url, "-d", str(tmp_path / "got"), "some-package",
        PIP_CONFIG_FILE="/dev/null",
    )  # fmt: skip
    assert (tmp_path / "got" / name).read_bytes() == (data / name).read_bytes()


def test_wsgidav(begin: Begin) -> None:
    needs("wsgidav")
    server, data = begin("wsgidav")
    big = os.urandom(3_000_000)
    base = f"http://127.0.0.1:{server.port}/wsgidav"
    assert "1,2" in str(server.request("OPTIONS", "/wsgidav/").header("DAV"))
    assert server.request("MKCOL", "/wsgidav/folder").status == 201
    assert server.request("PUT", "/wsgidav/folder/big.bin", big).status == 201
    assert (data / "folder" / "big.bin").read_bytes() == big
    part = server.get("/wsgidav/folder/big.bin", {"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, big[10:20])
    found = server.request("PROPFIND", "/wsgidav/folder/", None, {"Depth": "1"})
    assert found.status == 207
    hrefs = [element.text for element in ElementTree.fromstring(found.body).iter("{DAV:}href")]
    assert sorted(map(str, hrefs)) == ["/wsgidav/folder/", "/wsgidav/folder/big.bin"]
    lock = b"""<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>
        <D:locktype><D:write/></D:locktype><D:owner>me</D:owner></D:lockinfo>"""
    locked = server.request("LOCK", "/wsgidav/folder/big.bin", lock, {"Content-Type": "application/xml"})
    assert locked.status == 200
    token = str(locked.header("Lock-Token"))
    assert server.request("PUT", "/wsgidav/folder/big.bin", b"x").status == 423
    assert server.request("PUT", "/wsgidav/folder/big.bin", b"x", {"If": f"({token})"}).status == 204
    assert server.request("UNLOCK", "/wsgidav/folder/big.bin", None, {"Lock-Token": token}).status == 204
    moved = server.request("MOVE", "/wsgidav/folder/big.bin", None, {"Destination": f"{base}/small.bin"})
    assert moved.status == 201
    assert server.request("DELETE", "/wsgidav/folder").status == 204
    assert [path.name for path in data.iterdir()] == ["small.bin"]


def test_litmus(begin: Begin, tmp_path: Path) -> None:
    """The suite of tests of WebDAV servers."""
    needs("wsgidav", "lxml")
    if shutil.which("litmus") is None:
        pytest.skip("litmus is not installed (on Debian: apt install litmus)")
    server, _ = begin("wsgidav")
    said = run("litmus", "-k", f"http://127.0.0.1:{server.port}/wsgidav/", cwd=tmp_path)
    found = re.findall(r"summary for `(\w+)': of (\d+) tests run: (\d+) passed", said)
    assert [name for name, _run, _passed in found] == ["basic", "copymove", "props", "locks", "http"]
    assert [passed for _name, _run, passed in found] == [count for _name, count, _passed in found], said
    assert "WARNING" not in said


EVENT = """BEGIN:VCALENDAR\r
VERSION:2.0\r
PRODID:-//x//y//EN\r
BEGIN:VEVENT\r
UID:one\r
DTSTAMP:20260101T000000Z\r
DTSTART:20260102T100000Z\r
DTEND:20260102T110000Z\r
SUMMARY:With Zoë\r
END:VEVENT\r
END:VCALENDAR\r
"""


def test_radicale(begin: Begin, tmp_path: Path) -> None:
    needs("radicale")
    data = tmp_path / "data"
    data.mkdir()
    radicale_settings(data)
    server, _ = begin("radicale")
    user = {"Authorization": "Basic bWU6eA=="}
    assert server.request("MKCALENDAR", "/radicale/me/dates/", None, user).status == 201
    kind = user | {"Content-Type": "text/calendar; charset=utf-8"}
    assert server.request("PUT", "/radicale/me/dates/one.ics", EVENT.encode(), kind).status == 201
    assert "SUMMARY:With Zoë" in server.get("/radicale/me/dates/one.ics", user).text
    query = b"""<?xml version="1.0"?><C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop>
        <D:getetag/></D:prop><C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>"""
    found = server.request("REPORT", "/radicale/me/dates/", query, user | {"Depth": "1", "Content-Type": "text/xml"})
    assert found.status == 207
    assert "/radicale/me/dates/one.ics" in found.text


def test_mercurial(begin: Begin, kind: str, tmp_path: Path) -> None:
    needs("mercurial")
    if kind == "own":
        pytest.skip("its C modules refuse subinterpreters with a GIL of their own: auto gives it a process")
    hg, data = script("hg"), tmp_path / "data"
    data.mkdir()
    hg_repository(data)
    server, _ = begin("mercurial")
    url = f"http://127.0.0.1:{server.port}/mercurial/one"
    mine, other = tmp_path / "mine", tmp_path / "other"
    run(hg, "clone", url, str(mine))
    long = os.urandom(1_500_000).hex()
    (mine / "file.txt").write_text(long)
    run(hg, "commit", "-A", "-m", "it is new", "-u", "me", cwd=mine)
    run(hg, "push", cwd=mine)
    run(hg, "clone", url, str(other))
    assert (other / "file.txt").read_text() == long
    assert "it is new" in server.get("/mercurial/one").text


def test_klaus(begin: Begin, tmp_path: Path) -> None:
    needs("klaus")
    data = tmp_path / "data"
    data.mkdir()
    git_repository(data)
    server, _ = begin("klaus")
    page = server.get("/klaus/one/")
    assert page.status == 200
    assert "first.txt is new" in page.text
    clone_and_push(f"http://127.0.0.1:{server.port}/klaus/one", tmp_path)


def test_paste(begin: Begin) -> None:
    needs("paste")
    server, data = begin("paste")
    write_page(data)
    page = server.get("/paste/page.html")
    assert (page.text, page.header("Content-Type")) == ("<p>the page</p>", "text/html")
    assert server.get("/paste/page.html", {"If-None-Match": str(page.header("ETag"))}).status == 304
    form = server.request("POST", "/paste/form?a=1", b"b=2&b=3", {"Content-Type": "application/x-www-form-urlencoded"})
    assert form.text == repr([("a", "1"), ("b", "2"), ("b", "3")])
    assert server.get("/paste/closed").status == 403
    assert server.get("/paste/nowhere").status == 404


# ---- without a package


HUB = """
from xmlrpc.server import SimpleXMLRPCDispatcher
from mod_python import apache

class Hub:
    builds = []

    def build(self, name, data):
        self.builds.append((name, len(data.data)))
        return len(self.builds)

    def fails(self):
        raise ValueError("no such build")

dispatcher = SimpleXMLRPCDispatcher(allow_none=True, encoding="utf-8")
dispatcher.register_introspection_functions()
dispatcher.register_multicall_functions()
dispatcher.register_instance(Hub())
dispatcher.register_function(lambda *words: " ".join(words), "join")

def handler(req):
    if req.method != "POST":
        req.allow_methods(["POST"], 1)
        return apache.HTTP_METHOD_NOT_ALLOWED
    answer = dispatcher._marshaled_dispatch(req.read())
    req.content_type = "text/xml"
    req.set_content_length(len(answer))
    req.write(answer)
    return apache.OK
"""


def test_xmlrpc_hub(kind: str, mpm: str, start_server: StartServer) -> None:
    conf = '<Directory "${WWW}/hub">\nSetHandler mod_python\nPythonHandler hub\n</Directory>'
    server = start_server(conf, {"hub/hub.py": HUB, "hub/x": ""}, backend=kind, mpm=mpm)
    refused = server.get("/hub/x")
    assert refused.status == 405
    assert "POST" in str(refused.header("Allow")).split(",")
    with xmlrpc.client.ServerProxy(f"http://127.0.0.1:{server.port}/hub/x", allow_none=True) as hub:
        assert hub.join("Zoë", "builds") == "Zoë builds"
        assert hub.build("one", xmlrpc.client.Binary(b"\0" * 1_000_000)) == 1
        assert "join" in str(hub.system.listMethods())
        with pytest.raises(xmlrpc.client.Fault, match="no such build"):
            hub.fails()
        several = xmlrpc.client.MultiCall(hub)
        several.join("a", "b")
        several.build("two", xmlrpc.client.Binary(b""))
        assert list(several()) == ["a b", 2]


GIT_HTTP = """
SetEnv GIT_PROJECT_ROOT {root}
SetEnv GIT_HTTP_EXPORT_ALL
ScriptAlias /git/ {backend}/
"""


def test_git_http_backend(start_server: StartServer, tmp_path: Path, mpm: str) -> None:
    """As git's own manual has it for Apache."""
    script("git")
    backend = Path(run("git", "--exec-path").strip()) / "git-http-backend"
    root = tmp_path / "git"
    root.mkdir()
    git_repository(root)
    server = start_server(GIT_HTTP.format(root=root, backend=backend), mpm=mpm)
    assert server.get("/git/one.git/HEAD").text == "ref: refs/heads/main\n"
    clone_and_push(f"http://127.0.0.1:{server.port}/git/one.git", tmp_path)
