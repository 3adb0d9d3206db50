"""Requests that need several interpreters: phases, redirects, error documents and indexes move from one to the other.

What is expected of names, of orders and of answers is what Apache httpd 2.4 with mod_python does.
"""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import pytest

from conftest import StartServer
from support.server import EACH_IN_BOTH, Server, receive_all
from support.waiting import wait_for

APP = '''
import os
import signal
from mod_python import apache


def note(req, what):
    with open(req.get_options()["events"], "a") as file:
        file.write(repr([req.headers_in.get("X-Test"), what, apache.interpreter]) + "\\n")


def cleaned(data):
    note(*data)


def postread(req):
    req.notes["early"] = apache.interpreter
    req.register_cleanup(cleaned, [req, "early cleanup"])
    if req.args == "fill":
        req.write("early ")
        req.sendfile(req.get_options()["big"])
    if req.args == "read":
        req.early = len(req.read(100_000))
    if req.args == "all":
        req.early = len(req.read())
    return apache.OK


def trans(req):
    req.notes["trans"] = apache.interpreter
    req.notes["option"] = req.get_options().get("place", "")
    return apache.DECLINED


def step(req):
    """A handler of any phase between."""
    note(req, req.phase)
    if req.phase == "PythonAuthenHandler":
        req.user, req.ap_auth_type = "joe", "own"
    req.register_cleanup(cleaned, [req, "cleanup of " + req.phase])
    return apache.OK


def log(req):
    last = req
    while last.next:
        last = last.next
    own = "" if last.status == req.status else " (its own: %s)" % req.status
    note(req, "log %s %s%s" % (req.uri, last.status, own))
    return apache.OK


def handler(req):
    note(req, "content " + req.uri)
    req.register_cleanup(cleaned, [req, "cleanup " + req.uri])
    verb, _, argument = (req.args or "").partition("=")
    if verb == "to":
        req.first = {"of": apache.interpreter}
        req.err_headers_out["X-First"] = apache.interpreter
        req.internal_redirect(argument)
        req.write("after")
        note(req, "returns")
        return apache.OK
    if verb == "line":
        req.line = req.connection.readline()
        req.internal_redirect(argument)
        return apache.OK
    if verb == "close":
        req.connection.keepalive = apache.AP_CONN_CLOSE
        req.internal_redirect(argument)
        return apache.OK
    if verb == "begun":
        req.content_type = "text/plain"
        req.write("begun ")
        req.internal_redirect(argument)
        return apache.OK
    if verb == "status":
        return int(argument)
    if verb == "fail":
        raise ValueError("fails")
    if verb == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if verb == "plain":
        req.content_type = "text/plain"
        req.write("plain")
        return apache.OK
    before = req.prev
    req.content_type = "text/plain"
    req.write(repr({
        "interpreter": apache.interpreter, "name": req.interpreter, "uri": req.uri, "method": req.method,
        "unparsed": req.unparsed_uri, "notes": dict(req.notes), "body": len(req.read()), "user": req.user,
        "early": getattr(req, "early", None),
        "prev": before and [before.uri, getattr(before, "first", None), before.prev and before.prev.uri],
        "env": req.subprocess_env.get("REDIRECT_STATUS"),
    }))
    return apache.OK
'''

FOLDERS = """
<Directory "${{WWW}}/{folder}">
    PythonInterpreter {folder}
    SetHandler None
    AddHandler mod_python .py
    PythonHandler app
    PythonLogHandler app::log
    ErrorDocument 404 /{other}/document.py
    ErrorDocument 410 /static/page.txt
    ErrorDocument 411 /{other}/document.py?fail
    ErrorDocument 413 /{other}/none.txt
    DirectoryIndex missing.html /{other}/index.py index.py
</Directory>
"""

