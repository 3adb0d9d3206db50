"""The control socket of the master: what ``mpserver --status`` and ``mpserver --recycle`` talk to.

It is a Unix socket beside the pid file, for the server's account alone (mode 0600). A client sends one line of JSON,
such as ``{"command": "recycle", "name": "app"}``, and gets lines of JSON until the end.

Nothing waits here: a command is a `Job`, a generator that yields what it asks of workers and goes on with their
answers. Commands that change something run one after the other.
"""

from __future__ import annotations

import json
import marshal
import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from mpserver.errors import StartError
from mpserver.ipc import messages
from mpserver.ipc.control_path import near
from mpserver.supervisor.jobs import Birth, Job
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.supervisor.jobs import Steps, Supervisor
    from mpserver.supervisor.worker_handle import WorkerHandle

#: The longest command, in bytes.
COMMAND = 64 * 1024


class Client:
    """A connection to the control socket."""

    def __init__(self, control: Control, sock: socket.socket) -> None:
        self._control, self._sock = control, sock
        self._read, self._unsent = b"", b""
        self._asked = self._last = False
        sock.setblocking(False)
        control.master.listen(sock, self._on_ready)

    def say(self, what: Mapping[str, Any]) -> None:
        """Send one line."""
        if self._sock.fileno() >= 0:
            self._unsent += json.dumps(what).encode() + b"\n"
            self._send()

    def close(self) -> None:
        """Close, when all is sent."""
        self._last = True
        self._send()

    def _on_ready(self) -> None:
        if self._unsent:
            self._send()
        try:
            data = self._sock.recv(COMMAND) if self._sock.fileno() >= 0 else b""
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        self._read += data
        if not self._asked and (b"\n" in self._read or len(self._read) > COMMAND):
            self._asked = True
            self._control.command(self, self._read.partition(b"\n")[0])

    def _send(self) -> None:
        if self._sock.fileno() < 0:
            return
        try:
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            self._control.master.listen(self._sock, self._on_ready, writing=True)
            return
        except OSError:
            self._unsent = b""
            self._last = True
        if self._last:
            self._end()
        else:
            self._control.master.listen(self._sock, self._on_ready)

    def _end(self) -> None:
        if self._sock.fileno() >= 0:
            self._control.master.forget(self._sock)
            self._sock.close()


