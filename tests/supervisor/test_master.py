"""The life of a server: its start, its workers' deaths, restarts and stops, with a stand-in for the worker."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from support.processes import alive, descendants, nothing_outlives, open_files
from support.waiting import quickest, wait_for

from .stub import StubServer, title


@pytest.fixture
def server(tmp_path: Path, orphanage: None) -> Iterator[StubServer]:
    with nothing_outlives():
        made = StubServer(tmp_path)
        yield made
        made.close()


# ---- start


def test_start_returns_when_the_server_takes_connections(server: StubServer) -> None:
    status, said = server.command("-k", "start")
    assert not server.refuses()
    assert (status, said) == (0, "")
    assert server.answers()


def test_processes_have_titles_and_the_daemon_no_terminal(server: StubServer) -> None:
    master = server.start()
    assert title(master) == f"mpserver: master [{server.root}/httpd.conf]"
    workers = server.await_workers(master, 2)
    assert sorted(map(title, workers)) == ["mpserver: worker 0", "mpserver: worker 1"]
    assert master.terminal() is None
    assert master.cwd() == "/"
    assert os.getsid(master.pid) != os.getsid(0)
    assert os.getsid(master.pid) != master.pid, "a leader of a session could get a terminal again"


def test_a_second_start_says_that_it_runs(server: StubServer) -> None:
    master = server.start()
    assert server.command("-k", "start") == (0, f"mpserver (pid {master.pid}) already running\n")


def test_a_port_in_use_ends_the_start(server: StubServer) -> None:
    with socket.create_server(("127.0.0.1", server.port)):
        status, said = server.command("-k", "start")
    assert status == 1
    assert said == (
        f"(98)Address already in use: AH00072: make_sock: could not bind to address 127.0.0.1:{server.port}"
        f": {psutil.Process().name()} (pid {os.getpid()}) listens there. End that, or name another port\n"
    )
    assert not server.pid_file.exists()


def test_a_port_of_another_server_is_told_with_its_configuration(server: StubServer) -> None:
    master = server.start()
    status, said = server.command("-k", "start", "-c", f"PidFile {server.pid_file}.other")
    assert status == 1
    assert (
        f": mpserver: master (pid {master.pid}) with the configuration {server.root}/httpd.conf listens there. "
        "End that, or name another port\n"
    ) in said


@pytest.mark.parametrize("pid", ["4194000", "1234", None])
def test_a_left_over_pid_file_is_recognised(server: StubServer, pid: str | None) -> None:
    """Of no process, or of one that is no server: here the test itself."""
    server.pid_file.write_text(pid or str(os.getpid()))
    master = server.start()
    assert master.pid != os.getpid()
    server.await_log("AH00098")
    assert server.answers()


def test_a_corrupt_pid_file_is_told(server: StubServer) -> None:
    server.pid_file.write_text("abc")
    status, said = server.command("-k", "start")
    assert status == 1
    assert "AH00032: Remove it before continuing if it is corrupted." in said
    server.pid_file.unlink()


def test_restart_and_graceful_start_what_does_not_run(server: StubServer) -> None:
    status, said = server.command("-k", "graceful")
    assert (status, said) == (0, "mpserver not running, trying to start\n")
    assert server.answers()


def test_output_of_a_daemon_goes_to_the_error_log(server: StubServer) -> None:
    server.start()
    server.await_log("worker 0 prints")


def test_workers_inherit_only_what_they_need(server: StubServer) -> None:
    """A copy of another worker's control socket would hide the master's death."""
    master = server.start()
    before = set(server.await_workers(master, 2))
    server.touch("go")
    os.kill(server.who().pid, signal.SIGKILL)
    (worker,) = wait_for(lambda: set(server.workers(master)) - before, "a new worker")
    wait_for(lambda: len(open_files(worker.pid)) > 5, "its descriptors")
    links = open_files(worker.pid)
    kinds = [link.partition(":")[0] for link in links]
    assert kinds.count("socket") == 2, links  # the listener, and its own control socket
    assert kinds.count("anon_inode") == 0, links


# ---- workers


@pytest.mark.alone
def test_a_killed_worker_is_replaced_within_a_second(server: StubServer) -> None:
    master = server.start()

    def replaced() -> None:
        before = {worker.pid for worker in server.await_workers(master, 2)}
        victim = before.pop()
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: {w.pid for w in server.workers(master)} - {victim} > before, "a new worker")
        server.await_log(f"AH00052: child pid {victim} exit signal Killed (9)")

    took = quickest(replaced, 1)
    assert took[-1] < 1, took


def test_all_workers_killed_at_once_are_replaced(server: StubServer) -> None:
    server.configure(workers=4)
    master = server.start()
    for worker in server.await_workers(master, 4):
        worker.kill()
    wait_for(server.answers, "the new workers")
    server.await_workers(master, 4)


def test_the_masters_death_ends_its_workers(server: StubServer) -> None:
    master = server.start()
    workers = server.await_workers(master, 2)
    master.kill()
    wait_for(lambda: not any(alive(worker) for worker in workers), "the workers to end")
    assert server.refuses()
    assert server.command("-k", "stop") == (0, f"mpserver (pid {master.pid}?) not running\n")
    assert server.start().pid != master.pid


def test_workers_that_die_before_they_serve_are_tried_ever_more_rarely(server: StubServer) -> None:
    server.touch("die")
    server.start()
    server.await_log("before it served")
    time.sleep(1)
    tried = server.log().count("before it served")
    assert 2 <= tried <= 8, "0, 0 (two at once), 0.1, 0.3, 0.7 seconds after the start"
    (server.root / "die").unlink()
    wait_for(server.answers, "it to recover")


def test_workers_that_crash_once_they_serve_are_tried_ever_more_rarely(server: StubServer) -> None:
    server.touch("crash")
    server.start()
    server.await_log("3 workers in a row crashed less than 1 s after they began to serve")
    time.sleep(1)
    tried = server.log().count("exit signal Killed (9)")
    assert 3 <= tried <= 9, "0, 0 (two at once), 0.1, 0.3, 0.7, 1.5 seconds after the start, and some before the line"
    (server.root / "crash").unlink()
    wait_for(server.answers, "it to recover")
    os.kill(server.who().pid, signal.SIGKILL)
    wait_for(server.answers, "it to go on")


def test_a_rush_of_workers_is_told_as_httpd_does(server: StubServer) -> None:
    server.configure("ServerLimit 40\nLogLevel info\nMinSpareServers 30\nMaxSpareServers 40", workers=1, most=40)
    server.start()
    server.await_log(
        "AH00162: server seems busy, (you may need to increase StartServers, or Min/MaxSpareServers), spawning 8 "
    )


def test_more_workers_come_while_all_are_busy(server: StubServer) -> None:
    server.configure(workers=1, most=3)
    master = server.start()
    server.await_workers(master, 1)
    with server.send("/wait") as one, server.send("/wait") as two:
        server.await_workers(master, 3)
        assert server.answers(), "the third is free"
        server.touch("go")
        assert {server.receive(client).split()[1] for client in (one, two)} == {"1"}


def test_idle_workers_above_the_limit_end_one_by_one(server: StubServer) -> None:
    server.configure("MaxRequestWorkers 6\nMaxSpareServers 2", workers=5)
    master = server.start()

    def are_two() -> bool:
        return len(server.workers(master)) == 2

    def stay_two() -> bool:  # (at first not all five may have begun)
        if not are_two():
            return False
        time.sleep(0.5)
        return are_two()

    wait_for(stay_two, "two workers, and no less")
    assert "exit signal" not in server.log()


def test_the_limit_of_workers_is_told_once(server: StubServer) -> None:
    server.configure(workers=1, most=2)
    server.start()
    clients = [server.send("/wait") for _ in range(4)]
    server.await_log("AH00161")
    time.sleep(0.5)
    assert server.log().count("AH00161") == 1
    server.touch("go")
    for client in clients:
        assert server.receive(client)
        client.close()


def test_a_worker_that_leaves_is_replaced_before_it_is_gone(server: StubServer) -> None:
    server.touch("leave")
    server.configure(workers=1, most=1)  # (the one that leaves does not count)
    master = server.start()
    server.await_workers(master, 2)
    assert {server.who().slot for _ in range(20)} <= {0, 1}


def test_workers_reach_the_keeper_with_descriptors(server: StubServer) -> None:
    master = server.start()
    assert server.ask("/keeper") == f"hello {master.pid}"


# ---- stops


def test_stop_leaves_nothing(server: StubServer) -> None:
    master = server.start()
    family = descendants(master)
    assert server.command("-k", "stop") == (0, "")
    assert not alive(master), "-k stop returns when the server has ended"
    server.gone(master, family)
    assert "AH00169: caught SIGTERM, shutting down" in server.log()
    assert (server.root / "keeper").read_text() == "open 1\nclose 1\n"


def test_a_worker_that_does_not_end_is_killed(server: StubServer) -> None:
    server.touch("stubborn")
    server.environ["KILL_AFTER"] = "0.3"
    master = server.start()
    assert server.answers()
    family = descendants(master)
    assert server.command("-k", "stop") == (0, "")
    server.gone(master, family)
    assert "did not end in time" in server.log()


def test_graceful_stop_finishes_what_is_in_flight(server: StubServer) -> None:
    master = server.start()
    family = descendants(master)
    with server.send_waiting() as client:
        assert server.command("-k", "graceful-stop") == (0, "")
        wait_for(lambda: not server.pid_file.exists(), "the pid file to go at once")
        wait_for(lambda: len(server.workers(master)) == 1, "the idle worker to go")
        assert alive(master)
        server.touch("go")
        assert server.receive(client).endswith(("1 0", "1 1"))
    server.gone(master, family)


def test_graceful_stop_ends_after_its_timeout(server: StubServer) -> None:
    server.configure("GracefulShutdownTimeout 1")
    master = server.start()
    with server.send_waiting():
        family = descendants(master)
        server.command("-k", "graceful-stop")
        server.gone(master, family)


def test_interrupting_the_foreground_stops_it(server: StubServer) -> None:
    master = server.start_foreground("-DFOREGROUND")
    family = descendants(master)
    master.send_signal(signal.SIGINT)
    assert server.end_of_foreground() == 0
    server.gone(master, family)


# ---- restarts


class Load:
    """Requests one after another; every one must be answered."""

    def __init__(self, server: StubServer) -> None:
        self.server = server
        self.seen: list[int] = []

    def until(self, generation: int) -> None:
        """Ask until this generation alone answers."""

        def asked() -> bool:
            self.seen.append(self.server.who().generation)
            return self.seen[-5:] == [generation] * 5

        wait_for(asked, f"generation {generation} under load")


def test_graceful_restart_loses_no_request_and_refuses_no_connection(server: StubServer) -> None:
    server.start()
    load = Load(server)
    load.until(1)
    for generation in (2, 3, 4):
        assert server.command("-k", "graceful") == (0, "")
        load.until(generation)
    assert set(load.seen) == {1, 2, 3, 4}


def test_graceful_restart_lets_requests_in_flight_finish(server: StubServer) -> None:
    master = server.start()
    with server.send_waiting() as client:
        server.command("-k", "graceful")
        wait_for(lambda: server.who().generation == 2, "the new generation")
        server.touch("go")
        assert server.receive(client).split()[1] == "1"
    server.await_workers(master, 2)
    wait_for(lambda: (server.root / "keeper").read_text() == "open 1\nopen 2\nclose 1\n", "the old keeper to close")


def test_graceful_restart_knows_of_workers_that_serve_before_they_are_heard(server: StubServer) -> None:
    """A worker takes connections when it says so, not when its master comes to hear it."""
    server.environ["KILL_AFTER"] = "60"
    master = server.start()
    before = server.await_workers(master, 2)
    server.touch("slow to tell")
    for worker in before:
        worker.kill()
    wait_for(lambda: len(set(server.workers(master)) - set(before)) == 2, "others in their places")
    with server.send_waiting() as client:
        (server.root / "slow to tell").unlink()
        assert server.command("-k", "graceful") == (0, "")
        wait_for(lambda: server.who().generation == 2, "the next generation")
        server.touch("go")
        assert server.receive(client).split()[1] == "1"
    server.await_workers(master, 2)


def test_restart_replaces_all_workers(server: StubServer) -> None:
    master = server.start()
    before = {worker.pid for worker in server.await_workers(master, 2)}
    assert server.command("-k", "restart") == (0, "")
    wait_for(lambda: not before & {worker.pid for worker in server.workers(master)}, "the old workers to end")
    wait_for(lambda: server.who().generation == 2, "the new generation")  # (the old ones may leave clients unanswered)
    assert server.master() == master


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGUSR1])
def test_a_faulty_configuration_is_logged_and_the_old_one_stays(server: StubServer, how: signal.Signals) -> None:
    master = server.start()
    before = {worker.pid for worker in server.await_workers(master, 2)}
    server.configure("Foo bar\nKeepAlive perhaps")
    master.send_signal(how)
    server.await_log("Invalid command 'Foo', perhaps misspelled")
    server.await_log("KeepAlive must be On or Off")
    server.await_log("the old one stays in effect")
    assert {worker.pid for worker in server.workers(master)} == before
    assert server.who().generation == 1


@pytest.mark.parametrize("command", ["restart", "graceful"])
def test_the_command_refuses_to_restart_with_a_faulty_configuration(server: StubServer, command: str) -> None:
    server.start()
    server.configure("Foo bar")
    status, said = server.command("-k", command)
    assert status == 1
    assert "Invalid command 'Foo'" in said
    assert "SIGHUP" not in server.log()
    assert "Graceful" not in server.log()
    server.configure()


FAILED = "mpserver: the restart failed, the old configuration stays in effect: "


def test_the_command_tells_how_a_graceful_restart_ended(server: StubServer) -> None:
    server.start()
    assert server.command("-k", "graceful") == (0, "")
    assert server.who().generation == 2, "it returns when the new generation serves"
    server.touch("die")
    assert server.command("-k", "graceful") == (
        1,
        f"{FAILED}its workers ended before they served, the error log says how\n",
    )
    assert server.command("-k", "graceful", "--no-wait") == (0, "")
    (server.root / "die").unlink()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server.configure(f"Listen 127.0.0.1:{taken.getsockname()[1]}")
        status, said = server.command("-k", "graceful")
    assert status == 1
    assert "the old configuration stays in effect: (98)Address already in use: AH00072" in said
    assert server.answers()


@pytest.mark.parametrize(
    ("fault", "limit", "why"),
    [
        ("no room", "80", "no process could be forked, the error log says why"),
        ("mute", "0.5", "not all of its workers serve after 0.5 seconds"),
    ],
)
@pytest.mark.parametrize("command", ["graceful", "upgrade"])
def test_a_generation_that_never_serves_is_given_up(
    server: StubServer, command: str, fault: str, limit: str, why: str
) -> None:
    server.environ["SERVES_WITHIN"] = limit
    master = server.start()
    before = {worker.pid for worker in server.await_workers(master, 2)}
    server.touch(fault)
    status, said = server.command("-k", command)
    assert status == 1
    assert said.endswith(f": {why}\n")
    assert {worker.pid for worker in server.await_workers(master, 2)} == before
    assert server.who().generation == 1
    (server.root / fault).unlink()
    assert server.command("-k", command) == (0, "")


def test_a_generation_for_which_there_is_no_place_is_given_up(server: StubServer) -> None:
    """The workers of two before it have all of them, for they are in requests still."""
    server.environ["SERVES_WITHIN"] = "2"
    server.configure("ServerLimit 1", workers=1, most=1)
    master = server.start()
    with server.send_waiting():
        assert server.command("-k", "graceful") == (0, "")
        (server.root / "waiting").unlink()
        with server.send_waiting():
            status, said = server.command("-k", "graceful")
            assert status == 1
            assert "after 2 seconds: former workers that are still in requests have the places" in said
            server.touch("go")
    server.await_workers(master, 1)
    assert server.command("-k", "graceful") == (0, "")


def test_several_commands_at_once_have_one_restart_or_two(server: StubServer) -> None:
    server.start()
    server.touch("die")
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(server.command, "-k", "graceful") for _ in range(3)]
        assert [future.result()[0] for future in waiting] == [1, 1, 1]
        (server.root / "die").unlink()
        waiting = [pool.submit(server.command, "-k", "graceful") for _ in range(3)]
        assert [future.result() for future in waiting] == [(0, "")] * 3


def test_a_restart_at_once_takes_the_place_of_a_graceful_one(server: StubServer) -> None:
    master = server.start()
    server.touch("die")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.command, "-k", "graceful")
        server.await_log("before it served")
        (server.root / "die").unlink()
        master.send_signal(signal.SIGHUP)
        assert waiting.result() in (
            (
                1,
                f"{FAILED}a restart at once came between\n",
            ),
            (0, ""),  # (it had come already)
        )
    wait_for(server.answers, "the new generation")


def test_only_graceful_can_go_without_waiting(server: StubServer) -> None:
    status, said = server.command("-k", "stop", "--no-wait")
    assert status == 1
    assert "no-wait goes with -k graceful" in said


def test_a_generation_that_can_not_start_is_given_up(server: StubServer) -> None:
    master = server.start()
    before = {worker.pid for worker in server.await_workers(master, 2)}
    server.touch("die")
    server.command("-k", "graceful")
    server.await_log("can't start: the old one stays in effect")
    assert {worker.pid for worker in server.await_workers(master, 2)} == before
    assert server.who().generation == 1
    (server.root / "die").unlink()
    server.command("-k", "graceful")
    wait_for(lambda: server.who().generation == 3, "the next attempt")


def test_addresses_come_and_go_with_a_graceful_restart(server: StubServer) -> None:
    other, third = server.free_port(), server.free_port()
    server.configure(f"Listen 127.0.0.1:{other}")
    server.start()
    wait_for(lambda: server.ask(port=other), "the second address")
    server.configure(f"Listen 127.0.0.1:{third}")
    server.command("-k", "graceful")
    wait_for(lambda: server.who().generation == 2, "the new generation")
    assert server.ask(port=third)
    wait_for(lambda: server.refuses(other), "the address that went")


def test_an_address_that_can_not_be_bound_leaves_the_old_ones(server: StubServer) -> None:
    server.start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server.configure(f"Listen 127.0.0.1:{taken.getsockname()[1]}")
        server.command("-k", "graceful")
        server.await_log("AH00072: make_sock")
    assert server.who().generation == 1


@pytest.mark.parametrize("command", ["graceful", "upgrade"])
@pytest.mark.parametrize("wide", [True, False])
def test_an_address_of_a_port_that_is_ours_at_another_one(server: StubServer, command: str, wide: bool) -> None:
    """The kernel has no port at an address and at all of them: it takes a stop, and what there was goes on."""
    port = server.free_port()
    at = [f"127.0.0.1:{port}", f"[::]:{port}"]
    before, after = at if wide else reversed(at)
    server.configure(f"Listen {before.removeprefix('[::]:')}")
    master = server.start()
    server.configure(f"Listen {after.removeprefix('[::]:')}")
    status, said = server.command("-k", command)
    assert status == 1
    assert f"could not bind to address {after}: this server listens at {before} itself, and can't" in said
    assert server.ask(port=port)
    assert server.command("-k", "stop") == (0, "")
    assert not alive(master)
    server.configure("".join(f"Listen {one.removeprefix('[::]:')}\n" for one in at))
    status, said = server.command("-k", "start")
    assert status == 1
    assert f"could not bind to address {at[1]}: Listen {at[0]} has its port, too: leave one of them out" in said
    server.configure(f"Listen {after.removeprefix('[::]:')}")
    server.start()
    assert server.ask(port=port)


def test_log_files_are_reopened(server: StubServer) -> None:
    server.start()
    log = server.root / "logs" / "error_log"
    log.rename(log.with_name("error_log.1"))
    server.command("-k", "graceful")
    server.await_log("resuming normal operations")
    assert "Graceful restart requested" in log.with_name("error_log.1").read_text()
    wait_for(lambda: server.who().generation == 2, "the new generation")
    server.await_log("worker 2 prints")


def test_a_moved_pid_file_is_followed(server: StubServer) -> None:
    master = server.start()
    server.configure("PidFile logs/other.pid")
    master.send_signal(signal.SIGUSR1)
    wait_for(lambda: (server.root / "logs" / "other.pid").exists(), "the new pid file")
    wait_for(lambda: not server.pid_file.exists(), "the old one to go")
    assert server.command("-k", "stop") == (0, "")
    assert not alive(master)


def test_many_signals_at_once_are_one_or_two_restarts(server: StubServer) -> None:
    master = server.start()
    for _ in range(50):
        master.send_signal(signal.SIGUSR1)
    wait_for(lambda: server.who().generation >= 2, "the new generation")
    time.sleep(0.5)
    server.await_workers(master, 2)
    assert server.answers()


def test_a_stop_during_a_graceful_restart_stops_all(server: StubServer) -> None:
    master = server.start()
    with server.send_waiting():
        server.command("-k", "graceful")
        wait_for(lambda: server.who().generation == 2, "the new generation")
        family = descendants(master)
        assert server.command("-k", "stop") == (0, "")
        server.gone(master, family)


# ---- systemd


class Told(list[str]):
    """The datagrams so far, their numbers as N."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self.sock = sock

    def has(self, *states: str) -> bool:
        """Whether these, and beside them only STATUS, were told."""
        try:
            while True:
                self.append(re.sub(r"=\d+$", "=N", self.sock.recv(4096).decode(), flags=re.MULTILINE))
        except BlockingIOError:
            pass
        return [state for state in self if not state.startswith("STATUS=")] == list(states)


