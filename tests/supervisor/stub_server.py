"""The command ``mpserver`` with a stand-in for the worker, which does what tests ask for.

It answers every request with its pid, generation, slot; files in ServerRoot change what it does:
``die``: end with status 3 before serving; ``crash``: be killed once it serves; ``stubborn``: ignore TERM; ``leave``:
tell LEAVING once; ``slow to tell``: say that it serves after its first answer only; ``mute``: never say it;
``no room``: there is no process for it; a request for ``/wait`` makes the file ``waiting``, and is answered when
``go`` is there.
"""

import errno
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

from mpserver import master
from mpserver.api.error_log import ErrorLog
from mpserver.cli import main
from mpserver.ipc.worker_messages import LEAVING, READY
from mpserver.supervisor import fork, generation, worker_handle, workers
from mpserver.supervisor.engine import Engine
from mpserver.supervisor.fork import Serve
from mpserver.supervisor.worker_start import WorkerStart
from mpserver.system.account import Account

# So that tests need not wait as long as people would.
worker_handle.KILL_AFTER = float(os.environ.get("KILL_AFTER", "5"))
master.TICK = 0.1
generation.SERVES_WITHIN = float(os.environ.get("SERVES_WITHIN", "80"))


def fork_worker(start: WorkerStart, serve: Serve, account: Account | None, log: ErrorLog) -> int:
    """Fork, unless the system has no room."""
    if os.path.exists(os.path.join(start.configuration.root, "no room")):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork.fork_worker(start, serve, account, log)


vars(workers)["fork_worker"] = fork_worker


class Keeper:
    """A keeper that writes down what it is asked, and passes the answer through the descriptor that came along."""

    def __init__(self, configuration: Any, _logs: Any, _board: Any, _identity: Any, generation: int, _: Any) -> None:
        self.file = os.path.join(configuration.root, "keeper")
        self.note(f"open {generation}")
        self.generation = generation

    def note(self, text: str) -> None:
        """Write down what happened."""
        with open(self.file, "a") as file:
            file.write(text + "\n")

    def request(self, data: bytes, fds: list[int]) -> None:
        """Answer with our pid."""
        os.write(fds[0], data + b" %d" % os.getpid())
        for fd in fds:
            os.close(fd)

    def reaped(self, _pid: int, _status: int) -> bool:
        """None is ours."""
        return False

    def renew(self, _name: str | None) -> None:
        """There is nothing to renew."""

    def settle(self, _name: str | None, _worked: bool) -> None:
        """There was nothing to renew."""

    def reopen(self, files: Mapping[int, int]) -> None:
        """Write down how many logs there were."""
        self.note(f"reopen {len(files)}")

    def close(self) -> None:
        """The generation ended."""
        self.note(f"close {self.generation}")


class Worker:
    """The stand-in."""

    def __init__(self, start: WorkerStart) -> None:
        self.start, self.root = start, start.configuration.root
        self.place = start.scoreboard.entry(start.number, 1)
        self.running = True
        self.told = False

    def there(self, name: str) -> bool:
        """Whether a file of ServerRoot is there."""
        return os.path.exists(os.path.join(self.root, name))

    def run(self) -> None:
        """Serve until told otherwise."""
        if self.there("die"):
            os._exit(3)
        print(f"worker {self.start.number} prints", flush=True)
        reader, writer = os.pipe2(os.O_NONBLOCK)
        signal.set_wakeup_fd(writer)
        signal.signal(signal.SIGUSR1, lambda *_: None)
        signal.signal(signal.SIGUSR2, lambda *_: None)
        signal.signal(signal.SIGTERM, signal.SIG_IGN if self.there("stubborn") else lambda *_: os._exit(0))
        if self.start.one_process:
            signal.signal(signal.SIGINT, lambda *_: setattr(self, "running", False))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())  # (the start holds them until now)
        poll = select.poll()
        for sock in (*self.start.listeners, self.start.control):
            poll.register(sock, select.POLLIN)
        poll.register(reader, select.POLLIN)
        self.place.state(ord("_"))
        self.told = not self.there("slow to tell") and not self.there("mute")
        if self.told:
            self.start.control.send(READY)
        if self.there("crash"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.there("leave"):
            os.unlink(os.path.join(self.root, "leave"))
            self.start.control.send(LEAVING)
        while self.running:
            ready = {fd for fd, _ in poll.poll()}
            if reader in ready:
                return  # SIGUSR1, SIGUSR2: what was accepted has been answered
            if self.start.control.fileno() in ready:
                return  # the master is gone
            for sock in self.start.listeners:
                if sock.fileno() in ready:
                    self.answer(sock)

    def answer(self, listener: socket.socket) -> None:
        """Serve one connection."""
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        self.place.working(time.time(), b"GET / HTTP/1.0")
        with connection:
            connection.setblocking(True)
            path = connection.recv(4096).split(b" ")[1].decode()
            if path == "/wait":
                open(os.path.join(self.root, "waiting"), "w").close()
            while path == "/wait" and not self.there("go"):
                time.sleep(0.005)
            body = f"{os.getpid()} {self.start.generation} {self.start.number}"
            if path == "/keeper":
                ours, theirs = os.pipe()
                socket.send_fds(self.start.control, [b"hello"], [theirs])
                os.close(theirs)
                body = os.read(ours, 100).decode()
                os.close(ours)
            if not self.told and not self.there("mute"):
                self.told = True
                self.start.control.send(READY)
            connection.sendall(f"HTTP/1.0 200 OK\r\n\r\n{body}".encode())
        self.place.done(time.time(), time.time())


def keeper_process(*_: Any) -> socket.socket:
    """A control socket whose other end nobody reads."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.detach()
    return ours


if __name__ == "__main__":
    sys.exit(main.main(None, lambda: Engine(lambda start: Worker(start).run(), Keeper, keeper_process)))
