"""Which phases a request that takes another one's place goes through: internal redirects, ErrorDocuments, indexes.

What is expected of documents and indexes is what Apache httpd 2.4 with mod_python does; a redirect of a handler goes
through all phases (manual 4.5.3).
"""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import EACH_IN_BOTH, Server

GATES = """
PythonAccessHandler app::access
PythonAuthenHandler app::authen
PythonAuthzHandler app::authz
PythonHeaderParserHandler app::first
PythonFixupHandler app::fixup
AuthType Basic
AuthName gates
Require valid-user
"""

SCRIPTS = """
AddHandler mod_python .py
PythonHandler app
"""

CONF = f"""
PythonPath "sys.path + ['${{WWW}}']"
DirectoryIndex missing.html index.html index.py
<Directory "${{WWW}}/app">
    {GATES}
    {SCRIPTS}
    ErrorDocument 403 /app/page.html
    ErrorDocument 404 /app/page.html
    ErrorDocument 410 /app/go.py
    ErrorDocument 451 /app/deny.txt
</Directory>
<DirectoryMatch "/www/regex">
    {GATES}
    {SCRIPTS}
    ErrorDocument 403 /regex/page.html
</DirectoryMatch>
<Directory "${{WWW}}/htaccess">
    AllowOverride All
</Directory>
<Location /place>
    {GATES}
    SetHandler mod_python
    PythonHandler app
    ErrorDocument 403 /place/page
    ErrorDocument 451 /place/deny.txt
</Location>
<Directory "${{WWW}}/files">
    {SCRIPTS}
    <Files "*.*">
        {GATES}
    </Files>
    ErrorDocument 403 /files/page.html
</Directory>
<Directory "${{WWW}}/other">
    {GATES}
    DirectoryIndex /app/page.html
    ErrorDocument 403 /app/page.html
</Directory>
<Directory "${{WWW}}/open">
    {SCRIPTS}
    PythonFixupHandler app::somebody
    ErrorDocument 410 /open/go.py
    DirectoryIndex /place/index
</Directory>
"""

APP = '''
from mod_python import apache


def tell(req, phase):
    """Headers that errors keep say what ran, with which URI and whose it was then; the log says it of look-ups, too."""
    req.err_headers_out.add("X-Ran", f"{phase} {req.uri} {req.user}")
    req.log_error(f"<ran {phase} {req.uri} {req.user}>", apache.APLOG_NOTICE)


def first(req):
    tell(req, "first")
    return apache.OK


def access(req):
    tell(req, "access")
    return apache.HTTP_FORBIDDEN if req.uri.endswith("deny.txt") else apache.OK


def authen(req):
    tell(req, "authen")
    req.user, req.ap_auth_type = req.uri, "Own"
    return apache.OK


def authz(req):
    tell(req, "authz")
    return apache.HTTP_FORBIDDEN if "unwanted" in req.uri else apache.OK


def fixup(req):
    tell(req, "fixup")
    return apache.OK


def somebody(req):
    if not req.prev:
        req.user = "somebody"
    return apache.OK


def handler(req):
    tell(req, "handler")
    verb, _, argument = (req.args or "").partition("=")
    if verb == "to":
        req.internal_redirect(argument)
    elif verb == "status":
        return int(argument)
    else:
        req.content_type = "text/plain"
        req.write(f"{req.uri} {req.unparsed_uri} {req.method} {req.header_only} {req.user}")
    return apache.OK
'''

