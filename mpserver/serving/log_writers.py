"""Who writes the access logs of an interpreter: each line by itself, or its loop those of one wake-up together."""

from __future__ import annotations

import select

from mpserver.ipc.log_lines import has_area
from mpserver.system.log_lines import LogLines, Write, at_once, is_queue
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.serving.interpreter_owner import InterpreterOwner


class LogWriters:
    """Gives what takes the lines of a log, by its descriptor.

    Lines don't wait where threads serve the requests, for these have no wake-up in common; nor where no master would
    write what is left after a crash. BufferedLogs has them wait in threads as well, and so is it with what is told to
    processes of the server's own.
    """

    __slots__ = ("_interpreter",)

    def __init__(self, interpreter: InterpreterOwner) -> None:
        self._interpreter = interpreter

    def __call__(self, fd: int) -> Write:
        """What takes the lines of the log with this descriptor."""
        from mpserver.modules.log_config import BUFFERED  # (who has no log does without that module)

        interpreter = self._interpreter
        boot = interpreter.boot
        buffered: bool = boot.configuration.main.conf[BUFFERED]
        waits = buffered or interpreter.alone or is_queue(fd)
        if not waits or boot.one_process or not has_area(boot.scoreboard_index):
            return at_once(fd)
        if interpreter.lines is None:
            interpreter.lines = interpreter.pipeline.lines = LogLines(
                boot.scoreboard,
                boot.slot,
                boot.scoreboard_index,
                interpreter.loop,
                buffered or not interpreter.alone,
                interpreter.in_loop,
                lambda: _is_gone(interpreter.inbox.fileno()),
            )
        return interpreter.lines.writer(fd)


def _is_gone(inbox: int) -> bool:
    """Whether the worker at the other end is gone."""
    poll = select.poll()
    poll.register(inbox, 0)
    return any(event & select.POLLHUP for _fd, event in poll.poll(0))
