"""The master and its workers under load and under signals, as the world outside sees them."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
import pytest

from conftest import StartServer, servers
from support.load import load
from support.processes import alive, descendants, describe
from support.server import BACKENDS, Mode, Reply, Server, listens, receive_all
from support.waiting import PATIENCE, quickest, wait_for

CONF = """
<Location /hello>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler app
</Location>
<Location /wait>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler app::wait
</Location>
<Location /pid>
    SetHandler mod_python
    PythonPath "sys.path+['${WWW}']"
    PythonHandler app::pid
</Location>
"""

APP = """
import os
import time
from mod_python import apache


def handler(req):
    req.content_type = "text/plain"
    req.write("Hello World!", 0)
    return apache.OK


def pid(req):
    req.content_type = "text/plain"
    req.write(str(os.getpid()), 0)
    return apache.OK


def wait(req):
    folder = req.get_options()["folder"]
    open(os.path.join(folder, "begun%d" % os.getpid()), "w").close()
    while not os.path.exists(os.path.join(folder, "go on")):
        time.sleep(0.005)
    req.write("waited", 0)
    return apache.OK
"""

KIND = BACKENDS[0]


def started(start_server: StartServer, mode: Mode = "daemon", workers: int = 4, conf: str = "") -> Server:
    """The server of these tests."""
    return start_server(
        CONF + "PythonOption folder ${ROOT}/run\n" + conf,
        {"app.py": APP},
        mode=mode,
        backend=KIND,
        workers=workers,
    )


def one_at_a_time(
    start_server: StartServer, kind: str, mpm: str = "prefork"
) -> tuple[Server, Path, http.client.HTTPConnection]:
    """A server with one worker, which serves one request at a time; its folder, and a connection that it keeps."""
    server = start_server(
        CONF + "PythonOption folder ${ROOT}/run\n",
        {"app.py": APP},
        mode="daemon",
        backend=kind,
        workers=1,
        mpm=mpm,
        threads=1,
    )
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    kept.request("GET", "/hello")
    assert kept.getresponse().read() == b"Hello World!"
    return server, server.pid_file.parent, kept


def waits_for(process: psutil.Process, number: signal.Signals) -> bool:
    """Whether a signal was sent to a process that has not got it yet."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    mask = next(line for line in status.splitlines() if line.startswith("ShdPnd:")).split()[1]
    return bool(int(mask, 16) >> number - 1 & 1)


def serving(server: Server) -> int:
    """How many workers have come so far that they take requests."""
    workers = json.loads(server.command("--status", "--json").stdout)["workers"]
    return sum(worker["state"] == "_" for worker in workers)


