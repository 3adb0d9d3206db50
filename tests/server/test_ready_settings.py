"""Interpreters get finished settings: they load no code of directives, and hold the hosts that they serve."""

from __future__ import annotations

import ast
import signal
import sys

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import wait_for

APP = """
import gc, sys
from mod_python import apache, util


def handler(req):
    servers = [one.name for one in gc.get_objects() if type(one).__name__ == "Server" and hasattr(one, "wild_names")
               and type(one).__module__ == "mpserver.config.server"]
    told = {"modules": sorted(sys.modules), "servers": sorted(servers), "name": apache.interpreter,
            "options": {key: value for key, value in req.get_options().items() if "." not in key},
            "admin": req.server.server_admin}
    if req.args:
        functions = [one for one in gc.get_objects() if type(one).__name__ == "function"]
        told["annotated"] = sorted(f"{one.__module__}.{one.__qualname__}" for one in functions
                                   if str(one.__module__).startswith("mpserver.") and one.__annotations__)
    req.write(repr(told))
    return apache.OK
"""

HOSTS = "".join(
    f"""
<VirtualHost *:${{PORT}}>
    ServerName host{number}
    ServerAlias alias{number}.example *.wild{number}.example
    ServerAdmin admin{number}@example
    PythonOption host {number}
</VirtualHost>
"""
    for number in range(30)
)

CONF = (
    """
ServerName main.example
PythonOption level main
<Directory "${WWW}">
    SetHandler mod_python
    PythonHandler app
    AllowOverride None
</Directory>
<Directory "${WWW}/open">
    AllowOverride All
</Directory>
<DirectoryMatch "/matched/">
    PythonOption matched yes
</DirectoryMatch>
"""
    + HOSTS
)

#: What reads configuration: its syntax, its checks, its directives.
READING = (
    "mpserver.config.compiler", "mpserver.config.conditional_sections", "mpserver.config.configuration",
    "mpserver.config.finishing", "mpserver.config.hosts", "mpserver.config.lexer", "mpserver.config.plain_writer",
    "mpserver.config.reader", "mpserver.config.registry", "mpserver.config.section_kinds", "mpserver.config.tree",
    "mpserver.modules.unixd", "mpserver.modules.values",
)  # fmt: skip

#: What a handler for no folder, script or time limit has no use for.
SELDOM = {
    "hashlib", "mpserver.phases.known_indexes", "mpserver.phases.subrequests", "mpserver.phases.timeouts",
}  # fmt: skip

SUB = [
    pytest.param("own", marks=pytest.mark.skipif(sys.version_info < (3, 13), reason="no own GIL")),
    pytest.param("shared", marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="no subinterpreters")),
]


FILES: dict[str, str | bytes] = {
    "app.py": APP,
    "open/x": "",
    "open/.htaccess": "PythonOption file read\n",
    "matched/x": "",
}


@pytest.fixture(params=["prefork", "worker"])
def server(start_server: StartServer, kind: str, request: pytest.FixtureRequest) -> Server:
    return start_server(CONF, FILES, backend=kind, mode="daemon", mpm=request.param)


def told(server: Server, host: str, path: str = "/x") -> dict[str, object]:
    reply = server.get(path, headers={"Host": host})
    assert reply.status == 200, server.said()
    found: dict[str, object] = ast.literal_eval(reply.text)
    return found


def of_directives(modules: object) -> list[str]:
    assert isinstance(modules, list)
    return [name for name in modules if name in READING or name.endswith(("directives", "directive"))]


@pytest.mark.parametrize("kind", SUB)
def test_no_code_of_directives_is_loaded(server: Server) -> None:
    here = told(server, "host3", "/matched/x")
    assert here["name"] == "host3"
    assert here["options"] == {"level": "main", "host": "3", "matched": "yes"}
    modules = here["modules"]
    assert of_directives(modules) == []
    assert isinstance(modules, list)
    assert SELDOM.isdisjoint(modules)


@pytest.mark.parametrize("kind", SUB)
def test_only_a_htaccess_file_loads_it(server: Server) -> None:
    assert of_directives(told(server, "host4")["modules"]) == []
    here = told(server, "host4", "/open/x")
    assert here["options"] == {"level": "main", "host": "4", "file": "read"}
    assert {"mpserver.config.reader", "mpserver.config.registry"} <= set(of_directives(here["modules"]))