@pytest.fixture
def told(server: StubServer, tmp_path: Path) -> Iterator[Told]:
    """What the service manager is told, as it comes in."""
    path = str(tmp_path / "notify")
    server.environ["NOTIFY_SOCKET"] = path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.setblocking(False)
        yield Told(sock)


def test_systemd_is_told_the_service_s_states(server: StubServer, told: Told) -> None:
    ready, reloading = "READY=N\nMAINPID=N", "RELOADING=N\nMONOTONIC_USEC=N"
    master = server.start_foreground("-DFOREGROUND")
    wait_for(lambda: told.has(ready), "READY")
    status = re.compile(r"STATUS=2 workers, 0 busy; \d+ requests")
    wait_for(lambda: told.has(ready) and any(map(status.match, told)), "STATUS")
    master.send_signal(signal.SIGUSR1)
    wait_for(lambda: told.has(ready, reloading, ready), "RELOADING and READY")
    restarted = re.compile(r"STATUS=2 workers, 0 busy; \d+ requests served; restarted at \d\d:\d\d:\d\d")
    wait_for(lambda: told.has(ready, reloading, ready) and any(map(restarted.match, told)), "STATUS of the restart")
    server.configure("Foo")
    master.send_signal(signal.SIGUSR1)
    failed = re.compile(r"STATUS=2 workers.*; the restart at .* failed, the old configuration serves: .*command 'Foo'")
    states = (ready, reloading, ready, reloading, ready)
    wait_for(lambda: told.has(*states) and any(map(failed.match, told)), "STATUS of the failure")
    wait_for(lambda: told.has(ready, reloading, ready, reloading, ready), "READY after a faulty configuration")
    master.send_signal(signal.SIGTERM)
    wait_for(lambda: told.has(ready, reloading, ready, reloading, ready, "STOPPING=N"), "STOPPING")
    assert server.end_of_foreground() == 0