def let_in(server: Server, count: int) -> list[socket.socket]:
    """Clients that the kernel let in, and that have sent their requests."""
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) for _ in range(count)]
    for client in clients:
        client.sendall(b"POST /hello HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
    return clients


def is_accepted(port: int) -> bool:
    """Whether no connection waits for being accepted at a port."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].partition(":")[2], 16) == port and fields[3] == "0A":
            return int(fields[4].partition(":")[2], 16) == 0
    raise AssertionError(f"nothing listens at {port}")


def wait_for_replacement(server: Server, old: set[int], number: int) -> None:
    """Wait until none of the old workers lives and as many as there should be have taken their place."""
    wait_for(lambda: not old & {worker.pid for worker in server.workers()}, "the old workers to leave")
    wait_for(lambda: len(server.workers()) == number, "the new workers")


def test_processes_have_titles(start_server: StartServer) -> None:
    server = started(start_server)
    assert server.master is not None
    assert describe(server.master).partition(" ")[2] == f"mpserver: master [{server.conf}]"
    wait_for(lambda: len(server.workers()) == 4, "four workers by their titles")


@pytest.mark.alone
def test_a_killed_worker_is_replaced_and_only_its_requests_fail(start_server: StartServer) -> None:
    clients = 6
    server = started(start_server)
    with load(server, "/hello", clients) as traffic:
        took = quickest(lambda: kill_one(server), 1)
        traffic.more(300)
        failed = list(traffic.failures)
        traffic.more(300)
    assert took[-1] < 1, took
    assert len(failed) <= clients * len(took), failed
    assert traffic.failures == failed, "requests failed after the new worker was there"


@pytest.mark.alone
def test_a_killed_only_worker_is_replaced_within_a_second(start_server: StartServer) -> None:
    server = started(start_server, workers=1)
    assert server.get("/hello").status == 200

    def kill_it() -> None:
        server.workers()[0].kill()
        assert server.get("/hello").text == "Hello World!"

    took = quickest(kill_it, 1)
    assert took[-1] < 1, took


def kill_one(server: Server) -> None:
    """Kill a worker, and wait for another one."""
    before = {worker.pid for worker in server.workers()}
    server.workers()[0].kill()
    wait_for(lambda: len({worker.pid for worker in server.workers()} - before) == 1, "a new worker")


@pytest.mark.parametrize("keep_alive", [False, True], ids=["new-connections", "keep-alive"])
def test_graceful_under_load_fails_no_request(start_server: StartServer, keep_alive: bool) -> None:
    server = started(start_server)
    with load(server, "/hello", 4, keep_alive) as traffic:
        for _ in range(3):
            old = {worker.pid for worker in server.workers()}
            server.command("-k", "graceful")
            wait_for_replacement(server, old, 4)
            traffic.more()
    assert traffic.failures == []


@pytest.mark.long
@pytest.mark.parametrize("keep_alive", [False, True], ids=["new-connections", "keep-alive"])
def test_twenty_graceful_restarts_under_32_clients(start_server: StartServer, keep_alive: bool) -> None:
    """Of 100,000 requests on new connections none fails, and none of so many on kept ones."""
    server = started(start_server)
    with load(server, "/hello", 32, keep_alive) as traffic:
        for number in range(1, 21):
            server.command("-k", "graceful")
            while traffic.done < number * 5000:
                traffic.more()
    assert traffic.done >= 100_000
    assert traffic.failures == []
    assert "exit signal" not in server.log()


def test_graceful_lets_a_long_request_end(start_server: StartServer) -> None:
    server = started(start_server)
    run = server.pid_file.parent
    replies: list[Reply] = []
    client = threading.Thread(target=lambda: replies.append(server.get("/wait")))
    client.start()
    wait_for(lambda: list(run.glob("begun*")), "the handler to begin")
    server.command("-k", "graceful")
    wait_for(lambda: len(server.workers()) == 5, "four new workers beside the one that is busy")
    assert server.get("/hello").status == 200
    (run / "go on").touch()
    client.join()
    assert [(reply.status, reply.text) for reply in replies] == [(200, "waited")]


@pytest.mark.parametrize("kind", BACKENDS)
def test_no_kept_connection_waits_for_a_long_request_after_graceful(start_server: StartServer, kind: str) -> None:
    server, run, kept = one_at_a_time(start_server, kind)
    replies: list[Reply] = []
    client = threading.Thread(target=lambda: replies.append(server.get("/wait")))
    client.start()
    try:
        wait_for(lambda: list(run.glob("begun*")), "the handler to begin")
        server.command("-k", "graceful")
        wait_for(lambda: server.log().count("resuming normal operations") == 2, "the new worker to serve")
        kept.request("GET", "/hello")
        assert kept.getresponse().read() == b"Hello World!"
        assert len(server.workers()) == 2
    finally:
        (run / "go on").touch()
        client.join()
        kept.close()
    assert [(reply.status, reply.text) for reply in replies] == [(200, "waited")]


@pytest.mark.parametrize("kind", BACKENDS)
@pytest.mark.parametrize("mpm", ["prefork", "worker"])
def test_what_a_busy_worker_accepts_when_it_is_told_to_leave_goes_to_a_new_one(
    start_server: StartServer, kind: str, mpm: str
) -> None:
    server, run, kept = one_at_a_time(start_server, kind, mpm)
    client = threading.Thread(target=server.get, args=("/wait",))
    client.start()
    try:
        wait_for(lambda: list(run.glob("begun*")), "the handler to begin")
        [busy] = server.workers()
        busy.suspend()
        server.command("-k", "graceful")
        wait_for(lambda: waits_for(busy, signal.SIGUSR1), "the busy worker to be told")
        [new] = [worker for worker in server.workers() if worker != busy]
        new.suspend()
        # (both see the connection; the first one that runs gets it)
        kept.close()
        kept.connect()
        kept.request("GET", "/hello")
        busy.resume()
        wait_for(lambda: not waits_for(busy, signal.SIGUSR1), "the busy worker to hear it")
        wait_for(lambda: is_accepted(server.port), "the busy worker to accept")
        new.resume()
        assert kept.getresponse().read() == b"Hello World!"
        assert alive(busy)
    finally:
        (run / "go on").touch()
        client.join()
        kept.close()


def test_as_many_slow_requests_as_workers_run_at_once(start_server: StartServer) -> None:
    server = started(start_server)
    run = server.pid_file.parent
    clients = [threading.Thread(target=server.get, args=("/wait",)) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        wait_for(lambda: len(list(run.glob("begun*"))) == 4, "four handlers to begin", 30)
    finally:
        (run / "go on").touch()
        for client in clients:
            client.join()


def test_graceful_stop_lets_a_long_request_end(start_server: StartServer) -> None:
    server = started(start_server)
    run = server.pid_file.parent
    replies: list[Reply] = []
    client = threading.Thread(target=lambda: replies.append(server.get("/wait")))
    client.start()
    wait_for(lambda: list(run.glob("begun*")), "the handler to begin")
    server.command("-k", "graceful-stop")
    wait_for(lambda: not listens(server.port), "the port to be closed")
    (run / "go on").touch()
    client.join()
    assert [(reply.status, reply.text) for reply in replies] == [(200, "waited")]
    master = server.master
    assert master is not None
    wait_for(lambda: not alive(master), "the master's end")


@pytest.mark.parametrize("kind", BACKENDS)
def test_graceful_stop_serves_all_whom_it_let_in(start_server: StartServer, kind: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="foreground", backend=kind, workers=2)
    wait_for(lambda: serving(server) == 2, "both workers to serve")
    workers = server.workers()
    for worker in workers:
        worker.suspend()
    clients = let_in(server, 40)
    server.send(signal.SIGWINCH)
    for worker in workers:
        wait_for(lambda worker=worker: waits_for(worker, signal.SIGUSR2), "the workers to be told")  # type: ignore[misc]
    late = socket.socket()
    late.settimeout(0.3)
    with late, pytest.raises(TimeoutError):  # it is not let in, for nobody will look after it
        late.connect(("127.0.0.1", server.port))
    for worker in workers:
        worker.resume()
    for client in clients:
        with client:
            assert receive_all(client).endswith(b"Hello World!")
    server.stop(signal.SIGWINCH)  # (it is told already: this awaits its end)
    assert not listens(server.port)


def test_one_process_serves_all_whom_it_let_in_before_graceful_stop(start_server: StartServer) -> None:
    server = started(start_server, "one")
    assert server.get("/hello").status == 200
    server.send(signal.SIGSTOP)
    clients = let_in(server, 10)
    server.send(signal.SIGWINCH)
    server.send(signal.SIGCONT)
    for client in clients:
        with client:
            assert receive_all(client).endswith(b"Hello World!")
    server.stop(signal.SIGWINCH)


@pytest.mark.parametrize("kind", BACKENDS)
def test_stop_leaves_nothing(start_server: StartServer, kind: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="daemon", backend=kind, workers=4)
    assert server.get("/hello").status == 200
    wait_for(lambda: len(server.workers()) == 4, "all workers")
    master = server.master
    assert master is not None
    family = {master, *descendants(master)}
    server.command("-k", "stop")
    wait_for(lambda: not any(alive(process) for process in family), "every process to end")
    assert not listens(server.port)
    assert not server.pid_file.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGWINCH])
@pytest.mark.parametrize("mode", ["one", "foreground"])
def test_signals_that_end_it(start_server: StartServer, mode: Mode, number: signal.Signals) -> None:
    server = started(start_server, mode)
    assert server.get("/hello").status == 200
    server.stop(number)
    assert not listens(server.port)
    assert not server.pid_file.exists()


@pytest.mark.parametrize("kind", BACKENDS)
def test_the_masters_death_ends_its_workers(start_server: StartServer, kind: str) -> None:
    server = start_server(CONF, {"app.py": APP}, mode="daemon", backend=kind, workers=2)
    assert server.get("/hello").status == 200
    wait_for(lambda: len(server.workers()) == 2, "both workers")
    assert server.master is not None
    family = {server.master, *descendants(server.master)}
    server.master.kill()
    wait_for(lambda: not any(alive(process) for process in family), "every process to end")
    assert not listens(server.port)


def test_restart_reads_the_configuration_again(start_server: StartServer) -> None:
    server = started(start_server, conf='Alias /alias "${WWW}/one.txt"\n')
    server.write("one.txt", "one")
    server.write("two.txt", "two")
    assert server.get("/alias").text == "one"
    server.conf.write_text(server.conf.read_text().replace("one.txt", "two.txt"))
    old = {worker.pid for worker in server.workers()}
    server.command("-k", "restart")
    wait_for_replacement(server, old, 4)
    wait_for(lambda: listens(server.port), "the server to listen again")
    assert server.get("/alias").text == "two"


def test_a_broken_configuration_does_not_stop_a_running_server(start_server: StartServer) -> None:
    server = started(start_server)
    text = server.conf.read_text()
    server.conf.write_text(text + "Nonsense On\n")
    failed = server.command("-k", "graceful", check=False)
    assert failed.returncode != 0
    assert "Invalid command 'Nonsense'" in failed.stdout + failed.stderr
    assert server.get("/hello").status == 200


def test_a_restart_that_finds_no_room_for_descriptors_ends_nothing(start_server: StartServer) -> None:
    server = started(start_server, workers=1, conf='CustomLog "|/bin/cat >/dev/null" %U\n')
    assert server.master is not None
    assert server.get("/hello").status == 200  # (a process for that would have no room, either)
    soft, hard = server.master.rlimit(psutil.RLIMIT_NOFILE)
    before = server.master.num_fds()
    for number in (1, 2, 3):
        server.master.rlimit(psutil.RLIMIT_NOFILE, (before + number - 1, hard))
        server.send(signal.SIGUSR1)
        wait_for(lambda: server.log().count("the restart is off") == number, "the restart to be off")  # noqa: B023
        assert server.get("/hello").status == 200, server.log()
    server.master.rlimit(psutil.RLIMIT_NOFILE, (soft, hard))
    server.command("-k", "graceful")
    assert server.get("/hello").status == 200
    wait_for(lambda: server.master is not None and server.master.num_fds() == before, "as many descriptors as before")


def test_a_second_start_is_refused(start_server: StartServer) -> None:
    server = started(start_server)
    again = server.command("-k", "start", check=False)
    assert "already running" in again.stdout + again.stderr
    assert server.get("/hello").status == 200
    assert server.master is not None
    assert int(server.pid_file.read_text()) == server.master.pid


def test_a_dead_servers_pid_file_is_recognised(start_server: StartServer, tmp_path: Path) -> None:
    left_over = tmp_path / "server0" / "run" / "mpserver.pid"
    left_over.parent.mkdir(parents=True)
    # a live process, but no mpserver: this one
    left_over.write_text(f"{os.getpid()}\n")
    server = started(start_server, "foreground")
    assert server.get("/hello").status == 200
    assert server.master is not None
    assert int(server.pid_file.read_text()) == server.master.pid


def test_one_process_mode_forks_no_worker(start_server: StartServer) -> None:
    server = started(start_server, "one")
    assert server.master is not None
    if KIND == "own":
        assert server.get("/pid").text == str(server.master.pid)
    assert server.get("/hello").status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start workers as another user")
def test_workers_run_as_the_user(orphanage: None) -> None:
    account = pwd.getpwnam("daemon")
    try:
        subprocess.run([sys.executable, "-c", ""], user="daemon", group="daemon", extra_groups=[], check=True)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip(f"the account daemon can't read {sys.executable}")
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as start:  # (pytest's folders are for root alone)
        Path(name).chmod(0o755)
        server = started(start, conf="User daemon\nGroup daemon\n")
        wait_for(lambda: len(server.workers()) == 4, "the workers")
        theirs = {(account.pw_uid,) * 3 + (account.pw_gid,) * 3}
        # (one has its title a moment before its account)
        wait_for(lambda: {(*p.uids(), *p.gids()) for p in server.workers()} == theirs, "all to be of that account")
