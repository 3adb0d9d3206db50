"""What goes wrong when people set up a server: each mistake gets one clear line, with its remedy.

The tables have a configuration, or a command, and what is said of it, as people meet it: by ``-t`` and a start, at the
terminal; by a server that runs, in its log. `tests/cli/test_meant.py` has more that is taken and hardly meant.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from conftest import StartServer
from support.server import BACKENDS, Port, Server
from support.waiting import PATIENCE, wait_for

UNKNOWN = "perhaps misspelled or defined by a module not included in the server configuration: "
FOREIGN = "which is not part of this server: "

#: What is refused, each in a line or two, and what is said of it, which follows the number of the line.
REFUSED = {
    "PythonHandlr app": f"Invalid command 'PythonHandlr', {UNKNOWN}did you mean PythonHandler?",
    "addhander mod_python .py": f"Invalid command 'addhander', {UNKNOWN}did you mean AddHandler?",
    "<Loction /x>\n</Loction>": f"Invalid command '<Loction', {UNKNOWN}did you mean <Location>?",
    "<RequirAll>\n</RequirAll>": f"Invalid command '<RequirAll', {UNKNOWN}did you mean <RequireAll>?",
    "SecRuleEngine On": (
        f"Invalid command 'SecRuleEngine', {UNKNOWN}it is known to httpd's mod_security, {FOREIGN}put such a firewall "
        "before the server"
    ),
    "CacheEnable disk /": (
        f"Invalid command 'CacheEnable', {UNKNOWN}it is known to httpd's mod_cache, {FOREIGN}put a cache before the "
        "server, or send Cache-Control by Header or Expires"
    ),
    "ThreadsPerChild 5": (
        f"Invalid command 'ThreadsPerChild', {UNKNOWN}it belongs to mpm_worker_module; choose that one by 'MPM "
        "worker', or put the line into <IfModule mpm_worker_module>"
    ),
    "PythonHandler app::": 'PythonHandler: "app::" is no handler: write module or module::object',
    "PythonInterpBackend thread": 'PythonInterpBackend "thread" must be one of: auto, own, shared, process, main',
    "PythonOption": "PythonOption takes 1-2 arguments, a key and, to set it, a value",
    "Listen 99999": (
        "Invalid address or port: write a port, or address:port, as in 8080, 127.0.0.1:8080 or [::1]:8080"
    ),
}  # fmt: skip

#: What is taken with a warning, and what that says; {} is the server's folder, ... the number of its line and its file.
WARNED = {
    '<Directory "${ROOT}/wwww">\n</Directory>': (
        "<Directory {}/wwww> applies to nothing: there is no such folder: did you mean {}/www?; make it, or mend "
        "the path"
    ),
    "Alias /a ${ROOT}/elsewhere": "Alias /a: there is no {}/elsewhere; make it, or mend the path",
    "<VirtualHost *>\nServerName typo\nAddHandler mod_pyton .py\n</VirtualHost>": (
        "AddHandler mod_pyton: there is no handler of this name, so files are sent as they are: did you mean "
        "mod_python?"
    ),
    "<Location /x>\nSetHandler sever-status\n</Location>": (
        "SetHandler sever-status: there is no handler of this name, so files are sent as they are: did you mean "
        "server-status?"
    ),
    "<Location /p>\nPythonPath \"['${ROOT}/elsewhere'] + sys.path\"\n</Location>": (
        "PythonPath: there is no {}/elsewhere; make it, or take it out"
    ),
    "<Location /q>\nPythonPath \"['${WWW}']\"\n</Location>": (
        "PythonPath without sys.path: neither Python's own modules nor installed packages are found: write PythonPath "
        "\"['{}/www'] + sys.path\""
    ),
    "<Location /u>\nAuthUserFile ${ROOT}/users\n</Location>": (
        "AuthUserFile {}/users: there is no such file, so nobody can come in: mpserver htpasswd -c FILE USER makes one"
    ),
    "CustomLog logs/access.log combind": (
        "CustomLog: no LogFormat is called 'combind', so that each line of the log will be that word: add a LogFormat "
        '"..." combind'
    ),
    "CustomLog logs/other.log combined": (
        "CustomLog: no LogFormat is called 'combined', so that each line of the log will be that word: add LogFormat "
        '"%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined'
    ),
    "Listen 127.0.0.1:${FREE} https": (
        "https: no server speaks HTTPS, for none has SSLEngine: add SSLEngine On, and SSLCertificateFile"
    ),
    "<VirtualHost *>\nServerName shadowed\n<Location /status>\nSetHandler server-status\n</Location>\n<Location />\n"
    "SetHandler mod_python\n</Location>\n</VirtualHost>": (
        "<Location /> sets SetHandler for all addresses, and so undoes what <Location /status> (line "
    ),
    "<VirtualHost *>\nServerName declined\n<Directory /nowhere>\nSetHandler mod_python\n</Directory>\n<Location /f>\n"
    "PythonHandler app\n</Location>\n</VirtualHost>": (
        "<Location /f> has PythonHandler and no SetHandler: its requests mean no file, so what a <Directory> sets does "
        "not count, and the answer is 404: add SetHandler mod_python"
    ),
}  # fmt: skip

MISSING = "ModuleNotFoundError: No module named"

#: What requests meet: a path, the status, and what the log says; | stands for the folders that were searched.
FAILING = {
    "/typo.py": (403, "SourceProtection Off sends it as it is"),
    "/missing": (500, f"PythonHandler ap: {MISSING} 'ap'; looked for in |; did you mean |? "),
    "/syntax": (500, "PythonHandler syntax: SyntaxError: invalid syntax ({}/www/syntax.py line 2: y = = 2) "),
    "/needs": (500, f"PythonHandler needs: {MISSING} 'no_such_library' ({{}}/www/needs.py line 1); looked for in | "),
    "/misspelled": (500, "PythonHandler app::misspelled: AttributeError: 'list' object has no attribute 'apend'"),
    "/raises": (500, "PythonHandler app::raises: ValueError: as asked "),
}  # fmt: skip

RUNNING = """
AddHandler mod_pyton .py
PythonPath "['${WWW}'] + sys.path"
PythonInterpreter shop
<Location /missing>
    SetHandler mod_python
    PythonHandler ap
