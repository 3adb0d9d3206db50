"""``mpserver --trace URL``: what is told of a request that the running server is asked for."""

from __future__ import annotations

import json
import re
import stat
import threading

import pytest

from conftest import StartServer
from mpserver.cli.status import ask
from mpserver.cli.trace import parse
from mpserver.errors import StartError
from support.certificates import Authority
from support.server import BACKENDS, EACH_AND_THREADS, Server
from support.tls import HTTPS, at_port
from support.waiting import PATIENCE, wait_for

CONF = """
PythonPath "['${WWW}'] + sys.path"
LogFormat "%r %>s" short
CustomLog logs/access.log short
SetEnv API_TOKEN geheim
<Directory "${WWW}/app">
    AllowOverride All
</Directory>
<Location /app>
    SetHandler mod_python
    PythonHandler app
    PythonAccessHandler app::access
    PythonOption app.password geheim
    ErrorDocument 410 http://user:geheim@localhost/
</Location>
<Location /broken>
    SetHandler mod_python
    PythonHandler broken
</Location>
<Location /other>
    PythonInterpreter other
    SetHandler mod_python
    PythonHandler app
</Location>
<Location /ends>
    PythonInterpreter ends
    SetHandler mod_python
    PythonHandler app::end
</Location>
<VirtualHost *>
    ServerName localhost
</VirtualHost>
<VirtualHost *>
    ServerName early.example
    PythonInterpreter early
    PythonPostReadRequestHandler app::early
    <Location /content>
        PythonInterpreter content
        SetHandler mod_python
        PythonHandler app::further
    </Location>
    <Location /last>
        PythonInterpreter last
        SetHandler mod_python
        PythonHandler app
    </Location>
</VirtualHost>
<VirtualHost *>
    ServerName shop.example
    DocumentRoot "${WWW}"
    ErrorDocument 404 /app/instead
    <LocationMatch "^/it(ems)?/">
        Require all denied
    </LocationMatch>
    <Files page.txt>
        Header set X-Page yes
    </Files>
</VirtualHost>
"""

APP = """
import os
import signal
import time
from mod_python import apache

def access(req):
    return apache.OK

def early(req):
    return apache.DECLINED

def handler(req):
    req.content_type = "text/plain"
    if req.args == "slow":
        time.sleep(0.02)
    req.write(f"{req.hostname} {len(req.connection.local_addr)}")
    return apache.OK

def further(req):
    req.internal_redirect("/last/one")
    return apache.OK

def end(req):
    os.kill(os.getpid(), signal.SIGKILL)
"""

WHOLE = """\
GET http://localhost:PORT/app/x?a=1
  200 OK
  Content-Type: text/plain

Server: the virtual host localhost (line N of CONF)
Time: N ms

Request: /app/x
  interpreter: NAME (KIND)
  file: none
  sections, in the order of merging:
    <Location /app> (line N of CONF)
  plan:
    PythonAccessHandler: app::access in Location /app
    PythonHandler: app in Location /app
    PythonPath: ['WWW'] + sys.path
    PythonAutoReload: On
    PythonDebug: Off
    required: nothing
    handler by SetHandler: mod_python
    LimitRequestBody: 1073741824 bytes
    error documents: 410: http://(not shown)@localhost/
"""

STEPS = """\
    PythonAccessHandler app::access: OK, N ms
    type_checker mime: DECLINED, N ms
    fixups core: OK, N ms
    fixups env: OK, N ms
    PythonHandler app: OK, N ms

Status: 200, with 11 bytes of content
"""

FILES = {"app.py": APP, "broken.py": "import nothing_of_this_name", "page.txt": "page", "app/.htaccess": ""}


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids=str)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    kind, mpm = request.param
    server = start_module_server(CONF, FILES, backend=kind, mpm=mpm, workers=2, mode="foreground")
    wait_until_it_serves(server)
    return server


