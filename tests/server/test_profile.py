"""``mpserver --profile``: the functions in which an interpreter spends its time."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartServer
from support.held import HOLD, held
from support.server import EACH_IN_BOTH, Server
from support.waiting import PATIENCE, wait_for

SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")


def may_read() -> bool:
    """Whether this account may read other processes of its own."""
    return os.geteuid() == 0 or not SCOPE.exists() or SCOPE.read_text().strip() == "0"


needs_profiler = pytest.mark.skipif(
    sys.version_info < (3, 15) or not may_read(),
    reason="it takes Python 3.15, and an account that may read other processes (kernel.yama.ptrace_scope=0, or root)",
)

#: What the applications have in common.
COMMON = f"""{HOLD}

def tell(name):
    open(os.path.join(ROOT, name + "-" + str(os.getpid())), "w").close()


def goes_on():
    return not os.path.exists(os.path.join(ROOT, "go"))
"""

#: Each application has a function of its own, and tells when it is in it.
FILES = {
    "first.py": f"""{COMMON}
def burn_in_first():
    tell("first")
    while goes_on():
        for number in range(2000000):
            number * number


def handler(req):
    if req.args == "long":
        burn_in_first()
    req.write("x")
    return 0
""",
    "second.py": f"""{COMMON}
def burn_in_second():
    tell("second")
    while goes_on():
        for number in range(2000000):
            number * number


def handler(req):
    burn_in_second()
    return 0
""",
    "third.py": f"""{COMMON}
def wait_for_another():
    tell("third")
    hold()


def handler(req):
    wait_for_another()
    return 0
""",
}

#: The lines that take the time.
LOOP = ("for number in range(2000000):", "number * number")

#: The other applications are in subinterpreters beside the main one, where that is the kind.
CONF = """
PythonPath "sys.path+['${WWW}']"
SetHandler mod_python
<Location /first>
    PythonHandler first
    PythonInterpreter first
</Location>
<Location /second>
    PythonHandler second
    PythonInterpreter second
    PythonInterpBackend %s
</Location>
<Location /third>
    PythonHandler third
    PythonInterpreter third
    PythonInterpBackend %s
</Location>
"""


def conf(kind: str) -> str:
    other = "own" if kind == "main" else kind
    return CONF % (other, other)


@pytest.fixture(scope="module", params=EACH_IN_BOTH, ids=str)
def server(request: pytest.FixtureRequest, start_module_server: StartServer) -> Server:
    kind, mpm = request.param
    return start_module_server(conf(kind), FILES, mode="foreground", backend=kind, mpm=mpm)


def name_of(server: Server) -> str:
    return "main_interpreter" if server.backend == "main" else "first"


@contextlib.contextmanager
def burning(server: Server, *names: str) -> Iterator[None]:
    """Requests for these applications, which are in their functions."""
    for file in server.root.glob("*-*"):
        file.unlink()
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(held(server, f"/{name}?long"))
            wait_for(lambda name=name: [*server.root.glob(f"{name}-*")], "a request to burn time")  # type: ignore[misc]
        yield


def rows(text: str) -> dict[str, tuple[float, float, str]]:
    """By function: the shares of its own and with what it calls, and its place."""
    found = re.findall(r"^ *([\d.]+)% +([\d.]+)%  (\S+)(?:  (\S+))?$", text, re.MULTILINE)
    return {name: (float(own), float(total), place) for own, total, name, place in found}


@needs_profiler
def test_only_the_interpreter_that_is_meant_is_shown(server: Server, tmp_path: Path) -> None:
    page = tmp_path / "flames.html"
    with burning(server, "first", "second"):
        said = server.command("--profile", name_of(server), "0.7", "--flamegraph", str(page)).stdout
    assert re.match(
        rf"interpreter '{name_of(server)}' in worker 0 \(pid \d+, {server.backend}\), \d\.\d s:\n"
        r"\d+ samples of threads in requests, or that compute",
        said,
    )
    functions = rows(said)
    own, total, place = functions["burn_in_first"]
    assert total == functions["handler"][1] == 100.0
    assert own > 50.0, said
    assert re.fullmatch(re.escape(str(server.www)) + r"/first\.py:\d+", place)
    # (the line is the hottest one of the function)
    assert FILES["first.py"].splitlines()[int(place.rpartition(":")[2]) - 1].strip() in LOOP
    assert "burn_in_second" not in said
    text = page.read_text()
    assert "burn_in_first" in text
    assert "burn_in_second" not in text
    assert not re.search(r"<(?:script|img)[^>]+src=[\"'](?!data:)|<link[^>]+href", text)


@needs_profiler
def test_requests_that_wait_count_and_idle_threads_do_not(server: Server) -> None:
    with burning(server, "third"):
        said = server.command("--profile", "third", "0.3").stdout
    assert rows(said)["wait_for_another"][1] == 100.0
    said = server.command("--profile", "third", "0.1").stdout
    assert "no thread was in a request, and none computed anything" in said


@needs_profiler
def test_an_unknown_one_is_told(server: Server) -> None:
    done = server.command("--profile", "nobody", "5", check=False)
    assert done.returncode == 1
    assert "no worker has an interpreter 'nobody': --status lists them" in done.stderr


@needs_profiler
@pytest.mark.parametrize("kind", ["own", "process"])
def test_every_worker_is_looked_at(start_server: StartServer, kind: str) -> None:
    server = start_server(conf(kind), FILES, mode="foreground", backend=kind, workers=2)
    with burning(server, "first"), held(server, "/first?long"):
        wait_for(lambda: len([*server.root.glob("first-*")]) == 2, "both workers to burn time")
        said = server.command("--profile", "first", "0.5").stdout
    assert re.match(r"interpreter 'first' in worker 0 \(pid (\d+), \w+\), worker 1 \(pid (?!\1)\d+, \w+\), ", said)
    assert rows(said)["burn_in_first"][1] == 100.0


@needs_profiler
def test_where_to_write_is_looked_at_first(server: Server, tmp_path: Path) -> None:
    for file, why in ((tmp_path / "nowhere" / "x.html", "there is no folder"), (tmp_path, "it can't be written")):
        done = server.command("--profile", name_of(server), "60", "--flamegraph", str(file), check=False)
        assert done.returncode == 1
        assert f"--flamegraph {file}: {why}" in done.stderr


@needs_profiler
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="root can do without a right by setpriv")
def test_who_may_not_read_the_processes_is_told_what_to_do(server: Server) -> None:
    assert server.get("/first").status == 200
    words = [sys.executable, "-m", "mpserver", "-f", str(server.conf), "--profile", name_of(server), "5"]
    done = subprocess.run(
        ["setpriv", "--bounding-set=-sys_ptrace", *words], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 1
    assert "may not be read by this account (user #0): root lacks the capability CAP_SYS_PTRACE" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="this Python has the profiler")
def test_an_older_python_says_what_it_takes(start_server: StartServer) -> None:
    server = start_server(conf("process"), FILES, mode="foreground", backend="process")
    done = server.command("--profile", "first", "5", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "--profile needs Python 3.15 or later, whose library has a sampling profiler: this is"
    )
    assert len(done.stderr.splitlines()) == 1
