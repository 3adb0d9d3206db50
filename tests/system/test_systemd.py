"""What systemd is told: the datagrams of sd_notify(3)."""

import os
import socket
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