class Control:
    """The socket, its clients, and the commands under way."""

    def __init__(self, master: Supervisor) -> None:
        self.master = master
        self._listener: socket.socket | None = None
        self._file = ""
        self._inode = 0
        self._jobs: list[Job] = []
        self._queue: deque[tuple[Steps, Callable[[], None]]] = deque()
        self._busy = False
        self._number = 0
        #: Why workers could not start, by their process.
        self._why: dict[int, str] = {}
        #: Changes of files that were acted upon, by interpreter.
        self._changes: dict[tuple[str, str], set[tuple[str, Any]]] = {}
        from mpserver.supervisor.commands import COMMANDS

        self._commands = COMMANDS

    # ---- the socket

    def open(self, file: str) -> None:
        """Listen at a file; one that a dead server left is replaced. :raises StartError: it can't be made."""
        if file == self._file:
            return
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        mask = os.umask(0o177)
        try:
            folder, name = near(file)
            try:
                temporary = f"{name}.{os.getpid()}"
                listener.bind(temporary)
                listener.listen(16)
                os.rename(temporary, name)
            finally:
                os.close(folder)
        except OSError as error:
            listener.close()
            raise StartError(f"({error.errno}){error.strerror}: could not make the control socket {file}") from error
        finally:
            os.umask(mask)
        self.close()
        self._file, self._inode, self._listener = file, os.stat(file).st_ino, listener
        self.master.listen(listener, self._accept)

    def close(self) -> None:
        """Listen no more, and remove the file if it is ours still."""
        if self._listener is None:
            return
        self.master.forget(self._listener)
        self._listener.close()
        self._listener = None
        try:
            if os.stat(self._file).st_ino == self._inode:
                os.unlink(self._file)
        except OSError:
            pass  # gone already

    @property
    def descriptor(self) -> int:
        """The listening socket's descriptor, -1 where there is none."""
        return -1 if self._listener is None else self._listener.fileno()

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        Client(self, sock)

    def command(self, client: Client, line: bytes) -> None:
        """A client's command."""
        try:
            asked = json.loads(line)
            command = self._commands[asked["command"]]
        except (ValueError, KeyError, TypeError):
            client.say({"error": "this is no command that the server knows"})
            client.close()
            return
        if command.alone:
            self.enqueue(command.run(self, asked, client.say), client.close)
        else:
            self._run(Job(command.run(self, asked, client.say), client.close))

    # ---- jobs

    def enqueue(self, steps: Steps, over: Callable[[], None] = lambda: None) -> None:
        """Run a job when those before it are over."""
        self._queue.append((steps, over))
        self._next()

    def _next(self) -> None:
        if self._busy or not self._queue:
            return
        self._busy = True
        steps, over = self._queue.popleft()

        def ended() -> None:
            over()
            self._busy = False
            self._next()

        self._run(Job(steps, ended))

    def _run(self, job: Job) -> None:
        self._jobs.append(job)
        self._step(job, None)

    def _step(self, job: Job, value: Any) -> None:
        """Go on with a job until it waits for something."""
        while True:
            try:
                wanted = job.steps.send(value)
            except StopIteration:
                self._jobs.remove(job)
                job.over()
                return
            if isinstance(wanted, Birth):
                job.birth = wanted.child
                return
            job.deadline, job.answers = wanted.deadline, dict.fromkeys(wanted.asked)
            for child, state in wanted.asked.items():
                self._ask(job, child, state)
            if job.waiting:
                return
            value = job.answers

    def _ask(self, job: Job, child: WorkerHandle, state: Any) -> None:
        self._number += 1
        message = messages.Message(messages.Kind.ASK, number=self._number, state=marshal.dumps(state))
        try:
            messages.send(child.control, message, wait=False)
        except OSError:
            return  # it is gone, or does not listen
        job.waiting[self._number] = child

    def tell(self, children: Iterable[WorkerHandle], state: Any) -> None:
        """Tell workers what they don't answer."""
        for child in children:
            message = messages.Message(messages.Kind.ASK, state=marshal.dumps(state))
            try:
                messages.send(child.control, message, wait=False)
            except OSError:
                continue  # it is gone, or will find out by itself

    def _answered(self, job: Job) -> None:
        if not job.waiting:
            job.deadline = float("inf")
            self._step(job, job.answers)

    # ---- what the master hears

    def news(self, child: WorkerHandle, message: messages.Message) -> None:
        """A worker's answer, or what it has to tell."""
        if message.kind == messages.Kind.CHANGED:
            self._on_changes(*marshal.loads(message.state))
        elif not message.number:
            self._why[child.pid] = message.state.decode()
        for job in self._jobs:
            if job.waiting.pop(message.number, None) is not None:
                job.answers[child] = marshal.loads(message.state)
                self._answered(job)
                return

    def _on_changes(self, place: tuple[str, str], changes: dict[str, Any]) -> None:
        """Files of an interpreter's modules changed: each change is acted upon once, whoever tells of it first."""
        known = self._changes.setdefault(place, set())
        new = set(changes.items()) - known
        if new:
            known |= new
            files = ", ".join(sorted(file for file, _mark in new))
            reload = self._commands["reload"]
            self.enqueue(reload.run(self, {"name": place[1], "files": files}, lambda _line: None))

    def ready(self, child: WorkerHandle) -> None:
        """A worker serves."""
        self._born(child, "")

    def gone(self, child: WorkerHandle) -> None:
        """A worker has ended."""
        self._born(child, self._why.pop(child.pid, "the worker ended before it served"))
        for job in list(self._jobs):
            numbers = [number for number, asked in job.waiting.items() if asked is child]
            for number in numbers:
                del job.waiting[number]
            if numbers:
                self._answered(job)

    def _born(self, child: WorkerHandle, why: str) -> None:
        for job in list(self._jobs):
            if job.birth is child:
                job.birth = None
                self._step(job, why)

    def deadline(self) -> float:
        """``time.monotonic()`` when `due` wants to be called."""
        return min((job.deadline for job in self._jobs), default=float("inf"))

    def due(self) -> None:
        """Go on without those that did not answer in time."""
        now = time.monotonic()
        for job in [job for job in self._jobs if job.deadline <= now]:
            job.waiting.clear()
            self._answered(job)
