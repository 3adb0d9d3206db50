"""Traces (W3C Trace Context): what applications get and logs have of them, in every kind of interpreter."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from conftest import StartServer
from support.server import EACH_AND_THREADS, Server
from support.waiting import wait_for

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"
FIELD = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")

CONF = """
PythonPath "['${WWW}'] + sys.path"
TraceContext On
LogFormat "json: line=%r whole=%^tp trace=%{trace_id}^tp span=%{span_id}^tp parent=%{parent_id}^tp \\
    flags=%{trace_flags}^tp field=%{traceparent}i env=%{TRACEPARENT}e" traces
CustomLog logs/traces.log traces
ErrorLogFormat "%M [%{trace_id}^tp %{TRACEPARENT}e]"
<Location /app>
    SetHandler mod_python
    PythonHandler app
    Header always set Traceresponse "%{TRACEPARENT}e"
</Location>
<Location /moved>
    PythonInterpPerDirective On
    SetHandler mod_python
    PythonHandler app
</Location>
<Location /moved/first>
    PythonFixupHandler app::look
    PythonInterpreter first
</Location>
<Location /wsgi>
    SetHandler mod_python
    PythonHandler mod_python.wsgi
    PythonOption mod_python.wsgi.application served
</Location>
<Location /if>
    <If "reqenv('TRACEPARENT') =~ /^00-.*-01$/">
        Redirect 307 /if http://sampled.example/
    </If>
</Location>

<VirtualHost *>
    ServerName localhost
</VirtualHost>
<VirtualHost *>
    ServerName new.example
    TraceContext New
    TraceSampling 0
    CustomLog logs/traces.log traces
    <Location />
        SetHandler mod_python
        PythonHandler app
    </Location>
</VirtualHost>
<VirtualHost *>
    ServerName off.example
    TraceContext Off
    CustomLog logs/traces.log traces
    <Location />
        SetHandler mod_python
        PythonHandler app
    </Location>
</VirtualHost>
"""

APP = """
import json
from mod_python import apache

def look(req):
    req.looked = req.subprocess_env.get("TRACEPARENT")
    return apache.OK

def handler(req):
    if req.args == "redirect" and req.prev is None:
        req.internal_redirect("/app/after")
        return apache.OK
    if req.args == "log":
        req.log_error("told here")
    req.content_type = "application/json"
    header, env = req.headers_in.get("traceparent"), req.subprocess_env.get("TRACEPARENT")
    req.add_common_vars()
    req.write(json.dumps({
        "header": header, "state": req.headers_in.get("tracestate"), "env": env,
        "variable": req.subprocess_env.get("HTTP_TRACEPARENT"), "looked": getattr(req, "looked", None),
    }))
    return apache.OK
"""

SERVED = """
import json

def application(environ, start_response):
    names = ("HTTP_TRACEPARENT", "HTTP_TRACESTATE", "TRACEPARENT")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name: environ.get(name) for name in names}).encode()]
"""


@pytest.fixture(scope="module", params=EACH_AND_THREADS, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """One server for each kind of interpreter, and one whose workers have threads."""
    backend, mpm = request.param
    return start_module_server(CONF, {"app.py": APP, "served.py": SERVED}, backend=backend, mpm=mpm)


def logged(server: Server, path: str) -> dict[str, Any]:
    """The access log's object for a path, once it is there."""

    def find() -> dict[str, Any]:
        file = server.logs / "traces.log"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        found = [json.loads(line) for line in lines if line.endswith("\n") and f"GET {path} " in line]
        return found[0] if found else {}

    return wait_for(find, f"a line for {path}")


def asked(server: Server, path: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    reply = server.get(path, dict(headers or {}))
    assert reply.status == 200
    found: dict[str, Any] = json.loads(reply.text)
    return found


def test_a_trace_goes_on_in_a_handler(server: Server) -> None:
    told = asked(server, "/app/on", {"traceparent": GIVEN, "tracestate": "a=1"})
    text = told["header"]
    assert FIELD.fullmatch(text)
    assert (text[3:35], text[53:]) == (TRACE, "01")
    assert text[36:52] != PARENT
    assert (told["env"], told["variable"], told["state"]) == (text, text, "a=1")
    assert logged(server, "/app/on") == {
        "line": "GET /app/on HTTP/1.1", "whole": text, "trace": TRACE, "span": text[36:52], "parent": PARENT,
        "flags": "01", "field": text, "env": text,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "headers"),
    [(0, {}), (1, {"traceparent": GIVEN[:-1], "tracestate": "a=1"}), (2, {"traceparent": "00-x", "tracestate": "a=1"})],
)
def test_without_a_sound_one_a_trace_begins(server: Server, number: int, headers: dict[str, str]) -> None:
    told = asked(server, f"/app/begins{number}", headers)
    text = told["header"]
    assert FIELD.fullmatch(text)
    assert TRACE not in text
    assert (told["env"], told["variable"], told["state"]) == (text, text, None)
    line = logged(server, f"/app/begins{number}")
    assert (line["whole"], line["parent"]) == (text, None)