FILES: dict[str, str | bytes] = {
    "app.py": APP,
    **{
        f"{folder}/{name}": f"{name} of {folder}"
        for folder in ("app", "app/inner", "regex", "regex/inner", "htaccess", "htaccess/inner", "files", "files/inner",
                       "other", "open")
        for name in ("page.html", "deny.txt", "go.py", "index.html")
    },
    "app/scripts/index.py": "",
    "htaccess/.htaccess": GATES + SCRIPTS + "ErrorDocument 403 /htaccess/page.html\n",
}  # fmt: skip
del FILES["other/index.html"], FILES["open/index.html"]


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind and MPM."""
    backend, mpm = request.param
    return start_module_server(CONF, FILES, backend=backend, mpm=mpm)


def ran(server: Server, path: str, uri: str) -> list[str]:
    """The phases that ran for a URI on the way of a request, the user behind where there was one."""
    headers = server.get(path).headers
    steps = [value.split() for name, value in headers if name == "X-Ran"]
    return [phase if user == "None" else f"{phase} {user}" for phase, at, user in steps if at == uri]


def all_of(uri: str) -> list[str]:
    """All phases but that of the header, for a URI."""
    return ["access", "authen", f"authz {uri}", f"fixup {uri}"]


FOLDERS = ("app", "regex", "htaccess", "files")


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_redirect_runs_every_phase(server: Server, folder: str) -> None:
    page = f"/{folder}/page.html"
    assert ran(server, f"/{folder}/go.py?to={page}", page) == ["first", *all_of(page)]
    page = f"/{folder}/inner/page.html"
    assert ran(server, f"/{folder}/go.py?to={page}", page) == ["first", *all_of(page)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_redirect_does_not_lead_past_an_access_handler(server: Server, folder: str) -> None:
    reply = server.get(f"/{folder}/go.py?to=/{folder}/deny.txt")
    assert (reply.status, reply.text) == (403, f"page.html of {folder}")
    reply = server.get(f"/{folder}/go.py?to=/{folder}/inner/deny.txt")
    assert (reply.status, reply.text) == (403, f"page.html of {folder}")


def test_a_redirect_below_a_location(server: Server) -> None:
    assert ran(server, "/place/a?to=/place/b", "/place/b") == [
        "first",
        *all_of("/place/b"),
        "handler /place/b",
    ]
    assert server.get("/place/a?to=/place/b").text == "/place/b /place/b GET 0 /place/b"
    reply = server.get("/place/a?to=/place/deny.txt")
    assert reply.text == "/place/page /place/page GET 0 /place/page"
    assert reply.status == 403


@pytest.mark.parametrize("folder", ["app", "regex", "htaccess"])
def test_a_document_of_the_same_directory_is_for_whom_that_let_in_or_not(server: Server, folder: str) -> None:
    page = f"/{folder}/page.html"
    assert ran(server, f"/{folder}/deny.txt", page) == ["first", "fixup"]
    unwanted = f"/{folder}/unwanted"
    assert ran(server, unwanted, page) == ["first", f"fixup {unwanted}"]
    reply = server.get(f"/{folder}/deny.txt")
    assert (reply.status, reply.text) == (403, f"page.html of {folder}")


def test_a_document_of_another_place_runs_every_phase(server: Server) -> None:
    page = "/app/page.html"
    for path in ("/app/inner/deny.txt", "/other/deny.txt"):
        assert ran(server, path, page) == ["first", *all_of(page)]
    page = "/files/page.html"
    assert ran(server, "/files/deny.txt", page) == ["first", *all_of(page)]
    page = "/place/page"
    assert ran(server, "/place/deny.txt", page) == ["first", *all_of(page), f"handler {page}"]


def test_a_document_that_its_place_refuses(server: Server) -> None:
    """In its own directory nobody asks again; below a Location it is asked for anew, and not shown."""
    reply = server.get("/app/go.py?status=451")
    assert (reply.status, reply.text) == (451, "deny.txt of app")
    reply = server.get("/place/a?status=451")
    assert reply.status == 451
    assert "could not be shown either" in reply.text


@pytest.mark.parametrize(("method", "header_only"), [("GET", 0), ("POST", 0), ("PUT", 0), ("HEAD", 1)])
def test_a_document_is_got(server: Server, method: str, header_only: int) -> None:
    """Whatever the request's method was, that of its document is GET; a HEAD still gets no body."""
    reply = server.request(method, "/app/go.py?status=410", b"body" if method in ("POST", "PUT") else None)
    assert reply.status == 410
    shown = f"/app/go.py /app/go.py GET {header_only} /app/go.py"
    assert reply.text == ("" if header_only else shown)
    reply = server.request(method, "/app/inner/deny.txt", b"body" if method in ("POST", "PUT") else None)
    text = "page.html of app"
    assert (reply.status, reply.text) == (403, "" if header_only else text)
    assert reply.header("Content-Length") == str(len(text))


@pytest.mark.parametrize("folder", ["app", "regex", "htaccess"])
def test_an_index_of_its_directory(server: Server, folder: str) -> None:
    at = f"/{folder}/inner/"
    assert ran(server, at, at + "index.html") == [f"fixup {at}"]
    # one that is not there is looked for as if it were asked for, and leaves no headers
    missing = at + "missing.html"
    assert ran(server, at, missing) == []
    steps = [line.partition("<ran ")[2].rpartition(">")[0].split() for line in server.log().splitlines()]
    found = [
        phase if user == "None" else f"{phase} {user}" for phase, uri, user in filter(None, steps) if uri == missing
    ]
    assert found[: len(all_of(missing))] == all_of(missing)
    assert server.get(at).text == f"index.html of {folder}/inner"


def test_an_index_with_sections_of_its_own_or_elsewhere(server: Server) -> None:
    at = "/files/inner/index.html"
    assert ran(server, "/files/inner/", at) == all_of(at)
    at = "/app/page.html"
    assert ran(server, "/other/", at) == all_of(at)


def test_an_index_is_the_directory_s_user_s(server: Server) -> None:
    """The look-up has the index's URI and user; when the index is served, those of the directory are back."""
    text = "/app/scripts/index.py /app/scripts/?a=b GET 0 /app/scripts/"
    assert server.get("/app/scripts/?a=b").text == text
    assert server.get("/open/?a=b").text == "/place/index /open/?a=b GET 0 somebody"


def test_a_document_has_a_user_whom_nobody_asked_for(server: Server) -> None:
    assert server.get("/open/go.py?status=410").text == "/open/go.py /open/go.py GET 0 somebody"
