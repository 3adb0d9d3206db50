"""The kind ``main``: a thread of the worker's main interpreter."""

from __future__ import annotations

import socket
import threading

from mpserver.interpreters.handle import InterpreterHandle
from mpserver.interpreters.run import run


class Main(InterpreterHandle):
    """A thread of the worker's main interpreter. It serves static files as well, so it is wanted at any rate."""

    urgent = True

    def _launch(self, theirs: socket.socket) -> None:
        thread = threading.Thread(target=self._run, args=(theirs,), name=self.name, daemon=True)
        thread.start()

    def _run(self, theirs: socket.socket) -> None:
        run(self.boot, theirs.detach())
