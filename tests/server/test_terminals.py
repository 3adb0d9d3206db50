"""A server that was started at a terminal: who makes the window larger does not end it by that."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Iterator

import pytest

from conftest import StartServer
from mpserver.system.signals import RESIZING
from mpserver.system.terminals import CLOSING, Terminal
from support.processes import run_code
from support.server import Mode, Server
from support.waiting import PATIENCE, wait_for

#: Becomes a command at a terminal: the leader of a session gets the one that it opens.
AT = ("sh", "-c", 'terminal=$1; shift; exec "$@" <"$terminal"', "sh")


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A terminal: whoever holds it, and its name."""
    ours, its = pty.openpty()
    yield ours, os.ttyname(its)
    os.close(ours)
    os.close(its)


def resize(ours: int, lines: int) -> None:
    """Give the window another size."""
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("4H", lines, 80, 0, 0))


@pytest.mark.parametrize("mode", ["one", "foreground"])
def test_a_window_of_another_size_is_no_end(start_server: StartServer, terminal: tuple[int, str], mode: Mode) -> None:
    ours, name = terminal
    resize(ours, 24)
    server = start_server("", {"index.html": "x"}, mode=mode, prefix=(*AT, name))
    assert server.master is not None
    assert os.tcgetpgrp(ours) == server.master.pid
    with server.connection() as connection:
        for lines in (30, 40, 25):
            resize(ours, lines)
            connection.request("GET", "/index.html")
            reply = connection.getresponse()
            assert (reply.read(), reply.getheader("Connection")) == (b"x", None)
    resized = time.monotonic()
    assert server.get("/index.html").text == "x"
    if mode == "foreground":
        server.command("-k", "graceful")
        assert "shutting down" not in server.log()
    wait_for(lambda: time.monotonic() - resized > RESIZING, "the window to be still")
    server.stop(signal.SIGWINCH)


@pytest.mark.parametrize(("mode", "how"), [("one", ", in one process"), ("foreground", "")])
def test_who_stands_there_is_told_where_it_serves(
    start_server: StartServer, terminal: tuple[int, str], mode: Mode, how: str
) -> None:
    ours, name = terminal
    shell = 'terminal=$1; shift; exec "$@" <"$terminal" >"$terminal"'
    conf = "Listen unix:${ROOT}/run/site.sock\n"
    server = start_server(conf, {"index.html": "x"}, mode=mode, prefix=("sh", "-c", shell, "sh", name))
    said = b""
    while not said.endswith(b"\n"):
        wait_for(lambda: select.select([ours], [], [], 0)[0], "where it serves")
        said += os.read(ours, 1000)
    at = f"127.0.0.1:{server.port}, unix:{server.root}/run/site.sock"
    assert said.decode() == f"mpserver serves at {at}{how}; Ctrl-C ends it\r\n"
    assert server.get("/index.html").text == "x"


def hang_up(ours: int) -> None:
    """Close the terminal; whoever holds it has something else at its place."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, ours)
    os.close(null)


def restarted(server: Server) -> None:
    """A SIGHUP is an order."""
    before = {*wait_for(server.workers, "a worker")}
    server.send(signal.SIGHUP)
    wait_for(lambda: server.workers() and not before & {*server.workers()}, "the restart")
    assert server.get("/index.html").text == "x"


def test_who_closes_the_terminal_ends_it(start_server: StartServer, terminal: tuple[int, str]) -> None:
    """As long as the terminal is there, a SIGHUP is the order to restart."""
    ours, name = terminal
    server = start_server("", {"index.html": "x"}, mode="foreground", prefix=(*AT, name))
    restarted(server)
    hang_up(ours)
    assert server.process is not None
    assert server.process.wait(PATIENCE) == 0
    assert not server.pid_file.exists()
    assert "caught SIGTERM, shutting down" in server.log()


def test_who_was_to_ignore_that_stays(start_server: StartServer, terminal: tuple[int, str]) -> None:
    ours, name = terminal
    at = ("sh", "-c", AT[2].replace("shift;", 'shift; trap "" HUP;'), "sh", name)
    server = start_server("", {"index.html": "x"}, mode="foreground", prefix=at)
    before = wait_for(server.workers, "a worker")
    hang_up(ours)
    server.command("--status")  # (who closes a terminal has sent the signal by then, and the master has read it)
    assert server.workers() == before
    assert server.get("/index.html").text == "x"


def test_a_later_order_is_none_of_the_terminal(terminal: tuple[int, str]) -> None:
    """A server that was taken out of its session has its standard input still when that terminal is closed."""
    ours, name = terminal
    its = os.open(name, os.O_RDWR | os.O_NOCTTY)
    try:
        found = Terminal(its)
        assert not found.is_closing(1000.0)
        hang_up(ours)
        found.look(2000.0)
        assert found.is_closing(2000.0 + CLOSING - 1)
        assert not found.is_closing(2000.0 + CLOSING)
    finally:
        os.close(its)


@pytest.mark.parametrize("moment", [0, 1000])
def test_what_tells_of_the_window_is_told_from_what_ends(terminal: tuple[int, str], moment: int) -> None:
    """Both are SIGWINCH; one that came while a server was starting, or after another, may be the window's as well."""
    code = f"""
        import fcntl, os, signal, struct, termios
        from mpserver.system import signals as module
        from mpserver.system.signals import Held, SignalQueue

        module.RESIZING = {moment}

        os.setsid()
        terminal = os.open({terminal[1]!r}, os.O_RDWR)

        def resize(lines):
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", lines, 80, 0, 0))

        signals = SignalQueue()
        with Held():
            resize(24)
            signals.install([signal.SIGWINCH, signal.SIGUSR1])
        resize(30)
        os.kill(os.getpid(), signal.SIGUSR1)
        print(signals.read() == [signal.SIGUSR1])
        os.kill(os.getpid(), signal.SIGWINCH)
        print(signals.read() == [signal.SIGWINCH])
    """
    assert run_code(code) == f"True\n{not moment}\n"