def wait_until_it_serves(server: Server) -> None:
    """Wait: it takes commands a moment before the master has heard that a worker serves."""
    url = f"http://localhost:{server.port}/page.txt"
    wait_for(lambda: server.command("--trace", url, check=False).returncode == 0, "a worker to serve")


def traced(server: Server, url: str, *, check: bool = True) -> str:
    """What is told of a URL, without what differs from run to run."""
    done = server.command("--trace", url.replace("PORT", str(server.port)), check=check)
    assert done.returncode == 0 or not check
    text = re.sub(r"\d+\.\d+ ms", "N ms", done.stdout + done.stderr)
    text = re.sub(r"line \d+ of", "line N of", text).replace(f":{server.port}", ":PORT")
    return text.replace(str(server.conf), "CONF").replace(str(server.www), "WWW")


def names(server: Server, name: str) -> str:
    """An interpreter of a name, as it is told."""
    return "main_interpreter (main)" if server.backend == "main" else f"{name} ({server.backend})"


def test_a_request_as_a_whole(server: Server) -> None:
    lines = (server.logs / "access.log").read_text().count("GET /app/x?a=1 HTTP/1.1 200\n")
    found = traced(server, "http://localhost:PORT/app/x?a=1")
    whole, _, rest = found.partition("  merged configuration:\n")
    assert whole == WHOLE.replace("NAME (KIND)", names(server, "localhost"))
    settings, _, steps = rest.partition("  steps:\n")
    assert steps == STEPS
    assert "    SetHandler: mod_python\n" in settings
    assert "    Python*Handler: PythonAccessHandler, PythonHandler\n" in settings
    assert "    PythonOption: app.password" in settings
    assert "geheim" not in found
    log = server.logs / "access.log"
    wait_for(lambda: log.read_text().count("GET /app/x?a=1 HTTP/1.1 200\n") == lines + 1, "its line of the access log")


def test_hosts_files_redirects_and_refusals(server: Server) -> None:
    found = traced(server, "http://shop.example:PORT/nothing/here").replace("shop.example:PORT", "HOST", 1)
    assert found.startswith("GET http://HOST/nothing/here\n  404 Not Found\n")
    assert "\nServer: the virtual host shop.example (line N of CONF)\n" in found
    assert "\n  file: WWW/nothing, which is not there\n  path info: /here\n" in found
    assert "\n    default-handler: 404, N ms\n\nInternal redirect: /app/instead\n" in found
    assert found.endswith("\n    PythonHandler app: OK, N ms\n\nStatus: 404, with 14 bytes of content\n")
    page = traced(server, "http://shop.example:PORT/page.txt")
    assert "\n    <Directory /> (line N of CONF)\n    <Files page.txt> (line N of CONF)\n" in page
    refused = traced(server, "http://shop.example:PORT/items/1")
    assert "\n  403 Forbidden\n" in refused
    assert "\n    <LocationMatch ^/it(ems)?/> (line N of CONF)\n" in refused
    assert "\n    access_checker_ex authz_core: 403, N ms\n" in refused
    broken = traced(server, "http://localhost:PORT/broken")
    assert "\n    PythonHandler broken: 500, N ms\n" in broken
    assert broken.endswith(" bytes of content\n")
    assert "\nStatus: 500, " in broken


def test_a_request_in_several_interpreters(server: Server) -> None:
    """What was done in each of them is told, though another one has logged the request."""
    found = traced(server, "http://early.example:PORT/content/x")
    asked = [line.strip() for line in found.splitlines() if line.startswith(("  interp", "Request", "Internal"))]
    kind = server.backend
    where = {name: f"interpreter: {names(server, name)}" for name in ("early", "content", "last")}
    if kind == "main":
        assert asked == ["Request: /content/x", where["early"], "Internal redirect: /last/one", where["early"]]
    else:
        assert asked == [
            "Request: /content/x", where["early"], where["content"],
            "Internal redirect: /last/one", where["content"], where["early"], where["last"],
        ]  # fmt: skip
    for step in ("PythonPostReadRequestHandler app::early: DECLINED", "PythonHandler app::further: OK",
                 "PythonHandler app: OK"):  # fmt: skip
        assert f"\n    {step}" in found
    assert "\nStatus: 200, " in found


