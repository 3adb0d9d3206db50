"""The control socket of the master: what ``mpserver --status`` and ``mpserver --recycle`` talk to.

It is a Unix socket beside the pid file, for the server's account alone (mode 0600, and by what the system says of who
has connected). A client sends one line of JSON, such as ``{"command": "recycle", "name": "app"}``, and gets lines of
JSON until the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from collections.abc import Callable, Mapping

from mpserver.api import error_log
from mpserver.errors import StartError
from mpserver.ipc.control_path import near
from mpserver.supervisor.jobs import Jobs, Steps
from mpserver.supervisor.watched import Watched
from mpserver.system.socket_files import Place, place_of, remove
from mpserver.typing import Any, NamedTuple

#: The longest command, in bytes.
COMMAND = 64 * 1024

#: The kernel's ``struct ucred``: process, user and group of who has connected.
_PEER = struct.Struct("=iII")

#: Sends a line of an answer, as JSON.
Say = Callable[[Mapping[str, Any]], None]


class Command(NamedTuple):
    """What a command does: a job, made of the client's line and of how to answer it.

    ``alone``: it changes something, so only one such command runs at a time.
    """

    run: Callable[[Mapping[str, Any], Say], Steps]
    alone: bool


class Client:
    """A connection to the control socket."""

    def __init__(self, sock: socket.socket, watched: Watched, command: Callable[[Client, bytes], None]) -> None:
        """``command`` is called once, with the line that was sent."""
        self._sock, self._watched, self._command = sock, watched, command
        self._read, self._unsent = b"", b""
        self._asked = self._last = False
        sock.setblocking(False)
        watched.add(sock, self._on_ready)

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
            self._command(self, self._read.partition(b"\n")[0])

    def _send(self) -> None:
        if self._sock.fileno() < 0:
            return
        try:
            while self._unsent:
                self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            self._watched.add(self._sock, self._on_ready, writing=True)
            return
        except OSError:
            self._unsent = b""
            self._last = True
        if self._last:
            self._end()
        else:
            self._watched.add(self._sock, self._on_ready)

    def _end(self) -> None:
        if self._sock.fileno() >= 0:
            self._watched.remove(self._sock)
            self._sock.close()


class ControlSocket:
    """The listening socket; what its clients ask for becomes jobs."""

    __slots__ = ("_commands", "_file", "_jobs", "_listener", "_place", "_tell", "_watched")

    def __init__(
        self, commands: Mapping[str, Command], jobs: Jobs, watched: Watched, tell: Callable[[int, str], None]
    ) -> None:
        """``commands`` by their names. ``tell`` writes to the error log."""
        self._commands, self._jobs, self._watched, self._tell = commands, jobs, watched, tell
        self._listener: socket.socket | None = None
        self._file = ""
        self._place: Place | None = None

    def open(self, file: str) -> None:
        """Listen at a file, if it is not where we do; one that a dead server left is replaced.

        :raises StartError: it can't be made.
        """
        if file == self._file and place_of(file) == self._place:
            return
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        mask = os.umask(0o177)
        try:
            folder, name = near(file)
            try:
                temporary = f"{name}.{os.getpid()}"
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)  # (of one that was killed: in containers it had our number)
                listener.bind(temporary)
                listener.listen(16)
                place = place_of(temporary)
                try:
                    os.rename(temporary, name)
                except OSError:
                    os.unlink(temporary)
                    raise
            finally:
                os.close(folder)
        except OSError as error:
            listener.close()
            raise StartError(f"({error.errno}){error.strerror}: could not make the control socket {file}") from error
        finally:
            os.umask(mask)
        self.close()
        self._file, self._place, self._listener = file, place, listener
        self._watched.add(listener, self._accept)

    def close(self) -> None:
        """Listen no more, and remove the file if it is ours still."""
        if self._listener is None:
            return
        self._watched.remove(self._listener)
        self._listener.close()
        self._listener = None
        remove(self._file, self._place)
        self._file = ""

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        process, user, _ = _PEER.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if user in (0, os.geteuid()):
            Client(sock, self._watched, self._run)
            return
        self._tell(error_log.WARN, f"process {process} of user {user} was refused at the control socket")
        refused = Client(sock, self._watched, lambda _client, _line: None)
        refused.say({"error": "the control socket is for the server's account alone"})
        refused.close()

    def _run(self, client: Client, line: bytes) -> None:
        """Run a client's command."""
        try:
            asked = json.loads(line)
            command = self._commands[asked["command"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            client.say({"error": "this is no command that the server knows"})
            client.close()
            return
        run = self._jobs.enqueue if command.alone else self._jobs.start
        run(self._guarded(command, asked, client.say), client.close)

    def _guarded(self, command: Command, asked: Mapping[str, Any], say: Say) -> Steps:
        """What a command does; where it fails, for whoever asks may ask anything, that is its answer."""
        try:
            yield from command.run(asked, say)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            self._tell(error_log.ERROR, f"the command '{asked['command']}' of the control socket failed: {text}")
            say({"error": f"the command failed: {text}"})
