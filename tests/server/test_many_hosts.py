"""Seventy virtual hosts and three workers, asked all at once: each worker makes an interpreter for each host."""

from __future__ import annotations

import http.client
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import StartServer

HOSTS, WORKERS = 70, 3
#: How long all of it may take on two processors that nobody else uses, in seconds.
LIMIT = 20.0
#: How long anything may take where others use them, too.
PATIENCE = 300.0

APP = (
    """
import os, time
from mod_python import apache

def handler(req):
    # wait until this host's requests are in all workers, each in an interpreter that is busy with one
    folder = os.path.join(os.path.dirname(__file__), "here", apache.interpreter)
    os.makedirs(folder, exist_ok=True)
    open(os.path.join(folder, str(os.getpid())), "w").close()
    until = time.monotonic() + 280
    while len(os.listdir(folder)) < %d:
        if time.monotonic() > until:
            return apache.HTTP_GATEWAY_TIME_OUT
        time.sleep(0.2)
    req.write("%%s %%s" %% (apache.interpreter, os.getpid()))
    return apache.OK
"""
    % WORKERS
)

HOST = """
<VirtualHost *:${PORT}>
    ServerName host%d
    <Directory "${WWW}">
        SetHandler mod_python
        PythonHandler app
    </Directory>
</VirtualHost>
"""


def ask(port: int, host: str) -> tuple[int, str]:
    """Status and text of a host's answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/", headers={"Host": host, "Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.alone
@pytest.mark.parametrize("backend", ["own"] if sys.version_info >= (3, 14) else ["process"])
@pytest.mark.parametrize("limit", [PATIENCE, pytest.param(LIMIT, marks=pytest.mark.long)])
def test_seventy_hosts_at_once(start_server: StartServer, backend: str, limit: float) -> None:
    """All are answered; how long it takes counts on a machine that is free for it."""
    conf = "".join(HOST % number for number in range(HOSTS))
    server = start_server(conf, {"app.py": APP}, mode="daemon", backend=backend, workers=WORKERS)
    names = [f"host{number}" for number in range(HOSTS)] * WORKERS
    began = time.monotonic()
    with ThreadPoolExecutor(len(names)) as pool:
        replies = list(pool.map(lambda name: ask(server.port, name), names))
    took = time.monotonic() - began
    assert {status for status, _text in replies} == {200}, server.log()
    assert [text.split()[0] for _status, text in replies] == names
    assert len({text for _status, text in replies}) == HOSTS * WORKERS
    assert took < limit