CONF = (
    """
PythonPath "sys.path + ['${WWW}']"
PythonOption events ${ROOT}/events
PythonOption big ${ROOT}/www/big.txt
CustomLog logs/access.log "%{X-Test}i %U %>s %B"
<VirtualHost *:${PORT}>
    ServerName plain.test
"""
    + FOLDERS.format(folder="one", other="two")
    + FOLDERS.format(folder="two", other="one")
    + """
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName early.test
    PythonPostReadRequestHandler app::postread
    PythonTransHandler app::trans
"""
    + FOLDERS.format(folder="one", other="two")
    + FOLDERS.format(folder="two", other="one")
    + """
    <Location /one/place>
        PythonOption place here
        PythonInterpreter placed
    </Location>
    <Location /two/place>
        PythonOption place there
    </Location>
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName directive.test
    SourceProtection Off
    # (what has no handler is sent as a file)
    PythonTransHandler app::trans
    PythonLogHandler app::log
    PythonInterpPerDirective On
    AddHandler mod_python .py
    ErrorDocument 410 /static/page.txt
    <Directory "${WWW}/d">
        PythonHandler app
    </Directory>
    <Directory "${WWW}/g">
        Header set X-Config fixed
        <Files b.py>
            Header set X-Config "expr=made for %{REQUEST_METHOD}"
        </Files>
        PythonAccessHandler app::step
        PythonFixupHandler app::step
    </Directory>
    <Directory "${WWW}/g/sub">
        PythonHandler app
    </Directory>
    <Directory "${WWW}/h">
        AuthType own
        AuthName own
        Require valid-user
        PythonAuthenHandler app::step
    </Directory>
    <Directory "${WWW}/h/sub">
        PythonAuthzHandler app::step
        PythonHandler app
        PythonCleanupHandler app::step
    </Directory>
</VirtualHost>
"""
)

BIG = "0123456789" * 20_000

FILES: dict[str, str | bytes] = {
    "app.py": APP, "static/page.txt": "a page", "big.txt": BIG,
    **{f"{folder}/{name}.py": "" for folder in ("one", "two") for name in ("a", "b", "document", "index")},
    "one/inner/x.txt": "", "two/inner/index.py": "", "one/place/a.py": "", "two/place/a.py": "",
    "d/a.py": "", "g/sub/a.py": "", "g/sub/b.py": "", "h/sub/a.py": "",
}  # fmt: skip


