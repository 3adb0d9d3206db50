"""Handlers after the answer that belong to another interpreter, where there is no descriptor left for their way."""

from __future__ import annotations

import pytest

from conftest import StartServer
from support.server import BACKENDS

APP = """
import os
import resource
from mod_python import apache


def give_back(limits):
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    apache.log_error("the cleanup ran")


def handler(req):
    if req.args == "full":
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(0)
        os.close(free)
        req.register_cleanup(give_back, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, limits[1]))
    req.write("answered", 0)
    return apache.OK


def log(req):
    req.log_error("the log handler ran for %s" % req.args)
    return apache.OK
"""

CONF = """
CustomLog "${ROOT}/logs/access.log" "%r"
PythonPath "sys.path + ['${WWW}']"
<VirtualHost *:${PORT}>
    PythonLogHandler app::log
    PythonInterpPerDirective On
    <Directory "${WWW}/d">
        SetHandler mod_python
        PythonHandler app
    </Directory>
</VirtualHost>
"""


@pytest.mark.parametrize("backend", [kind for kind in BACKENDS if kind != "main"])  # (that has one for all)
def test_the_request_is_logged_and_cleaned_up_here(start_server: StartServer, backend: str) -> None:
    server = start_server(CONF, {"app.py": APP, "d/page": ""}, backend=backend)
    assert server.get("/d/page?before").text == "answered"
    server.wait_for_log("the log handler ran for before")
    assert server.get("/d/page?full").text == "answered"
    server.wait_for_log("the cleanup ran")
    server.wait_for_log("a handler of /d/page was not run in the interpreter")
    server.wait_for_log("GET /d/page?full", "access.log")
    assert server.get("/d/page?after").text == "answered"
    log = server.wait_for_log("the log handler ran for after")
    assert "internal error" not in log
    assert "ran for full" not in log
