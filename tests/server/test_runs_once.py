"""A request never runs twice: what its interpreter refuses moves only what may be repeated (RFC 9110 9.2.2).

Every page here notes that it runs, and then does what an isolated subinterpreter refuses: it imports faulthandler,
a module of the standard library that does not load beside another GIL, or forks.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys

import pytest

from conftest import StartServer
from support.server import BACKENDS, Port, Server
from support.waiting import PATIENCE, wait_for

needs_own = pytest.mark.skipif(sys.version_info < (3, 14), reason="auto begins with subinterpreters from 3.14 on")

APP = """
import os
from mod_python import apache


def note(name):
    with open(os.path.join(os.path.dirname(__file__), "runs"), "a") as runs:
        runs.write("%s %s\\n" % (name, apache._runtime.current().kind))


def load():
    import faulthandler


def plain(req):
    req.write(apache._runtime.current().kind, 0)
    return apache.OK


def lazy(req):
    note("lazy")
    load()
    return plain(req)


def reads(req):
    note("reads")
    size = len(req.read(100_000))
    load()
    req.write("%d" % (size + len(req.read())), 0)
    return apache.OK


def waits(req):
    note("waits")
    load()
    req.write("%d" % len(req.read()), 0)
    return apache.OK


def fork(req):
    note("fork")
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return plain(req)


def forkcaught(req):
    if req.headers_in.get("X-Only"):
        req.write("looks ", 0)
        return plain(req)
    note("forkcaught")
    try:
        pid = os.fork()
    except RuntimeError as error:
        req.write("RuntimeError", 0)
        return apache.OK
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return plain(req)


def swallows(write):
    note("swallows")
    try:
        pid = os.fork()
    except Exception as error:
        write(type(error).__name__)
    else:
        if not pid:
            os._exit(0)
        os.waitpid(pid, 0)
        write(apache._runtime.current().kind)


def first(req):
    note("first")
    return apache.OK


def second(req):
    note("second")
    load()
    return plain(req)


def redirects(req):
    note("redirects")
    req.internal_redirect("/a/begins")
    return apache.OK


def begins(req):
    note("begins")
    req.write("x" * 100_000)
    load()
    return apache.OK


def missing(req):
    note("missing")
    return apache.HTTP_NOT_FOUND


def outfilter(filter):
    note("outfilter")
    load()
    filter.pass_on()
    if filter.is_input == 0:
        filter.close()


def written(req):
    note("written")
    req.read()
    req.write(apache._runtime.current().kind)
    return apache.OK


def infilter(filter):
    note("infilter")
    load()
    data = filter.read()
    while data:
        filter.write(data)
        data = filter.read()
    if data is None:
        filter.close()


def logs(req):
    note("logs")
    load()
    return apache.OK


def cleans(req):
    note("cleans")
    req.register_cleanup(lambda _data: load())
    return plain(req)


def early(req):
    note("early")
    return apache.DECLINED


def wsgi(environ, start_response):
    note("wsgi")
    load()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [apache._runtime.current().kind.encode()]


def framework(environ, start_response):
    try:
        return wsgi(environ, start_response)
    except Exception:
        start_response("500 Oh", [("Content-Type", "text/plain")])
        return [b"the framework's own page"]


def connected(connection):
    note("connected")
    load()
    connection.write(apache._runtime.current().kind.encode())
    return apache.OK


def connectedfork(connection):
    swallows(connection.write)
    return apache.OK
"""

PUBLISHED = """
import app

def index(req):
    app.note("index")
    app.load()
    return app.apache._runtime.current().kind
"""

PAGE = "<%\nimport app\napp.note('page')\napp.load()\nreq.write(app.apache._runtime.current().kind)\n%>"

SCRIPT = """
import app
app.note("script")
app.load()
print("Content-Type: text/plain\\n")
print(app.apache._runtime.current().kind, end="")
"""

#: A module that is refused before anything of it is called.
AT_TOP = """
import faulthandler
from app import note, apache, plain

def top(req):
    note("top")
    return plain(req)

def index(req):
    note("top")
    return apache._runtime.current().kind

def application(environ, start_response):
    note("top")
    start_response("200 OK", [])
    return [apache._runtime.current().kind.encode()]
"""

#: A factory that is refused something before it has made the application.
MADE = """
def make():
    import top
    return top.application