def test_other_requests_know_nothing_of_it(server: Server) -> None:
    traced(server, "http://localhost:PORT/app/x")
    assert server.get("/app/x").text == "127.0.0.1 2"
    assert server.get("/page.txt").text == "page"


def test_each_of_many_is_told_whole(server: Server) -> None:
    """The answer and what is told of it come on ways of their own, between the requests of others."""
    over = threading.Event()

    def others() -> None:
        while not over.is_set():
            server.get("/app/x?slow")
            server.get("/other/x")

    threads = [threading.Thread(target=others) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(25):
            path, steps = ("/app/x", 5) if number % 2 else ("/content/x", 0)
            host = "localhost" if number % 2 else "early.example"
            wanted = parse(f"http://{host}:{server.port}{path}")
            command = {
                "command": "trace", "request": wanted.head, "address": "127.0.0.1", "port": server.port, "tls": False,
            }  # fmt: skip
            (found,) = ask(str(server.pid_file), command, PATIENCE)
            assert found["why"] == ""
            assert found["head"].startswith("HTTP/1.1 200 OK\r\n")
            told = json.loads(found["told"])
            events = [json.loads(name) for name, *_rest in told["events"]]
            done = [facts[0] for kind, *facts in events if kind == "step"]
            assert told["status"] == 200
            assert not steps or len(done) == steps
            assert done[-1] == "PythonHandler app" or "PythonHandler app" in done
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_only_the_owner_asks(server: Server) -> None:
    control = server.pid_file.with_suffix(".control")
    assert stat.S_IMODE(control.stat().st_mode) == 0o600


def test_a_crash_in_the_request_is_told(server: Server) -> None:
    found = traced(server, "http://localhost:PORT/ends", check=False)
    if server.backend == "process":
        assert "\n  500 Internal Server Error\n" in found
        assert "\n  interpreter: none was reached\n" in found
        assert "\nStatus: 500, " in found
    else:
        assert re.search(r"--trace: worker \d \(pid \d+\) ended meanwhile, or does not answer\n", found)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/path", "is no URL with a scheme and a host"),
        ("ftp://localhost/", "is no URL with a scheme and a host"),
        ("http://localhost:x/", "Port could not be cast to integer value as 'x'"),
        ("http://me:geheim@localhost/", "a URL with a user is nothing for a command line"),
        ("http://localhost/a b", "a URL has only ASCII without blanks; write others as %20"),
    ],
)
def test_what_is_no_url(url: str, why: str) -> None:
    with pytest.raises(StartError) as error:
        parse(url)
    assert why in str(error.value)
    assert "geheim" not in str(error.value)


def test_over_tls_and_what_can_not_be_asked_for(start_server: StartServer, authority: Authority) -> None:
    with at_port(authority) as (client, variables):
        server = start_server(CONF + HTTPS, FILES, backend=BACKENDS[0], mode="foreground", variables=variables)
        wait_until_it_serves(server)
        found = traced(server, f"https://a.example:{client.port}/app/x")
        assert "\n  200 OK\n" in found
        assert "\nServer: the virtual host a.example (line N of CONF)\n" in found
        for url, why in (
            (f"http://a.example:{client.port}/app/x", f"127.0.0.1 port {client.port} speaks TLS: ask with https://"),
            (f"https://localhost:{server.port}/", f"127.0.0.1 port {server.port} speaks no TLS: ask with http://"),
            ("http://localhost:1/", "the server does not listen at port 1, but at: "),
            ("", "illegal option -- trace needs a URL"),
        ):
            done = server.command("--trace", url, check=False)
            assert (done.returncode, done.stdout) == (1, "")
            assert why in done.stderr
            assert "Traceback" not in done.stderr
    server.stop()
    gone = server.command("--trace", f"http://localhost:{server.port}/", check=False)
    assert gone.returncode == 1
    assert "no server runs by" in gone.stderr
