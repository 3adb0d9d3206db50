"""Targets that read what other processes say: messages, states of requests, commands."""

from __future__ import annotations

import functools
import json
import socket
import tempfile
from collections.abc import Mapping
from typing import Any

from mpserver.ipc import messages, plain_data
from mpserver.phases import transfer
from mpserver.supervisor.control_socket import Command, ControlSocket, Say
from mpserver.supervisor.jobs import Jobs, Steps
from mpserver.supervisor.watched import Watched


def message(data: bytes) -> None:
    """A message between a router and an interpreter, and what it may carry."""
    try:
        messages.decode(data, []).close()
    except ValueError:
        pass
    try:
        value = plain_data.unpack(data)
    except ValueError:
        return
    assert plain_data.pack(value)


def state(data: bytes) -> None:
    """The state of a request that has begun elsewhere, believed and not."""
    try:
        transfer.unpack(data)
    except ValueError:
        return
    for of_account in (True, False):
        transfer.unpack(transfer.distrust(data, of_account=of_account)[0])


class _Commands:
    """A control socket with one command, and the clients that talk to it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mpserver-fuzz-")
        self._file = f"{self._folder.name}/control"
        self._watched = Watched()
        commands = {"status": Command(self._run, alone=False)}
        self._socket = ControlSocket(commands, Jobs(), self._watched, lambda _level, _text: None)
        self._socket.open(self._file)

    def _run(self, asked: Mapping[str, Any], say: Say) -> Steps:
        say({"asked": str(asked.get("name", ""))})
        yield from ()

    def answer(self, data: bytes) -> bytes:
        """What a client gets that says this and then nothing more."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self._file)
            client.settimeout(5)
            client.sendall(data[:100_000])
            client.shutdown(socket.SHUT_WR)
            client.setblocking(False)
            found = b""
            while True:
                self._watched.wait(0)
                try:
                    part = client.recv(65536)
                except BlockingIOError:
                    continue
                except ConnectionResetError:  # (behind the answer: not all of what was said was read)
                    part = b""
                if not part:
                    return found
                found += part


@functools.cache
def _commands() -> _Commands:
    return _Commands()


def control(data: bytes) -> None:
    """What a client says to the control socket: a whole line gets an answer in JSON."""
    answer = _commands().answer(data)
    if b"\n" in data[:65_536]:
        assert json.loads(answer.splitlines()[0]), answer