</Location>
<Location /syntax>
    SetHandler mod_python
    PythonHandler syntax
</Location>
<Location /needs>
    SetHandler mod_python
    PythonHandler needs
</Location>
<Location /misspelled>
    SetHandler mod_python
    PythonHandler app::misspelled
</Location>
<Location /raises>
    SetHandler mod_python
    PythonHandler app::raises
</Location>
"""
FILES = {
    "typo.py": "secret = 1\n",
    "app.py": "def raises(req):\n    raise ValueError('as asked')\n\n\ndef misspelled(req):\n    [].apend(1)\n",
    "syntax.py": "x = 1\ny = = 2\n",
    "needs.py": "import no_such_library\n",
}

#: Commands that need no server, their status, and what they say.
COMMANDS: dict[tuple[str, ...], tuple[int, str]] = {
    ("--help",): (0, "Usage: mpserver [-D name]"),
    ("--version",): (0, " compatible mpserver/"),
    ("help", "serve"): (0, "usage: mpserver serve"),
    ("serve", "shap:app"): (1, "mpserver serve: no module 'shap' in "),
    ("-k", "begin"): (1, "mpserver: illegal option -- k: begin is none of "),
    ("-k", "stop", "--load"): (1, "mpserver: illegal option -- load goes with -t, or with a start\n"),
}


def test_what_is_refused_is_told_with_its_line_and_the_remedy(tmp_path: Path) -> None:
    with contextlib.closing(Server(tmp_path, "\n".join(REFUSED) + "\n")) as server:
        done = server.command("-t", check=False)
        assert done.returncode == 1
        lines = server.conf.read_text().splitlines()
        for conf, said in REFUSED.items():
            number = lines.index(conf.partition("\n")[0]) + 1
            assert f"AH00526: Syntax error on line {number} of {server.conf}:\n{said}\n" in done.stderr
        assert done.stderr.count("AH00526") == len(REFUSED)


def test_what_is_hardly_meant_is_told_by_the_check_and_by_the_start(start_server: StartServer) -> None:
    free = Port()
    try:
        server = start_server("\n".join(WARNED) + "\n", variables={"FREE": str(free.number)})
        told = server.command("-t").stderr
    finally:
        free.release()
    assert told.endswith("Syntax OK\n")

    def lost(text: str) -> list[str]:
        return [said for said in WARNED.values() if said.replace("{}", str(server.root)) not in text]

    assert lost(told) == []
    # (it takes connections before it has written all of them)
    wait_for(lambda: not lost(server.log().replace("\\\\", "\\")), f"all warnings in the log\n{server.log()}")
    warnings = [line for line in told.splitlines() if line.startswith("Warning: ")]
    assert all(line.endswith(f" of {server.conf})") for line in warnings if "no server speaks HTTPS" not in line)


@pytest.fixture(scope="module", params=(*BACKENDS, "auto"))
def running(request: pytest.FixtureRequest, start_module_server: StartServer) -> Iterator[Server]:
    """A server with faulty applications."""
    server: Server = start_module_server(RUNNING, FILES, backend=request.param)
    yield server
    server.close()


@pytest.mark.parametrize("path", FAILING)
def test_what_fails_is_told_in_the_log(running: Server, path: str) -> None:
    status, said = FAILING[path]
    reply = running.get(path)
    assert (reply.status, "secret" in reply.text) == (status, False)
    pieces = said.replace("{}", str(running.root)).split("|")
    log = running.wait_for_log(pieces[0])
    line = next(line for line in log.splitlines() if pieces[0] in line)
    assert all(piece in line for piece in pieces), line
    if status == 500:
        name = "main_interpreter" if running.backend == "main" else "shop"
        assert line.endswith((f"(interpreter '{name}')", "(interpreter 'shop')")), line


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_say_what_they_take(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mpserver", *words], capture_output=True, text=True, check=False, timeout=PATIENCE,
        cwd=tmp_path, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    status, said = COMMANDS[words]
    assert (done.returncode, said in done.stdout + done.stderr) == (status, True), done


def test_a_port_that_is_taken_is_told_with_who_has_it(tmp_path: Path) -> None:
    with contextlib.closing(Server(tmp_path, "")) as server, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", server.port))
        other.listen()
        for words in (("-X",), ("-k", "start")):
            done = server.command(*words, check=False)
            assert done.returncode == 1
            assert (
                f"could not bind to address 127.0.0.1:{server.port}: {psutil.Process().name()} (pid {os.getpid()}) "
                "listens there. End that, or name another port"
            ) in done.stderr


def test_a_start_may_load_the_applications_first(tmp_path: Path) -> None:
    with contextlib.closing(Server(tmp_path, RUNNING, FILES)) as server:
        for words in (("-X", "--load"), ("-k", "start", "--load")):
            done = server.command(*words, check=False)
            assert done.returncode == 1
            assert "interpreter 'shop': ap can't be loaded: ModuleNotFoundError: No module named 'ap'; " in done.stderr
        assert not server.pid_file.exists()
        server.arguments = ("--load",)
        for name in ("ap.py", "syntax.py", "needs.py"):
            server.write(name, "def handler(req):\n    req.write('served')\n    return 0\n")
        server.start()
        assert server.get("/missing").text == "served"
