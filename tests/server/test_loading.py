"""What an application does while it is loaded: said in its host's error log, and fit for processes that are forked."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from conftest import StartServer
from support.server import BACKENDS, Server
from support.waiting import wait_for

#: What the modules of this test have in common: the answer of their handlers.
COMMON = """
import json
import os
import sys


def answer(req, names):
    library = sys.modules.get("somelib")
    names["loaded_here"] = names["PID"] == os.getpid()
    names["library_here"] = library is not None and library.PID == os.getpid()
    names["pid"] = os.getpid()
    req.content_type = "application/json"
    req.write(json.dumps({name: found for name, found in names.items() if type(found) in (str, int, float, bool)}))
    return 0
"""

BEGIN = """
import os
import common
import somelib
PID = os.getpid()


def handler(req):
    found = dict(globals())
    found.update(more())
    return common.answer(req, found)


def more():
    return {}
"""

SAYS = r"""
import logging
import sys
import warnings
print("printed at the top")
sys.stderr.write("written \x1b[31mred\n")
sys.stdout.write("a line ")
sys.stdout.write("in two parts\n")
warnings.warn("do not do that")
logging.basicConfig()
logging.warning("logged at the top")
OUT = sys.stdout
HANDLER_STREAM = logging.getLogger().handlers[0].stream


def more():
    print("kept stream", file=OUT)
    logging.warning("logged later")
    return {"same": OUT is sys.stdout and HANDLER_STREAM is sys.stderr}
"""

WRAPS = r"""
import sys


class Wrapper:
    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        return self._stream.write(text.upper())

    def flush(self):
        self._stream.flush()


sys.stdout = Wrapper(sys.stdout)


def more():
    print("it is loud")
    return {}
"""

#: Modules by their names, and what is told of those that can't be loaded before the fork.
OPENING = {
    "plain": ("", ""),
    "random_numbers": (
        "import random\nRND = random.Random()\ndef more(): return {'number': RND.random()}\n",
        "keeps random numbers (random_numbers.RND)",
    ),
    "random_inside": (
        "import random\nclass Dice:\n    RND = random.Random()\ndef more(): return {'number': Dice.RND.random()}\n",
        "keeps random numbers (random.Random)",
    ),
    "shared_random": ("import random\ndef more(): return {'number': random.random()}\n", ""),
    "system_random": ("import random\nRND = random.SystemRandom()\ndef more(): return {'number': RND.random()}\n", ""),
    "folder": (
        (
            "import tempfile\nFOLDER = tempfile.mkdtemp(dir=os.environ['TEMPORARY'])\n"
            "def more(): return {'there': os.path.isdir(FOLDER)}\n"
        ),
        "made ",
    ),
    "connects": ("import socket\nSOCK = socket.socket()\nNUMBER = SOCK.fileno()\n", "opened a socket"),
    "opens": ("FILE = open(__file__)\ndef more(): return {'at': FILE.tell()}\n", "opens.py"),
    "thread": (
        (
            "import threading\nEND = threading.Event()\nTHREAD = threading.Thread(target=END.wait)\nTHREAD.start()\n"
            "from atexit import register\nregister(END.set)\n"
            "def more(): return {'alive': THREAD.is_alive()}\n"
        ),
        "started a thread",
    ),
    "child": (
        (
            "import subprocess\nCHILD = subprocess.Popen(['sleep', '60'])\n"
            "def ends():\n    CHILD.kill()\n    CHILD.wait()\n"
            "import atexit\natexit.register(ends)\n"
            "def more(): return {'alive': CHILD.poll() is None}\n"
        ),
        "started a process",
    ),
    "lock": ("import threading\nLOCK = threading.Lock()\nLOCK.acquire()\n", "holds a lock (lock.LOCK)"),
    "semaphore": ("import mmap\nMEMORY = mmap.mmap(-1, 4096)\n", "made memory that processes share"),
    "asks": (
        (
            "import logging\nfrom mod_python import apache\n"
            "logging.getLogger('asks').addHandler(logging.NullHandler())\n"
            "try:\n    apache.register_cleanup(len, ())\n    ASKED = True\nexcept Exception:\n    ASKED = False\n"
            "def more(): return {'handlers': len(logging.getLogger('asks').handlers)}\n"
        ),
        "asked the server (register_cleanup)",
    ),
}

NAMES = (*OPENING, "says", "wraps", "off")

CONF = (
    "PythonPath \"sys.path + ['${WWW}', '${WWW}/site-packages']\"\n"
    + "".join(
        f"<Location /{name}>\nSetHandler mod_python\nPythonHandler {name}\nPythonInterpreter {name}\n"
        f"{'PythonInterpPreload Off' if name == 'off' else ''}\n</Location>\n"
        for name in NAMES
    )
    + """