class Site:
    """A server, and what its handlers have noted of each request."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.numbers = itertools.count()
        self.last = ""

    def ask(self, host: str, path: str, method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
        """The status and text of an answer."""
        self.last = str(next(self.numbers))
        reply = self.server.request(method, path, body, {"X-Test": self.last}, host=host)
        return reply.status, reply.text

    def tell(self, host: str, path: str, method: str = "GET", body: bytes | None = None) -> dict[str, object]:
        """What the handler tells that answers in the end."""
        status, text = self.ask(host, path, method, body)
        assert status == 200, self.server.said()
        told: dict[str, object] = ast.literal_eval(text)
        return told

    def events(self, count: int) -> list[str]:
        """What was noted of the last request, as soon as there is so much of it."""
        file = Path(self.server.root / "events")

        def found() -> list[str]:
            lines = file.read_text().splitlines() if file.exists() else []
            noted = [ast.literal_eval(line) for line in lines if line.endswith("]")]
            return [f"{what} in {where}" for test, what, where in noted if test == self.last]

        wait_for(lambda: len(found()) >= count, f"{count} events\n{self.server.said()}\n{found()}")
        return found()

    def places(self, events: list[str]) -> list[str]:
        """Cleanups, and where they ran; between phases that is nowhere in particular where one serves all names."""
        if self.server.backend == "main":
            events = [event.partition(" in ")[0] for event in events]
        return sorted(events)

    def logged(self) -> str:
        """The line of the last request in the access log."""

        def line() -> str:
            found = self.server.log("access.log").splitlines()
            return next((line.partition(" ")[2] for line in found if line.split(" ")[0] == self.last), "")

        return wait_for(line, "its line in the access log")


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def site(request: pytest.FixtureRequest, start_module_server: StartServer) -> Site:
    """One server for each kind and MPM."""
    backend, mpm = request.param
    return Site(start_module_server(CONF, FILES, backend=backend, mpm=mpm))


HOSTS = ("plain.test", "early.test")


@pytest.mark.parametrize("host", HOSTS)
def test_a_redirect_to_another_interpreter(site: Site, host: str) -> None:
    told = site.tell(host, "/one/a.py?to=/two/b.py?x%3dy")
    assert (told["interpreter"], told["name"], told["uri"]) == ("two", "two", "/two/b.py")
    assert told["unparsed"] == "/two/b.py?x%3dy"
    assert told["prev"] == ["/one/a.py", {"of": "one"}, None]
    early = ["early cleanup in early.test"] if host == "early.test" else []
    if site.server.backend == "main":  # it is a call there, and elsewhere comes when the handler has returned
        assert [event for event in site.events(6 + 2 * len(early)) if "cleanup" not in event] == [
            "content /one/a.py in one",
            "content /two/b.py in two",
            "returns in one",
            "log /one/a.py 200 in one",
        ]
        return
    assert site.events(6 + 2 * len(early)) == [
        "content /one/a.py in one",
        "returns in one",
        "content /two/b.py in two",
        *sorted_log(site, "log /one/a.py 200 in one", ["cleanup /two/b.py in two", *early]),
        "cleanup /one/a.py in one",
        *early,
    ]
    assert site.logged().startswith("/one/a.py 200 ")


def sorted_log(site: Site, log: str, cleanups: list[str]) -> list[str]:
    """The log handler of the first request comes before the cleanups of the second, or while these run elsewhere."""
    events = site.events(0)
    return sorted([log, *cleanups], key=events.index)


@pytest.mark.parametrize("host", HOSTS)
def test_a_redirect_to_and_fro(site: Site, host: str) -> None:
    told = site.tell(host, "/one/a.py?to=/two/b.py?to=/one/b.py")
    assert (told["interpreter"], told["prev"]) == ("one", ["/two/b.py", {"of": "two"}, "/one/a.py"])
    wait_for(lambda: site.events(0).count("cleanup /one/a.py in one") == 1, "the last cleanup")
    for event in ("log /one/a.py 200 in one", "cleanup /two/b.py in two", "cleanup /one/b.py in one"):
        assert site.events(0).count(event) == 1
    contents = [event for event in site.events(0) if event.startswith("content")]
    assert contents == ["content /one/a.py in one", "content /two/b.py in two", "content /one/b.py in one"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_redirect_takes_body_and_beginning_along(site: Site, host: str) -> None:
    told = site.tell(host, "/one/a.py?to=/two/b.py", "POST", b"x" * 150_000)
    assert (told["method"], told["body"]) == ("POST", 150_000)
    assert site.ask(host, "/one/a.py?begun=/two/b.py?plain") == (200, "begun plain")
    assert site.ask(host, "/one/a.py?to=/static/page.txt") == (200, "a page")
    assert site.ask(host, "/one/a.py?to=/two/b.py?plain", "HEAD") == (200, "")


@pytest.mark.parametrize("host", HOSTS)
def test_a_connection_that_was_read_goes_along(site: Site, host: str) -> None:
    with site.server.dial() as sock:
        for path, rest in (("/one/a.py?line=/two/b.py?plain", b"line\n"), ("/static/page.txt", b"")):
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() + rest)
        sock.shutdown(1)
        answer = receive_all(sock)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2, answer
    assert b"plain" in answer
    assert answer.endswith(b"\r\n\r\na page")


@pytest.mark.parametrize("host", HOSTS)
def test_a_connection_that_is_to_end_goes_along(site: Site, host: str) -> None:
    with site.server.connection() as connection:
        connection.request("GET", "/one/a.py?close=/two/b.py?plain", headers={"Host": host})
        answer = connection.getresponse()
        assert (answer.getheader("Connection"), answer.read()) == ("close", b"plain")


@pytest.mark.parametrize("host", HOSTS)
def test_a_redirect_that_fails_elsewhere(site: Site, host: str) -> None:
    status, text = site.ask(host, "/one/a.py?to=/two/b.py?fail")
    assert (status, "after" in text) == (500, False)
    wait_for(lambda: "cleanup /one/a.py in one" in site.events(0), "the cleanups")
    assert "cleanup /two/b.py in two" in site.events(0)
    assert "log /one/a.py 500 (its own: 200) in one" in site.events(0)
    assert site.logged().startswith("/one/a.py 500 ")


def test_a_redirect_to_an_interpreter_that_crashes(site: Site) -> None:
    """Who redirected there logs the request, and calls its cleanups."""
    if site.server.backend != "process":
        pytest.skip("a crash ends the whole worker with its interpreters of other kinds")
    status, _ = site.ask("plain.test", "/one/a.py?to=/two/b.py?crash")
    assert status == 500
    events = site.events(5)
    assert events[-2:] == ["log /one/a.py 500 (its own: 200) in one", "cleanup /one/a.py in one"]
    assert site.tell("plain.test", "/two/a.py")["interpreter"] == "two"


@pytest.mark.parametrize("host", HOSTS)
def test_error_documents_of_another_interpreter(site: Site, host: str) -> None:
    status, text = site.ask(host, "/one/none.txt")
    told = ast.literal_eval(text)
    assert (status, told["interpreter"], told["uri"], told["method"]) == (404, "two", "/two/document.py", "GET")
    status, text = site.ask(host, "/one/a.py?status=404")
    told = ast.literal_eval(text)
    assert (status, told["interpreter"], told["env"]) == (404, "two", "404")
    assert told["prev"] == ["/one/a.py", None, None]
    wait_for(lambda: "cleanup /one/a.py in one" in site.events(0), "the cleanups")
    assert "log /one/a.py 404 in one" in site.events(0)
    assert "cleanup /two/document.py in two" in site.events(0)
    assert site.ask(host, "/one/a.py?status=410") == (410, "a page")


@pytest.mark.parametrize("host", HOSTS)
def test_an_error_document_that_fails_elsewhere(site: Site, host: str) -> None:
    status, text = site.ask(host, "/one/a.py?status=411")
    assert (status, "<title>411 Length Required</title>" in text) == (411, True)
    status, text = site.ask(host, "/one/a.py?status=413")
    assert (status, "<title>413 Request Entity Too Large</title>" in text) == (413, True)
    wait_for(lambda: "cleanup /one/a.py in one" in site.events(0), "the cleanups")


@pytest.mark.parametrize("host", HOSTS)
def test_an_index_of_another_interpreter(site: Site, host: str) -> None:
    told = site.tell(host, "/one/inner/?x=y")
    assert (told["interpreter"], told["uri"]) == ("two", "/two/index.py")


def test_early_handlers_in_another_interpreter(site: Site) -> None:
    told = site.tell("early.test", "/one/a.py")
    assert (told["interpreter"], told["name"]) == ("one", "one")
    assert told["notes"] == {"early": "early.test", "trans": "early.test", "option": ""}
    events = site.events(4)
    assert events[:3] == ["content /one/a.py in one", "log /one/a.py 200 in one", "cleanup /one/a.py in one"]
    assert site.places(events[3:]) == site.places(["early cleanup in early.test"])


def test_early_handlers_read_and_write(site: Site) -> None:
    told = site.tell("early.test", "/one/a.py?read", "POST", b"x" * 150_000)
    assert (told["early"], told["body"]) == (100_000, 50_000)
    told = site.tell("early.test", "/one/a.py?all", "POST", b"x" * 150_000)
    assert (told["early"], told["body"]) == (150_000, 0)
    told = site.tell("early.test", "/one/a.py?all", "POST", b"body")
    assert (told["early"], told["body"]) == (4, 0)
    status, text = site.ask("early.test", "/one/a.py?fill")
    assert (status, text[: len(BIG) + 6]) == (200, "early " + BIG)
    assert ast.literal_eval(text[len(BIG) + 6 :])["interpreter"] == "one"
    assert site.ask("early.test", "/static/page.txt?fill") == (200, "early " + BIG + "a page")


def test_a_body_and_the_next_request_on_its_connection(site: Site) -> None:
    for body in (b"x" * 10, b"x" * 200_000):
        with site.server.connection() as connection:
            for _ in range(3):
                connection.request("POST", "/one/a.py?read", body, {"Host": "early.test"})
                told = ast.literal_eval(connection.getresponse().read().decode())
                assert told["early"] + told["body"] == len(body)
                connection.request("POST", "/one/a.py?read", iter([body]), {"Host": "early.test"}, encode_chunked=True)
                told = ast.literal_eval(connection.getresponse().read().decode())
                assert told["early"] + told["body"] == len(body)


def test_a_location_holds_in_the_translation_phase(site: Site) -> None:
    notes = site.tell("early.test", "/one/place/a.py")["notes"]
    assert notes == {"early": "early.test", "trans": "placed", "option": "here"}
    notes = site.tell("early.test", "/two/place/a.py")["notes"]
    assert notes == {"early": "early.test", "trans": "early.test", "option": "there"}


@pytest.mark.parametrize(
    ("path", "told"),
    [("/g/sub/a.py", "fixed"), ("/g/sub/b.py", "made for GET"), ("/h/sub/a.py?to=/g/sub/a.py", "fixed")],
)
def test_headers_of_the_configuration_where_the_content_moves(site: Site, path: str, told: str) -> None:
    with site.server.connection() as connection:  # (heads of connections that are kept may be made at once)
        for _ in range(2):
            connection.request("GET", path, headers={"Host": "directive.test"})
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, answer.headers.get_all("X-Config")) == (200, [told])


def test_each_phase_in_the_interpreter_of_its_directive(site: Site) -> None:
    www = str(site.server.www)
    told = site.tell("directive.test", "/d/a.py")
    assert (told["interpreter"], told["name"]) == (f"{www}/d/", f"{www}/d/")
    assert told["notes"] == {"trans": "main_interpreter", "option": ""}
    events = site.events(3)
    assert events[:2] == [f"content /d/a.py in {www}/d/", "log /d/a.py 200 in main_interpreter"]
    assert site.places(events[2:]) == site.places([f"cleanup /d/a.py in {www}/d/"])
    told = site.tell("directive.test", "/g/sub/a.py")
    assert told["interpreter"] == f"{www}/g/sub/"
    events = site.events(7)
    assert events[:4] == [
        f"PythonAccessHandler in {www}/g/",
        f"PythonFixupHandler in {www}/g/",
        f"content /g/sub/a.py in {www}/g/sub/",
        "log /g/sub/a.py 200 in main_interpreter",
    ]
    assert [site.places([event]) for event in events[4:]] == [
        site.places([f"cleanup /g/sub/a.py in {www}/g/sub/"]),
        site.places([f"cleanup of PythonFixupHandler in {www}/g/"]),
        site.places([f"cleanup of PythonAccessHandler in {www}/g/"]),
    ]


@pytest.mark.parametrize(
    ("query", "last", "status"),
    [("to=/g/sub/a.py", "/g/sub/a.py", 200), ("to=/static/page.txt", None, 200), ("status=410", None, 410)],
)
def test_a_log_handler_elsewhere_after_a_redirect(site: Site, query: str, last: str | None, status: int) -> None:
    """It runs where it belongs, and so do the cleanups, whichever interpreter ends the request."""
    www = str(site.server.www)
    status_seen, _text = site.ask("directive.test", f"/d/a.py?{query}")
    assert status_seen == status
    cleanups = [f"cleanup /d/a.py in {www}/d/", *([f"cleanup {last} in {www}/g/sub/"] if last else [])]
    log = f"log /d/a.py {status} in main_interpreter"
    wanted = {log, *(site.places(cleanups))}
    wait_for(lambda: wanted <= {*site.events(0), *site.places(site.events(0))}, f"{wanted}\n{site.server.said()}")
    events = site.events(0)
    assert events.count(log) == 1
    assert sum(event.startswith("cleanup /d/a.py ") for event in events) == 1
    assert site.logged() == f"/d/a.py {status} {len(_text.encode())}"


def test_authentication_and_what_follows_in_interpreters_of_their_own(site: Site) -> None:
    www = str(site.server.www)
    told = site.tell("directive.test", "/h/sub/a.py")
    assert (told["interpreter"], told["user"]) == (f"{www}/h/sub/", "joe")
    events = site.events(9)
    assert events[:4] == [
        f"PythonAuthenHandler in {www}/h/",
        f"PythonAuthzHandler in {www}/h/sub/",
        f"content /h/sub/a.py in {www}/h/sub/",
        "log /h/sub/a.py 200 in main_interpreter",
    ]
    assert site.places(events[4:]) == site.places(
        [
            f"PythonCleanupHandler in {www}/h/sub/",
            f"cleanup /h/sub/a.py in {www}/h/sub/",
            f"cleanup of PythonAuthzHandler in {www}/h/sub/",
            f"cleanup of PythonAuthenHandler in {www}/h/",
            f"cleanup of PythonCleanupHandler in {www}/h/sub/",
        ]
    )


TO_A_MISFIT = """
PythonPath "sys.path + ['${WWW}']"
<Location /one>
    SetHandler mod_python
    PythonInterpreter one
    PythonHandler one
