"""The worker MPM: requests of one interpreter overlap, in every kind, and know nothing of each other."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import StartServer
from support.load import load
from support.server import BACKENDS, Server
from support.waiting import PATIENCE, wait_for

THREADS = 8

APP = """
import os, sys, threading, time
from mod_python import apache, Session

meeting = threading.Barrier(int(os.environ.get("MEETING", "%d")))
own = threading.local()
turn = threading.Lock()

def handler(req):
    req.content_type = "text/plain"
    return globals()[req.path_info.strip("/")](req)

def meet(req):
    # all of them have to be here at the same time
    try:
        meeting.wait(float(req.args or 20))
    except threading.BrokenBarrierError:
        meeting.reset()
        return apache.HTTP_GATEWAY_TIME_OUT
    req.write("%%s %%s" %% (os.getpid(), threading.get_ident()))
    return apache.OK

def talk(req):
    # what one request leaves around, no other may see
    name = req.args
    own.name = name
    req.notes["name"] = name
    req.mine = name
    body = req.read().decode()
    for part in range(4):
        sys.stdout.write("<%%s" %% name)
        time.sleep(0.001)
        sys.stdout.write(":%%s>" %% name)
        req.write("", 1) if part == 2 else None
        if part %% 2:
            sys.stdout.write("\\n")
    req.log_error("logged by %%s in %%s" %% (name, threading.get_native_id()))
    sys.stdout.write("printed by %%s in %%s\\n" %% (name, threading.get_native_id()))
    seen = own.name, req.notes["name"], req.mine, req.args, req.headers_in["X-Name"], body
    req.headers_out["X-Name"] = name
    req.write("\\n".join(seen) + "\\n")
    return apache.OK

def query(req):
    names = [n for n in dir(apache) if n.startswith("AP_MPMQ_")]
    import json
    req.write(json.dumps({n: apache.mpm_query(getattr(apache, n)) for n in names if n[8:] not in (
        "NOT_SUPPORTED", "STATIC", "DYNAMIC")}))
    return apache.OK

def session(req):
    made = Session.Session(req)
    req.write(type(made).__name__)
    return apache.OK

def count(req):
    made = Session.MemorySession(req)
    number = made.get("number", 0)
    time.sleep(0.01)
    made["number"] = number + 1
    made.save()
    req.write(str(number + 1))
    return apache.OK

def slow(req):
    time.sleep(float(req.args))
    req.write("%%s" %% os.getpid())
    return apache.OK

def stuck(req):
    while True:
        time.sleep(0.01)
""" % THREADS

CONF = """
<Directory ${WWW}>
    SetHandler mod_python
    PythonHandler app
</Directory>
<Location /app/stuck>
    PythonRequestTimeout 300ms
</Location>
"""


def gets(server: Server, path: str, count: int) -> list[str]:
    """The answers to that many requests at once."""
    with ThreadPoolExecutor(count) as pool:
        replies = list(pool.map(lambda _: server.get(path), range(count)))
    assert [reply.status for reply in replies] == [200] * count, replies[0].text
    return [reply.text for reply in replies]


@pytest.fixture(scope="module", params=BACKENDS)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    """One worker with one interpreter of each kind, under the worker MPM."""
    server = start_module_server(CONF, {"app.py": APP, "app": ""}, backend=request.param, mpm="worker", threads=THREADS)
    yield server
    server.close()


def test_requests_of_one_interpreter_overlap(server: Server) -> None:
    where = {answer.split()[0] for answer in gets(server, "/app/meet", THREADS)}
    assert len(where) == 1