<VirtualHost 127.0.0.1:${PORT}>
    ServerName says
    ErrorLog logs/says.log
    <Location />
        Require all granted
    </Location>
</VirtualHost>
"""
)

FILES: dict[str, str | bytes] = {
    "common.py": COMMON,
    "site-packages/somelib.py": "import os\nPID = os.getpid()\n",
    "says.py": BEGIN + SAYS,
    "wraps.py": BEGIN + WRAPS,
    "off.py": BEGIN,
    **{f"{name}.py": BEGIN + code for name, (code, _told) in OPENING.items()},
}


KINDS = [kind for kind in BACKENDS if kind != "main"]


@pytest.fixture(scope="module", params=[(kind, mpm) for kind in KINDS for mpm in ("prefork", "worker")])
def server(
    request: pytest.FixtureRequest, start_module_server: StartServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server whose applications say and open things while they are loaded."""
    kind, mpm = request.param
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPORARY", str(folder))
        server = start_module_server(CONF, FILES, mode="foreground", backend=kind, workers=2, mpm=mpm)
    yield server
    server.stop()
    left = [process.info for process in psutil.process_iter(["environ", "name"]) if process.info["name"] == "sleep"]
    assert not [info for info in left if (info["environ"] or {}).get("TEMPORARY") == str(folder)]


def ask(server: Server, name: str) -> dict[str, Any]:
    """What a module tells."""
    reply = server.get(f"/{name}")
    assert reply.status == 200, server.said()
    found: dict[str, Any] = json.loads(reply.body)
    return found


def ask_two(server: Server, name: str) -> list[dict[str, Any]]:
    """What a module tells eight times; processes are two at least, one after the other, of the same zygote."""
    found = [ask(server, name) for _ in range(4)]
    if server.backend == "process":
        for pid in {each["pid"] for each in found}:
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: not psutil.pid_exists(pid), "the end of a process")  # type: ignore[misc]
    found += [ask(server, name) for _ in range(4)]
    assert server.backend != "process" or found[0]["pid"] != found[-1]["pid"]
    return found


def lines(server: Server, log: str = "error.log") -> list[str]:
    """The messages of a log, without time and process."""
    return [re.sub(r" \[pid [^]]*\]", "", line).partition("] ")[2] for line in server.log(log).splitlines()]


def test_what_is_said_while_loading_goes_to_the_log_of_the_host(server: Server) -> None:
    assert ask(server, "says")["same"]
    wait_for(lambda: any("logged later" in line for line in lines(server, "says.log")), "the handler's lines")
    said = [line for line in lines(server, "says.log") if "[interpreter says]" in line]
    for level, text in (
        ("notice", "printed at the top"),
        ("warn", r"written \x1b[31mred"),
        ("notice", "a line in two parts"),
        ("warn", "WARNING:root:logged at the top"),
        ("notice", "kept stream"),
        ("warn", "WARNING:root:logged later"),
    ):
        assert said.count(f"[python:{level}] [interpreter says] {text}") == 1, (text, server.said())
    assert any("UserWarning: do not do that" in line for line in said)
    console = (server.root / "console.txt").read_text()
    for text in ("printed", "written", "do not do that", "logged"):
        assert text not in console


def test_what_an_application_puts_in_the_place_of_its_output_stays(server: Server) -> None:
    ask(server, "wraps")
    wait_for(lambda: "[python:notice] [interpreter wraps] IT IS LOUD" in lines(server), "the loud line")


@pytest.mark.parametrize("name", OPENING)
def test_what_opens_something_is_loaded_after_the_fork(server: Server, name: str) -> None:
    told = OPENING[name][1]
    found = ask(server, name)
    own = server.backend == "own"
    assert found["loaded_here"] is (own or bool(told))
    assert found["library_here"] is own  # (libraries are loaded before at any rate)
    for fact in ("there", "alive", "ASKED"):
        assert found.get(fact, True) is True, (fact, server.said())
    assert found.get("handlers", 1) == 1
    assert found.get("at", 0) == 0
    reasons = [line for line in lines(server) if f"interpreter '{name}': each process loads" in line]
    assert len(reasons) == (0 if own or not told else 1), server.said()
    assert own or not told or told in reasons[0]


def test_preload_off_says_so_by_hand(server: Server) -> None:
    assert ask(server, "off")["loaded_here"]
    assert not [line for line in lines(server) if "interpreter 'off'" in line]


@pytest.mark.parametrize("name", ["random_numbers", "random_inside", "shared_random", "system_random"])
def test_no_two_processes_have_the_same_numbers(server: Server, name: str) -> None:
    numbers = [found["number"] for found in ask_two(server, name)]
    assert len({*numbers}) == 8, server.said()