</Location>
<Location /two>
    SetHandler mod_python
    PythonInterpreter two
    PythonHandler two
</Location>
"""

MISFIT: dict[str, str | bytes] = {
    "one.py": """
from mod_python import apache


def handler(req):
    req.log_error("one runs")
    req.register_cleanup(req.log_error, "one is cleaned up")
    req.internal_redirect("/two")
    return apache.OK
""",
    "two.py": """
import faulthandler  # (which an isolated interpreter refuses)
from mod_python import apache


def handler(req):
    req.write("%s %s %d" % (req.prev.uri, req.method, len(req.read())))
    return apache.OK
""",
}


def test_a_redirect_to_an_application_that_becomes_a_process(start_server: StartServer) -> None:
    """What has run in the first interpreter is not run again."""
    server = start_server(TO_A_MISFIT, MISFIT, mode="foreground", backend="auto")
    assert server.request("POST", "/one", b"x" * 100_000).text == "/one POST 100000"
    log = server.wait_for_log("one is cleaned up")
    assert (log.count("one runs"), log.count("one is cleaned up")) == (1, 1)


@pytest.mark.parametrize(
    "path", ["/one/a.py?to=/two/b.py?plain", "/one/a.py?plain", "/two/a.py?plain", "/static/page.txt"]
)
@pytest.mark.parametrize("host", [*HOSTS, "directive.test"])
def test_a_kept_connection_goes_along(site: Site, host: str, path: str) -> None:
    path = "/d/a.py?plain" if host == "directive.test" and path.startswith("/one") else path
    with site.server.connection() as connection:
        for _ in range(4):
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            assert answer.status in (200, 404)
            answer.read()
            assert answer.getheader("Connection") is None
