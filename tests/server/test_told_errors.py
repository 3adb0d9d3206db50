"""What the log says of an application's errors: the exception and its interpreter first, then what leads there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import wait_for

CONF = """
LogLevel ${LEVEL}
PythonPath "sys.path + ['${WWW}']"
SetHandler mod_python
PythonInterpreter shop
PythonHandler app
<Location /missing>
    PythonHandler ap
</Location>
<Location /needs>
    PythonHandler needs
</Location>
<Location /paths>
    PythonInterpreter paths
    PythonHandler paths
</Location>
<Location /syntax>
    PythonHandler syntax
</Location>
<Location /fails>
    PythonHandler fails
</Location>
<Location /nothing>
    PythonHandler app::nothing
</Location>
<Location /filtered>
    PythonHandler good
    PythonOutputFilter ap NONE
    SetOutputFilter NONE
</Location>
"""

FILES = {
    "app.py": "def handler(req):\n    error = ValueError('as asked')\n    error.add_note('a note')\n    raise error\n",
    "good.py": "def handler(req):\n    req.write('sent')\n    return 0\n",
    "needs.py": "import os\n\nimport no_such_library\n",
    "paths.py": "import pathlib, sys\nsys.path.insert(0, pathlib.Path('/no/such'))\nimport no_such_library\n",
    "syntax.py": "x = 1\ny = = 2\n",
    "fails.py": "import os\n\n\nos.environ['not set']\n",
}

#: By a path: what its line says; {} is the folder of the modules, | any folders.
TOLD = {
    "/missing": (
        "PythonHandler ap: ModuleNotFoundError: No module named 'ap'; looked for in |{}; did you mean {}/app.py? "
        "(interpreter 'shop')"
    ),
    "/needs": (
        "PythonHandler needs: ModuleNotFoundError: No module named 'no_such_library' ({}/needs.py line 3); looked for "
        "in |{} (interpreter 'shop')"
    ),
    "/paths": (
        "PythonHandler paths: ModuleNotFoundError: No module named 'no_such_library' ({}/paths.py line 3); looked for "
        "in /no/such, |{} (interpreter 'paths')"
    ),
    "/syntax": (
        "PythonHandler syntax: SyntaxError: invalid syntax ({}/syntax.py line 2: y = = 2) (interpreter 'shop')"
    ),
    "/fails": "PythonHandler fails: KeyError: 'not set' ({}/fails.py line 4) (interpreter 'shop')",
    "/nothing": (
        "PythonHandler app::nothing: AttributeError: module '{}/app.py' contains no 'nothing' (interpreter 'shop')"
    ),
    "/filtered": (
        "none ap: ModuleNotFoundError: No module named 'ap'; looked for in |{}; did you mean {}/app.py? "
        "(interpreter 'shop')"
    ),
}


def lines(server: Server, path: str, last: str) -> list[str]:
    """What the log says of a request, until some text is there."""
    begun = len(server.log())
    assert server.get(path).status == 500
    wait_for(lambda: last in server.log()[begun:], f"{last!r} in\n{server.log()}")
    log = server.log()[begun:].splitlines()
    return [line.partition("[client ")[2].partition("] ")[2] for line in log if "[client " in line]


@pytest.fixture(scope="module", params=BACKENDS)
def quiet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that tells no more than warnings."""
    with Server(
        tmp_path_factory.mktemp("quiet"), CONF, FILES, backend=request.param, variables={"LEVEL": "warn"}
    ) as server:
        yield server


@pytest.mark.parametrize("path", TOLD)
def test_a_module_that_can_not_be_loaded_is_one_line(quiet: Server, path: str) -> None:
    wanted = re.escape(TOLD[path].replace("{}", str(quiet.www))).replace(r"\|", "(?:/[^;]+, )*")
    wanted = wanted.replace("'shop'", "'(?:shop|main_interpreter)'")
    said = lines(quiet, path, "(interpreter '")
    assert len(said) == 1
    assert re.fullmatch(wanted, said[0]), said[0]


def test_an_error_begins_with_the_exception_and_its_interpreter(quiet: Server) -> None:
    first, second, *others = lines(quiet, "/", "a note")
    assert re.fullmatch(r"PythonHandler app: ValueError: as asked \(interpreter '(?:shop|main_interpreter)'\)", first)
    assert second == "PythonHandler app: Traceback (most recent call last):"
    assert others[-2:] == ["PythonHandler app: ValueError: as asked", "PythonHandler app: a note"]
    assert "".join(others).count("mpserver/") == 0


def test_the_traceback_of_a_module_is_there_for_who_debugs(start_server: StartServer) -> None:
    server = start_server(CONF, FILES, variables={"LEVEL": "debug"})
    said = [line for line in lines(server, "/fails", "<module>") if line.startswith("PythonHandler")]
    assert said[0].startswith("PythonHandler fails: KeyError: 'not set' (")
    assert "PythonHandler fails: Traceback (most recent call last):" in said
