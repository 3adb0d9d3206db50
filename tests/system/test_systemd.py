"""What systemd is told: the datagrams of sd_notify(3)."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from mpserver.system.systemd import Notifier

#: The address to tell, and what comes in there.
Heard: TypeAlias = tuple[str, Callable[[], str]]


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Heard]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@mpserver-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind("\0" + name[1:] if name[0] == "@" else name)
        sock.settimeout(10)
        yield name, lambda: sock.recv(4096).decode()


def test_states_are_told_one_datagram_each(listener: Heard) -> None:
    name, received = listener
    notifier = Notifier(name)
    notifier.ready()
    assert received() == f"READY=1\nMAINPID={os.getpid()}"
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    state, moment = received().split("\n")
    assert state == "RELOADING=1"
    assert before <= int(moment.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    notifier.stopping()
    assert received() == "STOPPING=1"


def test_a_status_is_told_when_it_changes(listener: Heard) -> None:
    name, received = listener
    notifier = Notifier(name)
    for text in ("5 workers", "5 workers", "4 workers"):
        notifier.status(text)
    assert [received(), received()] == ["STATUS=5 workers", "STATUS=4 workers"]


def test_a_busy_manager_misses_nothing_that_is_told_once(listener: Heard) -> None:
    name, received = listener
    notifier = Notifier(name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"WATCHDOG=1", "\0" + name[1:] if name[0] == "@" else name)
    notifier.alive()
    notifier.status("5 workers")
    told = threading.Thread(target=notifier.succeeded, args=(4711,))
    told.start()
    told.join(0.2)  # (it waits for room)
    heard = ""
    while not heard.startswith("MAINPID"):
        heard = received()
        assert not heard.startswith("STATUS")
    told.join()
    assert heard == "MAINPID=4711"


def test_a_status_that_did_not_arrive_is_told_again(listener: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    name, received = listener
    notifier = Notifier(name)
    with monkeypatch.context() as full:
        full.setattr(socket.socket, "sendmsg", lambda *_args: (_ for _ in ()).throw(BlockingIOError()))
        notifier.status("5 workers")
    notifier.status("5 workers")
    assert received() == "STATUS=5 workers"


def test_a_text_of_the_configuration_may_hold_any_bytes(listener: Heard) -> None:
    name, received = listener
    Notifier(name).status("caf\udce9")
    assert received() == "STATUS=caf?"


def test_the_variable_is_taken_from_the_environment() -> None:
    environ = {"NOTIFY_SOCKET": "/nowhere", "PATH": "/bin"}
    Notifier.take(environ).ready()
    assert environ == {"PATH": "/bin"}


def test_without_a_socket_nothing_happens(tmp_path: Path) -> None:
    Notifier().ready()
    Notifier(str(tmp_path / "gone")).stopping()
