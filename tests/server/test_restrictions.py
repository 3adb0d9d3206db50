"""What an application finds around it: where its output goes, its environment, and what it may not do."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import wait_for

APP = '''
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from mod_python import apache


def handler(req):
    """Evaluate what the test asks for."""
    req.content_type = "text/plain"
    text = req.read().decode()
    scope = dict(globals(), req=req)
    try:
        try:
            result = eval(text, scope)
        except SyntaxError:
            exec(text, scope)
            result = scope.get("result")
    except Exception as error:
        result = "%s: %s" % (type(error).__name__, error)
    req.write(str(result), 0)
    return apache.OK
'''

CONF = """
PythonPath "sys.path + ['${WWW}']"
SetHandler mod_python
PythonHandler app
<VirtualHost *:${PORT}>
    ServerName localhost
</VirtualHost>
<VirtualHost *:${PORT}>
    ServerName other.example
    ErrorLog logs/other.log
</VirtualHost>
<Location /named>
    PythonInterpreter named
</Location>
<Location /auto>
    PythonInterpreter auto
    PythonInterpBackend auto
</Location>
"""


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Every kind of interpreter."""
    return str(request.param)


@pytest.fixture(params=["one", "daemon"])
def server(request: pytest.FixtureRequest, start_server: StartServer, backend: str) -> Server:
    """A server whose interpreters have that kind."""
    return start_server(CONF, {"app.py": APP}, backend=backend, mode=request.param)


def start(start_server: StartServer, backend: str) -> Server:
    """The same in one process."""
    return start_server(CONF, {"app.py": APP}, backend=backend)


def run(server: Server, code: str, host: str = "localhost", path: str = "/") -> str:
    """What the application says to some code of its own; of statements the variable ``result``."""
    reply = server.request("POST", path, code.encode(), host=f"{host}:{server.port}")
    assert reply.status == 200, server.said()
    return reply.text


def lines(server: Server, log: str = "error.log") -> list[tuple[str, str, str]]:
    """The lines of applications in a log: level, interpreter, text."""
    line = re.compile(r"^\[[^]]+\] \[python:(\w+)\] \[pid [^]]+\] \[interpreter ([^]]+)\] (.*)$", re.M)
    found = line.findall(server.log(log))
    return [(level, name, text) for level, name, text in found]


# ---- output


def test_output_goes_to_the_log_of_its_server_line_by_line(server: Server, backend: str) -> None:
    run(server, "print('one\\ntwo', 3)")
    run(server, "print('four')", host="other.example")
    run(server, "print('five', file=sys.stderr)", host="other.example")
    run(server, "print('six')", path="/named")
    main = "main_interpreter"
    first, other, named = ("localhost", "other.example", "named") if backend != "main" else (main, main, main)
    before = [("notice", first, "one"), ("notice", first, "two 3")]
    others = [("notice", other, "four"), ("warn", other, "five")]
    after = [("notice", named, "six")]
    if backend == "main":  # one interpreter for all servers: the main server's log
        before, others = before + others, []
    assert lines(server) == before + after
    assert lines(server, "other.log") == others


def test_warnings_and_tracebacks_of_threads_are_lines_of_level_warn(server: Server) -> None:
    run(server, "warnings.warn('beware')")
    run(server, "t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()")
    found = [text for level, _name, text in lines(server) if level == "warn"]
    assert any("UserWarning: beware" in text for text in found), server.said()
    assert "ZeroDivisionError: division by zero" in found