def test_temporary_folders_are_of_one_process_each(server: Server) -> None:
    folders = {(found["pid"], found["FOLDER"]) for found in ask_two(server, "folder")}
    if server.backend == "process":
        assert len({pid for pid, _folder in folders}) == len({folder for _pid, folder in folders})
    (given,) = {os.path.dirname(folder) for _pid, folder in folders}
    assert len(os.listdir(given)) == len({folder for _pid, folder in folders})  # (none of a try is left)


FAILS = """
import os
import logging
with open(os.environ["LOADED"], "a") as file:
    file.write("%d\\n" % os.getpid())
logging.getLogger("fails").addHandler(logging.NullHandler())
if len(open(os.environ["LOADED"]).readlines()) == 1:
    raise OSError("the first time it fails")


def handler(req):
    req.write(str(len(logging.getLogger("fails").handlers)))
    return 0
"""


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_a_try_that_fails_leaves_nothing_behind(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mpm: str
) -> None:
    loaded = tmp_path / "loaded"
    monkeypatch.setenv("LOADED", str(loaded))
    conf = "SetHandler mod_python\nPythonHandler fails\nPythonPath \"sys.path + ['${WWW}']\"\n"
    files: dict[str, str | bytes] = {"fails.py": FAILS.replace("\\\\n", "\\n")}
    server = start_server(conf, files, mode="foreground", backend="process", mpm=mpm)
    assert server.get("/").text == "1", server.said()
    pids = loaded.read_text().split()
    assert len(pids) == len({*pids}) == 2


FOREIGN = """
import ctypes
import os
import common
import somelib
PID = os.getpid()


def handler(req):
    return common.answer(req, {**globals(), "two": ctypes.c_int(2).value})
"""


@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_a_library_that_keeps_itself_open_is_loaded_before_the_fork(start_server: StartServer, mpm: str) -> None:
    """Libffi does; in another Python nothing of the server's has loaded it before."""
    conf = (
        f"SetHandler mod_python\nPythonHandler foreign\nPythonExecutable {sys.executable}\n"
        "PythonPath \"sys.path + ['${WWW}', '${WWW}/site-packages']\"\n"
    )
    server = start_server(conf, {**FILES, "foreign.py": FOREIGN}, mode="foreground", mpm=mpm)
    found = ask(server, "")
    assert (found["two"], found["loaded_here"]) == (2, False), server.said()
    assert not [line for line in lines(server) if "each process loads the application for itself" in line]


HANGS = """
import os
import signal
import time
import common
import somelib
PID = os.getpid()
with open(os.environ["LOADED"], "a") as file:
    file.write("%d\\n" % PID)
if len(open(os.environ["LOADED"]).readlines()) == 1:
    if os.path.exists(os.environ["LOADED"] + ".deaf"):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    while True:
        time.sleep(5)


def handler(req):
    return common.answer(req, dict(globals()))
"""

HANGS_CONF = (
    "SetHandler mod_python\nPythonHandler hangs\nPythonPath \"sys.path + ['${WWW}', '${WWW}/site-packages']\"\n"
)
HANGING: dict[str, str | bytes] = {**FILES, "hangs.py": HANGS}


@pytest.mark.parametrize(("mpm", "deaf"), [("prefork", False), ("worker", False), ("worker", True)])
def test_a_try_that_never_ends_is_given_up(
    start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mpm: str, deaf: bool
) -> None:
    """The library that it had imported is loaded before the fork still, if the try can tell it."""
    loaded = tmp_path / "loaded"
    if deaf:
        (tmp_path / "loaded.deaf").touch()
    monkeypatch.setenv("LOADED", str(loaded))
    conf = HANGS_CONF + "PythonInterpPreloadTimeout 1\n"
    server = start_server(conf, HANGING, mode="foreground", backend="process", mpm=mpm)
    found = ask(server, "")
    assert found["loaded_here"]
    assert found["library_here"] is deaf
    (told,) = [line for line in lines(server) if "each process loads the application for itself" in line]
    assert ("took more than 1 s (it was in " in told) is not deaf
    assert ("hangs.py, line 14)" in told) is not deaf, told
    assert "took more than 1 s" in told
    (tried,) = set(map(int, loaded.read_text().split())) - {found["pid"]}
    wait_for(lambda: not psutil.pid_exists(tried), "the try to be gone")


def test_a_try_ends_with_the_server(start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tmp_path / "loaded"
    monkeypatch.setenv("LOADED", str(loaded))
    server = start_server(HANGS_CONF, HANGING, mode="foreground", backend="process")
    with server.dial() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: loaded.exists() and loaded.read_text().endswith("\n"), "the try")
        server.stop()
    assert not psutil.pid_exists(int(loaded.read_text()))