@pytest.mark.parametrize("kind", SUB)
def test_an_interpreter_holds_the_hosts_that_it_serves(server: Server) -> None:
    # (what comes before a head is the first host's of the address)
    assert told(server, "host7")["servers"] == ["host0", "host7", "main.example"]
    # other names of it, which are in other places of the index
    assert told(server, "alias7.example")["servers"] == ["host0", "host7", "main.example"]
    assert told(server, "WWW.Wild7.example")["admin"] == "admin7@example"


@pytest.mark.parametrize("kind", BACKENDS)
def test_each_host_has_its_own_settings(server: Server, kind: str) -> None:
    for number in (0, 13, 29):
        here = told(server, f"host{number}")
        assert here["options"] == {"level": "main", "host": str(number)}
        assert here["name"] == f"host{number}"
        assert here["admin"] == f"admin{number}@example"
    assert told(server, "unknown.example")["admin"] == "admin0@example"


@pytest.mark.parametrize("kind", BACKENDS)
def test_interpreters_go_by_what_the_master_has_read(server: Server) -> None:
    """A file that changed counts from the next restart on, for interpreters that begin meanwhile as well."""
    before = server.conf.read_text()
    server.conf.write_text("Nonsense\n")
    assert told(server, "host1")["options"] == {"level": "main", "host": "1"}
    server.conf.write_text(before.replace("PythonOption level main", "PythonOption level new"))
    server.send(signal.SIGUSR1)
    wait_for(lambda: told(server, "host2")["options"] == {"level": "new", "host": "2"}, "the new settings")
    assert told(server, "host1")["options"] == {"level": "new", "host": "1"}


@pytest.mark.skipif(sys.version_info < (3, 14), reason="what the standard library loads differs")
def test_what_an_interpreter_begins_without(start_server: StartServer) -> None:
    """A handler of few lines pays for nothing that it does not use, and not for annotations of the engine."""
    conf = '<Directory "${WWW}">\nSetHandler mod_python\nPythonHandler app\n</Directory>\n' + HOSTS
    here = told(start_server(conf, FILES, backend="own", mode="foreground"), "host5", "/x?annotated")
    assert here["annotated"] == []
    modules = here["modules"]
    assert isinstance(modules, list)
    heavy = {
        "collections", "enum", "functools", "operator", "re", "socket", "signal", "subprocess", "shlex", "contextlib",
        "sysconfig", "typing", "pickle", "grp", "pwd", "html", "ipaddress", "urllib.parse", "warnings",
        "mod_python._cgi.streams", "mod_python._forms.storage", "mpserver.api.input_filters",
        "mpserver.api.output_filters", "mpserver.modules.cgi", "mpserver.modules.core.errorpage",
        "mpserver.modules.core.files", "mpserver.modules.python.filters",
        "mpserver.modules.log_config", "mpserver.phases.survey",
        "mpserver.serving.connection_handlers", "mpserver.serving.leased_listeners",
        "mpserver.modules.autoindex", "mpserver.system.log_files", "mpserver.system.subinterpreters",
    }  # fmt: skip
    assert sorted(heavy & set(modules)) == []


@pytest.mark.parametrize("kind", SUB)
def test_an_interpreter_has_few_descriptors_and_threads(start_server: StartServer, kind: str) -> None:
    """Its ends of the way to the router, what its loop waits with, and a bell; its own thread, and the offloader."""
    conf = '<Directory "${WWW}">\nSetHandler mod_python\nPythonHandler app\n</Directory>\n' + HOSTS
    server = start_server(conf, FILES, backend=kind, mode="daemon")
    (worker,) = wait_for(server.workers, "the worker")
    told(server, "host0")  # (what the worker has for all of them)
    count = 8
    each = 6 if kind == "shared" and sys.version_info < (3, 13) else 4  # (there are two more with 3.12)
    most = worker.num_fds() + each * count + 2, worker.num_threads() + 2 * count + 2
    for number in range(1, 1 + count):
        told(server, f"host{number}")
    wait_for(lambda: worker.num_fds() <= most[0] and worker.num_threads() <= most[1], f"{most} of them at most")
