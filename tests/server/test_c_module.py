"""The module `_apache`, which is there inside a server only, and its global locks."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading

import pytest

from conftest import StartServer
from support.server import EACH_IN_BOTH, Server
from support.waiting import PATIENCE, wait_for

CONF = """
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler app
</Directory>
<Directory "${WWW}/other">
    PythonInterpreter other
    PythonPath "['${WWW}']"
</Directory>
"""

APP = """
import os
import _apache
from mod_python import apache, util, Session, psp
KEPT = []

def handler(req):
    what, _, argument = (req.args or "").partition("=")
    req.write(str(globals()[what](req, argument)))
    return apache.OK

def names(req, _):
    assert apache._apache is util._apache is Session._apache is psp._apache is _apache
    assert _apache.__name__ == "_apache"
    assert _apache.table is apache.table and _apache.SERVER_RETURN is apache.SERVER_RETURN
    assert _apache.AP_CONN_KEEPALIVE == apache.AP_CONN_KEEPALIVE and _apache.APR_REG == apache.APR_REG
    assert _apache.MODULE_MAGIC_NUMBER_MAJOR == apache.MODULE_MAGIC_NUMBER_MAJOR
    assert _apache.server_root() == apache.server_root() and _apache.mpm_query(2) == apache.mpm_query(2)
    assert _apache.config_tree() == apache.config_tree() and not _apache.exists_config_define("NEVER")
    assert _apache.parse_qs("a=1&a=2") == {"a": ["1", "2"]} and _apache.parse_qsl("a=1&b=") == [("a", "1")]
    assert _apache.stat("/", apache.APR_FINFO_TYPE).filetype == apache.APR_DIR
    _apache.log_error("said by the C module", apache.APLOG_NOTICE, req.server)
    _apache.register_cleanup(apache.interpreter, apache.main_server, KEPT.append, 1)
    return "right"

def raises(req, code):
    from urllib.parse import unquote
    try:
        return repr(eval(unquote(code), {"a": _apache, "s": req.server}))
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)

def taken(req, key):
    "Hold a lock until a file is there."
    key, _, index = key.partition("@")
    args = (req.server, int(key) if key.isdigit() else key or None, int(index or -1))
    _apache._global_lock(*args)
    try:
        req.write(" " * 10000)
        req.flush()
        open(argument_file(req, "held"), "w").close()
        while not os.path.exists(argument_file(req, "go")):
            os.stat("/")
            import time; time.sleep(0.01)
    finally:
        _apache._global_unlock(*args)
    return "given"

def argument_file(req, name):
    return os.path.join(_apache.server_root(), "run", name)

def free(req, key):
    key, _, index = key.partition("@")
    args = (req.server, int(key) if key.isdigit() else key or None, int(index or -1))
    got = _apache._global_trylock(*args)
    if got:
        _apache._global_unlock(*args)
    return got
"""

#: Expressions, and what they give there.
RAISED = {
    "a._global_trylock(s, 'x'), a._global_trylock(s, 'x'), a._global_unlock(s, 'x')": "(True, False, None)",
    "a._global_unlock(s, 'x')": "ValueError: Failed to release global mutex lock",
    "a._global_lock(s, None, 8000)": "ValueError: Lock index is out of range for number of global mutex locks",
    "a._global_trylock(s, None, -2)": "ValueError: Lock index is out of range for number of global mutex locks",
    "a._global_lock(5, None)": "TypeError: First argument must be a server object",
    "a._global_lock(s, [])": "TypeError: unhashable type: 'list'",
    "a._global_lock(s, 'x', '1')": "TypeError: 'str' object cannot be interpreted as an integer",
    "a.register_cleanup('x', s, 5)": "ValueError: third argument must be a callable object",
}


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids="-".join)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    """Each kind under both MPMs, with two workers."""
    kind, mpm = request.param
    conf = f"PythonOption mod_python.mutex_locks 5\n{CONF}"
    return start_module_server(
        conf, {"app.py": APP, "x": "", "other/x": ""}, backend=kind, mpm=mpm, workers=2, mode="foreground"
    )


def test_it_has_the_names_of_the_real_one(server: Server) -> None:
    assert server.get("/x?names").text == "right", server.said()
    assert server.get("/other/x?names").text == "right", server.said()
    server.wait_for_log("said by the C module")
    for code, result in RAISED.items():
        assert server.get(f"/other/x?raises={code.replace(' ', '%20')}").text == result, code


def test_locks_exclude_interpreters_and_workers(server: Server) -> None:
    """A lock by its key, by its index, and by a number, which is that of (number modulo the locks but the first)."""
    for held, others in {
        "name": {"name": False},
        "@2": {"@2": False, "@3": True},
        "6": {"2": False, "@3": False},
    }.items():
        for name in ("held", "go"):
            (server.root / "run" / name).unlink(missing_ok=True)
        with server.connection() as connection:
            connection.request("GET", f"/x?taken={held}")
            wait_for((server.root / "run" / "held").exists, "the lock to be taken")
            try:
                for other, is_free in others.items():
                    assert server.get(f"/other/x?free={other}").text == str(is_free), (held, other)
                    found = []
                    threads = [
                        threading.Thread(target=lambda: found.append(server.get(f"/x?free={other}").text))  # noqa: B023
                        for _ in range(3)
                    ]
                    for thread in threads:
                        thread.start()
                        if is_free:
                            thread.join(PATIENCE)  # (who looks whether it is free holds it for a moment)
                    for thread in threads:
                        thread.join(PATIENCE)
                    assert found == [str(is_free)] * 3
            finally:
                (server.root / "run" / "go").touch()
            assert connection.getresponse().read().strip() == b"given"
        assert server.get(f"/other/x?free={held}").text == "True"


def test_outside_of_a_server_it_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("_apache")
    code = "from mod_python import apache; print(hasattr(apache, '_apache')); import _apache"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "False\n"
    assert done.stderr.strip().endswith("ModuleNotFoundError: No module named '_apache'")
