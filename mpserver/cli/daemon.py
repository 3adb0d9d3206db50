"""Detaching from the terminal: the command returns when the daemon has started, with what went wrong if it has not."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from functools import partial

from mpserver.errors import StartError
from mpserver.typing import NoReturn

#: What the daemon writes to its parent when it has started; anything else is an error's text.
_STARTED = b"\0"


def detach(run: Callable[[Callable[[], object]], None]) -> int:
    """Run ``run(started)`` in a daemon, and return to the caller when it called ``started()`` or failed.

    The daemon is a session of its own without a terminal, in ``/``, with nothing on standard input; its
    standard output and error stay for ``run`` to replace. A StartError's text is written to stderr here.

    :returns: the exit status for the command: 0, or 1 where the daemon could not start.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _leave_terminal(writer, run)
    os.close(writer)
    os.waitpid(pid, 0)
    with open(reader, "rb") as answer:
        said = answer.read()
    if said == _STARTED:
        return 0
    sys.stderr.write(said.decode("utf-8", "replace") or "mpserver: the server ended while it was starting\n")
    return 1


def _leave_terminal(writer: int, run: Callable[[Callable[[], object]], None]) -> NoReturn:
    """The first child: lead a session; its child, which leads none and so gets no terminal again, is the daemon."""
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    status, parent = 1, _Parent(writer)
    try:
        detach_in_place()
        run(partial(parent.tell, _STARTED))
        status = 0
    except StartError as error:
        parent.tell(f"{error}\n".encode("utf-8", "backslashreplace"))
    except BaseException:
        # The end of the daemon: whatever it was must be told to whoever waits, or written to the log.
        text = traceback.format_exc()
        if not parent.tell(text.encode("utf-8", "backslashreplace")):
            sys.stderr.write(text)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class _Parent:
    """Whoever waits to hear how the start went: is told once."""

    def __init__(self, writer: int) -> None:
        self._writer = writer

    def tell(self, data: bytes) -> bool:
        """Write to it and close; False where it was told before: the descriptor's number may be another's by now."""
        writer, self._writer = self._writer, -1
        if writer < 0:
            return False
        try:
            os.write(writer, data)
        except OSError:
            return False
        finally:
            os.close(writer)
        return True


def detach_in_place() -> None:
    """Let go of the working directory and of standard input (-DNO_DETACH: all that is given up)."""
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