"""

INCLUDES = '<!--#include virtual="/a/first" -->|<!--#include virtual="/a/second" -->'
#: The beginning of an element's code that may import the modules of the site.
IMPORTING = "import sys; sys.path.insert(0, __file__.partition('/www/')[0] + '/www'); import app; "
CODE = f'<!--#python exec="{IMPORTING}app.note(\'first\')" -->|<!--#include virtual="/c/second" -->'
CAUGHT = f'<!--#python exec="{IMPORTING}app.swallows(filter.write)" -->'

#: Places with the same pages, whose applications meet what they meet in one test only.
PLACES = ("a", "b", "c")

FILES: dict[str, str | bytes] = {
    "app.py": APP,
    "top.py": AT_TOP,
    "made.py": MADE,
    "a/parts/page.shtml": INCLUDES,
    "c/parts/page.shtml": CODE,
    "a/caught/page.shtml": CAUGHT,
}
for one in PLACES:
    FILES |= {
        f"{one}/publisher/page.py": PUBLISHED,
        f"{one}/published/page.py": AT_TOP,
        f"{one}/psp/page.psp": PAGE,
        f"{one}/cgi/script.py": SCRIPT,
    }

#: By path: what it has beside ``SetHandler mod_python``. Each has an interpreter of its own, if it names none.
LOCATIONS: dict[str, tuple[str, ...]] = {
    **{
        name: (f"PythonHandler app::{name}",) for name in ("plain", "lazy", "fork", "forkcaught", "redirects", "cleans")
    },
    **{name: (f"PythonHandler app::{name}", "RequestBodyStreaming On") for name in ("reads", "waits")},
    "kept": ("PythonHandler app::reads",),
    "begins": ("PythonHandler app::begins", "PythonInterpreter {}-redirects"),
    "two": ("PythonHandler app::first app::second",),
    "missing": ("PythonHandler app::missing", "ErrorDocument 404 /{}/gone"),
    "gone": ("PythonHandler app::lazy", "PythonInterpreter {}-missing"),
    "outfilter": ("PythonHandler app::written", "SetOutputFilter OUT"),
    "behind": ("PythonHandler app::first", "SetOutputFilter OUT"),
    "infilter": ("PythonHandler app::written", "SetInputFilter IN"),
    "logs": ("PythonHandler app::plain", "PythonLogHandler app::logs"),
    "wsgi": ("PythonHandler mod_python.wsgi", "PythonOption mod_python.wsgi.application app::wsgi"),
    "framework": ("PythonHandler mod_python.wsgi", "PythonOption mod_python.wsgi.application app::framework"),
    "top": ("PythonHandler top::top",),
    "wsgitop": ("PythonHandler mod_python.wsgi", "PythonOption mod_python.wsgi.application top"),
    # (with a time limit nothing is loaded before the request)
    "wsgimade": (
        "PythonHandler mod_python.wsgi",
        "PythonOption mod_python.wsgi.application made:make()",
        "PythonRequestTimeout 60",
    ),
    "first": ("PythonHandler app::first", "PythonInterpreter {}-parts"),
    "second": ("PythonHandler app::second", "PythonInterpreter {}-parts"),
}
#: The same for folders.
FOLDERS: dict[str, tuple[str, ...]] = {
    "publisher": ("SetHandler mod_python", "PythonHandler mod_python.publisher"),
    "published": ("SetHandler mod_python", "PythonHandler mod_python.publisher"),
    "psp": ("SetHandler mod_python", "PythonHandler mod_python.psp"),
    "cgi": ("SetHandler mod_python", "PythonHandler mod_python.cgihandler"),
    "parts": ("Options +Includes", "SetOutputFilter INCLUDES"),
    "caught": ("Options +Includes", "SetOutputFilter INCLUDES"),
}


def section(kind: str, where: str, place: str, name: str, lines: tuple[str, ...]) -> str:
    """A section of the configuration."""
    inside = "\n    ".join((f"PythonInterpreter {place}-{name}", *(line.replace("{}", place) for line in lines)))
    return f'<{kind} "{where}/{place}/{name}">\n    {inside}\n</{kind}>\n'


CONF = "".join(
    (
        "PythonPath \"sys.path + ['${WWW}']\"\n",
        "PythonOutputFilter app::outfilter OUT\nPythonInputFilter app::infilter IN\n",
        *(
            section("Location", "", place, name, ("SetHandler mod_python", *lines))
            for place in PLACES
            for name, lines in LOCATIONS.items()
        ),
        *(section("Directory", "${WWW}", place, name, lines) for place in PLACES for name, lines in FOLDERS.items()),
    )
)


def start(start: StartServer, mpm: str, conf: str = CONF, workers: int = 1, backend: str = "auto") -> Server:
    """A server whose pages note their runs in a file."""
    server: Server = start(conf, FILES, mode="foreground", backend=backend, workers=workers, mpm=mpm)
    return server


@pytest.fixture(scope="module", params=["prefork", "worker"])
def shared(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """A server of each MPM that chooses the kinds by itself."""
    return start(start_module_server, request.param)


@pytest.fixture
def server(shared: Server) -> Server:
    """The same, with nothing noted yet."""
    runs(shared)
    return shared


def runs(server: Server) -> list[str]:
    """What has run since the last call, and in which kinds of interpreters."""
    file = server.www / "runs"
    found = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def moved(server: Server, name: str) -> None:
    """Wait until the log tells that an application moves, and what would spare it that."""

    def told() -> bool:
        lines = [line for line in server.log().splitlines() if f"interpreter '{name}': " in line]
        return any("from now on; 'PythonInterpBackend process' makes that permanent" in line for line in lines)

    wait_for(told, f"{name} to move")


#: Paths, and the handler whose runs count.
PAGES = (
    ("lazy", "lazy"), ("fork", "fork"), ("publisher/page", "index"), ("psp/page.psp", "page"),
    ("cgi/script.py", "script"), ("wsgi", "wsgi"),
)  # fmt: skip


@needs_own
@pytest.mark.parametrize(
    ("path", "name"),
    [*PAGES, ("framework", "wsgi"), ("outfilter", "written"), ("infilter", "written"), ("two", "first")],
)
def test_a_post_is_answered_where_it_ran_and_the_next_one_by_a_process(server: Server, path: str, name: str) -> None:
    for status, kind in ((500, "own"), (200, "process"), (200, "process")):
        reply = server.request("POST", f"/a/{path}", body="something")
        assert reply.status == status, server.said()
        assert [run for run in runs(server) if run.split()[0] == name] == [f"{name} {kind}"], server.said()
        if path == "framework":  # (the server sees that after the answer)
            moved(server, "a-framework")
    moved(server, f"a-{path.partition('/')[0]}")
    if path != "framework":
        server.wait_for_log(f"is not run again in a process, for POST must not be repeated: POST /a/{path}")


@needs_own
@pytest.mark.parametrize(("path", "name"), [*PAGES, ("framework", "wsgi")])
@pytest.mark.parametrize(("method", "place"), [("GET", "b"), ("DELETE", "c")])
def test_what_may_be_repeated_moves(server: Server, path: str, name: str, method: str, place: str) -> None:
    reply = server.request("GET" if name == "index" else method, f"/{place}/{path}")  # (it publishes no DELETE)
    assert (reply.status, reply.text) == (200, "process"), server.said()
    assert runs(server) == [f"{name} own", f"{name} process"]


@needs_own
@pytest.mark.parametrize(
    ("path", "ran"),
    [
        ("/b/two", ["first", "second"]),
        ("/a/parts/page.shtml", ["first", "second"]),
        ("/c/parts/page.shtml", ["first", "second"]),
        ("/b/missing", ["missing", "lazy"]),
    ],
)
def test_no_handler_of_the_content_that_has_ended_runs_again(server: Server, path: str, ran: list[str]) -> None:
    for kind in ("own", "process"):
        server.get(path)
        assert runs(server) == [f"{name} {kind}" for name in ran], server.said()
    server.wait_for_log(f"for a handler of its content has ended: GET {path}")


@needs_own
def test_a_filter_behind_a_handler_that_has_ended_moves_nothing(server: Server) -> None:
    for status, kind in ((500, "own"), (200, "process")):
        assert server.get("/a/behind").status == status, server.said()
        assert runs(server) == [f"first {kind}", f"outfilter {kind}"]


@needs_own
@pytest.mark.parametrize("path", ["top", "published/page", "wsgitop", "wsgimade"])
def test_what_was_not_called_yet_moves_whatever_the_method(server: Server, path: str) -> None:
    reply = server.request("POST", f"/a/{path}", body="x")
    assert (reply.status, reply.text) == (200, "process"), server.said()
    assert runs(server) == ["top process"]


@needs_own
def test_an_answer_that_has_begun_behind_a_redirect_is_not_begun_again(server: Server) -> None:
    with pytest.raises(http.client.IncompleteRead):
        server.get("/a/redirects")
    assert runs(server) == ["redirects own", "begins own"]
    server.wait_for_log("for its answer has begun: GET /a/redirects")
    assert server.get("/a/redirects").body == b"x" * 100_000
    assert runs(server) == ["redirects process", "begins process"]


@needs_own
@pytest.mark.parametrize("name", ["logs", "cleans"])
def test_what_runs_after_the_answer_repeats_nothing(server: Server, name: str) -> None:
    assert server.get(f"/a/{name}").text == "own"
    moved(server, f"a-{name}")
    assert runs(server) == [f"{name} own"], server.said()
    assert server.get(f"/a/{name}").text == "process", server.said()
    file = server.www / "runs"
    # (looked at only: it is not to be removed while it is written)
    wait_for(lambda: file.exists() and file.read_text().endswith("\n"), "what the process runs after its answer")
    assert runs(server) == [f"{name} process"]


@needs_own
def test_a_body_goes_along_as_a_whole_or_the_request_stays(server: Server) -> None:
    body = "x" * 300_000
    assert server.request("PUT", "/a/reads", body=body).status == 500
    assert runs(server) == ["reads own"]
    server.wait_for_log("for a part of its body was read: PUT /a/reads")
    assert server.request("PUT", "/a/reads", body=body).text == "300000", server.said()
    assert runs(server) == ["reads process"]
    assert server.request("PUT", "/a/waits", body=body).text == "300000", server.said()  # it had read nothing
    assert runs(server) == ["waits own", "waits process"]
    # what was taken in before the handler ran is all there, whatever of it was read
    assert server.request("PUT", "/a/kept", body=body).text == "300000", server.said()
    assert runs(server) == ["reads own", "reads process"]


@needs_own
def test_an_application_sees_that_it_can_not_fork(server: Server) -> None:
    assert server.request("POST", "/a/forkcaught").text == "RuntimeError"
    assert server.request("POST", "/a/forkcaught").text == "process"
    assert runs(server) == ["forkcaught own", "forkcaught process"]
    assert server.get("/a/plain").text == "own"


@needs_own
def test_the_code_of_a_page_moves_though_it_swallows_what_it_meets(server: Server) -> None:
    assert server.get("/a/caught/page.shtml").text == "process"
    assert runs(server) == ["swallows own", "swallows process"]


@needs_own
def test_the_next_request_of_the_same_connection_goes_to_the_process(server: Server) -> None:
    request = b"POST /b/forkcaught HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n-"
    with server.dial() as sock:
        sock.sendall(request + request.replace(b"Host", b"Connection: close\r\nHost"))
        with sock.makefile("rb") as stream:
            said = stream.read()
    assert b"RuntimeError" in said
    assert said.endswith(b"process")
    assert runs(server) == ["forkcaught own", "forkcaught process"]


@needs_own
@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_handlers_of_early_phases_run_once(start_server: StartServer, mpm: str) -> None:
    server = start(start_server, mpm, CONF + "PythonInterpreter front\nPythonPostReadRequestHandler app::early\n")
    assert server.get("/a/lazy").text == "process", server.said()
    assert runs(server) == ["early own", "lazy own", "lazy process"]


@needs_own
@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_the_other_workers_know_it_too(start_server: StartServer, mpm: str) -> None:
    server = start(start_server, mpm, workers=2)
    wait_for(lambda: len(server.workers()) == 2, "two workers")

    def look(connection: http.client.HTTPConnection) -> bytes:
        connection.request("GET", "/a/forkcaught", headers={"X-Only": "looks"})
        return connection.getresponse().read()

    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connection()) for _ in range(8)]  # (some at each worker)
        assert {look(connection) for connection in connections} == {b"looks own"}
        assert server.request("POST", "/a/forkcaught").text == "RuntimeError"
        wait_for(lambda: {look(connection) for connection in connections} == {b"looks process"}, "all to know")
    assert runs(server) == ["forkcaught own"]


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_with_a_kind_by_name_nothing_moves(start_server: StartServer, backend: str, mpm: str) -> None:
    server = start(start_server, mpm, backend=backend)
    for method in ("POST", "GET", "POST"):
        assert server.request(method, "/a/lazy").status == (500 if backend == "own" else 200), server.said()
        assert runs(server) == [f"lazy {backend}"]


@needs_own
@pytest.mark.parametrize("mpm", ["prefork", "worker"])
@pytest.mark.parametrize(
    ("handler", "name", "answer"), [("connected", "connected", b""), ("connectedfork", "swallows", b"RuntimeError")]
)
def test_a_connection_handler_runs_once(
    start_server: StartServer, mpm: str, handler: str, name: str, answer: bytes
) -> None:
    conf = (
        "<VirtualHost 127.0.0.1:${OTHER}>\nPythonPath \"sys.path + ['${WWW}']\"\n"
        f"PythonConnectionHandler app::{handler}\n"
        "</VirtualHost>\nListen 127.0.0.1:${OTHER}\n"
    )
    other = Port()
    server = start_server(
        conf,
        FILES,
        mode="foreground",
        backend="auto",
        workers=1,
        mpm=mpm,
        variables={"OTHER": str(other.number)},
    )
    other.release()

    def ask() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", other.number), PATIENCE) as sock,
            sock.makefile("rb") as stream,
        ):
            return stream.read()

    assert [ask(), ask(), ask()] == [answer, b"process", b"process"], server.said()
    assert runs(server) == [f"{name} own", f"{name} process", f"{name} process"]