def test_partial_lines_come_at_the_end_of_the_request_or_when_long(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    run(server, "print('a', 'b', end=''); print('c')")
    run(server, "print('no end', end='')")
    server.wait_for_log("] no end\n")
    run(server, "print('flushed', end='', flush=True); print(' later')")
    run(server, "sys.stdout.write('x' * 20000); sys.stdout.write('y')")
    server.wait_for_log("xy\n")
    texts = [text for _level, _name, text in lines(server)]
    assert texts[:4] == ["a bc", "no end", "flushed", " later"]
    assert texts[4:] == ["x" * 8000, "x" * 8000, "x" * 4000 + "y"]


def test_output_can_not_forge_lines_nor_break_the_log(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    run(server, "print('\\x1b[31m\\r[error] \\ud800 \\u00e9')")
    assert lines(server)[0][2] == "\\x1b[31m\\r[error] \\ud800 \u00e9"
    assert run(server, "sys.stdout.write(b'bytes')").startswith("TypeError")
    run(server, "sys.stdout.buffer.write('caf\u00e9\\n'.encode() + b'\\xff\\n')")
    assert [text for _level, _name, text in lines(server)[1:]] == ["caf\u00e9", "\\\\xff"]


def test_the_streams_survive_what_applications_do_to_them(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    assert run(server, "sys.stdout.reconfigure(encoding='utf-8'), sys.stdout.isatty()") == "(None, False)"
    run(server, "sys.stdout.close(); sys.stderr.close()")
    run(server, "print('still here')")
    assert lines(server)[-1][2] == "still here"
    run(server, "subprocess.run(['echo', 'from a child'], stdout=sys.stdout)")
    assert "\nfrom a child\n" in server.log()


def test_threads_do_not_mix_their_lines(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    run(
        server,
        "def speak(n):\n"
        "    for _ in range(50):\n"
        "        print(n, n, n)\n"
        "threads = [threading.Thread(target=speak, args=(n,)) for n in range(4)]\n"
        "for t in threads: t.start()\n"
        "for t in threads: t.join()\n",
    )
    texts = [text for _level, _name, text in lines(server)]
    assert sorted(texts) == sorted(f"{n} {n} {n}" for n in range(4) for _ in range(50))


def test_the_last_words_of_cleanups_are_logged(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    run(server, "apache.register_cleanup(lambda _: print('bye', end=''))")
    server.stop()
    assert lines(server)[-1][2] == "bye"


# ---- the environment


def test_argv_is_mod_pythons(server: Server) -> None:
    assert run(server, "sys.argv") == "['mod_python']"


def test_changes_of_the_environment_stay_in_their_interpreter(server: Server, backend: str) -> None:
    run(server, "os.environ['MPSERVER_LEAK'] = 'leaked'; os.environ.setdefault('MPSERVER_DEFAULT', 'mine')")
    assert run(server, "os.environ['MPSERVER_LEAK'], os.getenv('MPSERVER_DEFAULT')") == "('leaked', 'mine')"
    expected = "None" if backend != "main" else "leaked"
    # interpreters that come later
    assert run(server, "os.environ.get('MPSERVER_LEAK')", host="other.example") == expected
    assert run(server, "os.environ.get('MPSERVER_LEAK')", path="/named") == expected


CHILDREN = {
    "run": "subprocess.run({0}, capture_output=True, text=True).stdout",
    "shell": "subprocess.check_output('echo $MPSERVER_MINE $MPSERVER_PUT', shell=True, text=True)",
    "session": "subprocess.run({0}, capture_output=True, text=True, start_new_session=True, cwd='/').stdout",
    "popen": "os.popen('echo $MPSERVER_MINE $MPSERVER_PUT').read()",
}
ECHO = ["/bin/sh", "-c", "echo $MPSERVER_MINE $MPSERVER_PUT"]


@pytest.mark.parametrize("way", CHILDREN)
def test_children_get_the_environment_of_their_interpreter(start_server: StartServer, backend: str, way: str) -> None:
    server = start(start_server, backend)
    run(server, "os.environ['MPSERVER_MINE'] = 'mine'; os.putenv('MPSERVER_PUT', 'put')")
    child = CHILDREN[way].format(ECHO)
    assert run(server, child) == "mine put\n"
    run(server, "del os.environ['MPSERVER_MINE']; os.unsetenv('MPSERVER_PUT')")
    assert run(server, child) == "\n"
    given = f"subprocess.run({ECHO}, capture_output=True, text=True, env={{'MPSERVER_PUT': 'x'}}).stdout"
    assert run(server, given) == "x\n"


def test_os_system_gets_it_too(start_server: StartServer, backend: str, tmp_path: Path) -> None:
    server = start(start_server, backend)
    out = tmp_path / "out"
    run(server, "os.environ['MPSERVER_MINE'] = 'mine'")
    assert run(server, f"os.waitstatus_to_exitcode(os.system('echo $MPSERVER_MINE > {out}; exit 3'))") == "3"
    assert out.read_text() == "mine\n"


def test_the_environment_refuses_what_the_real_one_refuses(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    assert run(server, "os.environ.__setitem__('a=b', 'c')").startswith(("ValueError", "OSError"))
    assert run(server, "os.environ.__setitem__('a', 'c\\0')").startswith("ValueError")
    assert run(server, "os.environ.__setitem__('a', 1)").startswith("TypeError")
    assert run(server, "os.environ.get('a')") == "None"


@pytest.mark.skipif(sys.version_info < (3, 14), reason="os.reload_environ is new in 3.14")
def test_reload_environ_takes_over_what_putenv_did(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    run(server, "os.putenv('MPSERVER_PUT', 'put'); os.reload_environ()")
    assert run(server, "os.environ['MPSERVER_PUT'], os.environb[b'MPSERVER_PUT']") == "('put', b'put')"


# ---- what can't be


REFUSED = {
    "fork": ("os.fork()", {"own", "main"}),
    "forkpty": ("os.forkpty()", {"own", "main"}),
    "thread": ("threading.Thread(target=print, daemon=True)", {"own"}),
    "later": ("setattr(threading.Thread(target=print), 'daemon', True)", {"own"}),
    "timer": ("setattr(threading.Timer(1, print), 'daemon', True)", {"own"}),
    "signal": ("signal.signal(signal.SIGUSR2, signal.SIG_IGN)", {"own", "main"}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_an_interpreter_can_not_do_says_what_to_use(start_server: StartServer, backend: str, what: str) -> None:
    code, kinds = REFUSED[what]
    server = start(start_server, backend)
    if what.startswith("fork"):
        if backend == "process":
            code = f"pid = {code}\nif pid == 0 or pid == (0, -1): os._exit(0)\nresult = 'forked'"
        elif backend == "main":  # it is refused there for the sake of subinterpreters
            if "own" not in BACKENDS:
                pytest.skip("this Python has no subinterpreters that a fork could harm")
            server.stop()
            server = start_server(
                CONF + "<Location /own>\nPythonInterpBackend own\n</Location>",
                {"app.py": APP},
                backend="main",
            )
            assert run(server, "1", path="/own") == "1"
    said = run(server, code)
    if backend in kinds:
        assert re.match("(RuntimeError|ValueError): .*'PythonInterpBackend process'", said), said
    else:
        assert "Error" not in said, said
    assert run(server, "1 + 1") == "2"


def test_what_asks_for_signals_by_the_way_goes_on(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    assert run(server, "import asyncio; result = asyncio.run(asyncio.sleep(0, 'slept'))") == "slept"


def test_threads_that_are_no_daemons_and_foreign_ones_work(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    code = (
        "import _thread\n"
        "found = []\n"
        "t = threading.Thread(target=found.append, args=(1,), daemon=False); t.start(); t.join()\n"
        "done = _thread.allocate_lock(); done.acquire()\n"
        "_thread.start_new_thread(lambda: (found.append(threading.current_thread().name), done.release()), ())\n"
        "result = done.acquire(timeout=20) and len(found)\n"
    )
    assert run(server, code) == "2"


needs_own = pytest.mark.skipif(sys.version_info < (3, 14), reason="auto begins with subinterpreters from 3.14 on")


@needs_own
def test_by_itself_an_application_that_forks_moves_to_a_process(start_server: StartServer) -> None:
    page = (
        APP
        + "\ndef forks(req):\n    pid = os.fork()\n    if not pid: os._exit(0)\n    os.waitpid(pid, 0)\n"
        + ("    req.write(apache._runtime.current().kind, 0)\n    return apache.OK\n")
    )
    conf = CONF + "<Location /forks>\nPythonHandler app::forks\nPythonInterpreter forks\n</Location>"
    server = start_server(conf, {"app.py": page}, backend="auto", mode="daemon")
    assert server.get("/forks").text == "process", server.said()
    server.wait_for_log("runs in processes from now on")


@needs_own
def test_an_application_that_catches_the_error_moves_to_a_process_nevertheless(
    start_server: StartServer,
) -> None:
    page = APP + (
        "\ndef starts(req):\n    try:\n        threading.Thread(target=print, daemon=True).start()\n"
        "    except Exception as error:\n        req.write(repr(error), 0)\n"
        "    req.write(apache._runtime.current().kind, 0)\n    return apache.OK\n"
    )
    conf = CONF + "<Location /starts>\nPythonHandler app::starts\nPythonInterpreter starts\n</Location>"
    server = start_server(conf, {"app.py": page}, backend="auto", mode="daemon")
    assert server.get("/starts").text == "process", server.said()
    server.wait_for_log("runs in processes from now on")


def test_breakpoint_of_one_process_talks_to_the_terminal(start_server: StartServer, backend: str) -> None:
    server = start(start_server, backend)
    run(server, "breakpoint()")  # stdin is /dev/null: the debugger ends at once
    wait_for(lambda: "(Pdb)" in server.said(), "the debugger's prompt")
    assert "(Pdb)" not in server.log()