def test_wsgi(server: Server) -> None:
    for path, headers in (("/wsgi/a", {"traceparent": GIVEN, "tracestate": "a=1"}), ("/wsgi/b", {"tracestate": "a=1"})):
        for round in range(2):  # (the second finds what is remembered of the first one's headers)
            told = asked(server, f"{path}{round}", headers)
            text = told["TRACEPARENT"]
            assert FIELD.fullmatch(text)
            assert (told["HTTP_TRACEPARENT"], told["HTTP_TRACESTATE"]) == (text, "a=1" if len(headers) > 1 else None)
            assert (text[3:35] == TRACE) == (len(headers) > 1)
            assert logged(server, f"{path}{round}")["whole"] == text


def test_requests_have_traces_of_their_own(server: Server) -> None:
    assert len({asked(server, "/app/x")["env"] for _ in range(20)}) == 20


def test_a_redirect_stays_within_the_span(server: Server) -> None:
    told = asked(server, "/app/before?redirect", {"traceparent": GIVEN})
    line = logged(server, "/app/before?redirect")
    assert line["whole"] == told["header"] == told["env"]
    assert told["env"].startswith(f"00-{TRACE}-")


@pytest.mark.parametrize("headers", [{"traceparent": GIVEN}, {}])
def test_it_is_the_same_in_the_next_interpreter(server: Server, headers: dict[str, str]) -> None:
    path = f"/moved/first/{len(headers)}"
    told = asked(server, path, headers)
    assert FIELD.fullmatch(told["looked"])
    assert told["looked"] == told["header"] == told["env"] == logged(server, path)["whole"]


def test_configured_headers_and_sections_know_it(server: Server) -> None:
    reply = server.get("/app/x", {"traceparent": GIVEN})
    assert reply.header("Traceresponse") == json.loads(reply.text)["env"]
    assert server.get("/if", {"traceparent": GIVEN}).header("Location") == "http://sampled.example/"
    assert server.get("/if", {"traceparent": GIVEN[:-1] + "0"}).status == 404


def test_the_error_log_knows_it(server: Server) -> None:
    text = asked(server, "/app/x?log", {"traceparent": GIVEN})["env"]
    assert f"told here [{TRACE} {text}]\n" in server.log()


def test_what_is_not_found_is_in_a_trace_as_well(server: Server) -> None:
    assert server.get("/nothing", {"traceparent": GIVEN}).status == 404
    assert logged(server, "/nothing")["trace"] == TRACE


def test_clients_need_not_be_believed(server: Server) -> None:
    told = asked(server, "/new", {"Host": "new.example", "traceparent": GIVEN, "tracestate": "a=1"})
    assert FIELD.fullmatch(told["header"])
    assert (TRACE in told["header"], told["header"][53:], told["state"]) == (False, "00", None)
    assert logged(server, "/new")["parent"] is None


def test_off(server: Server) -> None:
    given = {"Host": "off.example", "traceparent": "what was sent", "tracestate": "a=1"}
    told = asked(server, "/off", given)
    assert told == {"header": "what was sent", "state": "a=1", "env": None, "variable": "what was sent", "looked": None}
    line = logged(server, "/off")
    assert (line["whole"], line["field"], line["env"]) == (None, "what was sent", None)


def test_an_unknown_part_is_refused(server: Server) -> None:
    done = server.command("-t", "-c", "LogFormat %{span}^tp", check=False)
    told = (
        "%{span}^tp is no part of a trace: write %^tp, %{trace_id}^tp, %{span_id}^tp, %{trace_flags}^tp, "
        "%{parent_id}^tp"
    )
    assert (done.returncode, told in done.stderr) == (1, True)