def test_ready_waits_for_a_worker(server: StubServer, told: Told) -> None:
    server.touch("die")
    server.command("-k", "start")
    server.await_log("before it served")
    assert told.has()
    (server.root / "die").unlink()
    wait_for(lambda: told.has("READY=N\nMAINPID=N"), "READY")


# ---- one process


@pytest.mark.parametrize("option", ["-X", "-DONE_PROCESS"])
def test_one_process_serves_in_the_foreground(server: StubServer, option: str) -> None:
    process = server.start_foreground(option)
    assert int(server.pid_file.read_text()) == process.pid
    assert server.who() == (process.pid, 1, 0)
    assert title(process) == f"mpserver: one process [{server.root}/httpd.conf]"
    assert server.command("-k", "start") == (0, f"mpserver (pid {process.pid}) already running\n")
    process.send_signal(signal.SIGINT)
    assert server.end_of_foreground() == 0
    assert not server.pid_file.exists()


def test_no_detach_stays_in_the_foreground_without_standard_input(server: StubServer) -> None:
    process = server.start_foreground("-DNO_DETACH")
    assert process.cwd() == "/"
    assert os.readlink(f"/proc/{process.pid}/fd/0") == "/dev/null"
    process.send_signal(signal.SIGTERM)
    assert server.end_of_foreground() == 0


def test_the_pid_file_names_the_daemon_not_its_parents(server: StubServer) -> None:
    assert server.start() in psutil.Process().children(recursive=True)
