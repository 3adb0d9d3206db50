"""The kinds ``own`` and ``shared``: subinterpreters of the worker."""

from __future__ import annotations

import socket
import sys
import threading

from mpserver.errors import InterpreterError
from mpserver.interpreters.handle import InterpreterHandle
from mpserver.ipc import messages
from mpserver.serving.boot import pack
from mpserver.system import subinterpreters


class Own(InterpreterHandle):
    """An isolated subinterpreter with its own GIL; its engine runs in a thread started inside it."""

    #: Whether it shares the GIL of the main interpreter.
    shared = False
    #: Of the subinterpreter; -1: there is none.
    _number = -1

    def _launch(self, theirs: socket.socket) -> None:
        # Not in the main thread: signal handlers don't run there while it is inside a subinterpreter.
        threading.Thread(target=self._create, args=(theirs,), name=f"create {self.name}", daemon=True).start()

    def _create(self, theirs: socket.socket) -> None:
        try:
            self._number = subinterpreters.create(self.shared)
            subinterpreters.boot(self._number, pack(self.boot), theirs.fileno(), self.name)
            theirs.detach()  # it is the engine's now
        except BaseException as error:  # nobody would hear it in this thread: whoever waits is told
            with theirs:
                messages.report(theirs, error)

    def reap(self) -> None:
        """Destroy it, once its thread has ended."""
        if self._number >= 0:
            number, self._number = self._number, -1
            threading.Thread(target=self._destroy, args=(number,), name=f"destroy {self.name}", daemon=True).start()

    @staticmethod
    def _destroy(number: int) -> None:
        try:
            subinterpreters.destroy(number)
        except InterpreterError:
            return  # something of the application's still runs there; it goes with the worker
        subinterpreters.give_memory_back()


class Shared(Own):
    """A subinterpreter with the GIL of the main one, as mod_python's own were; some extensions load only so."""

    shared = True

    def reap(self) -> None:
        """Destroy it; before 3.14, where that may abort the process, it goes with the worker."""
        if sys.version_info >= (3, 14):
            super().reap()
