"""What an interpreter answers when it is asked about itself: its threads, its modules, where its threads are."""

from __future__ import annotations

import sys
import threading

from mpserver.phases.timeouts import can_look
from mpserver.system.log_files import take_over
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

#: What a question for stacks has as its state; other questions are for facts.
STACKS = b"stacks"
#: And where a log is another file from now on, before the number of the descriptor that the one that comes along
#: replaces. The answer is empty.
REOPEN = b"reopen "
#: The longest text about one thread, in characters; its end is what counts.
LONGEST = 16384
#: Where requests are carried out: these functions have the request as ``req``.
_PIPELINE = "/mpserver/phases/pipeline.py"


def facts(modules: list[str]) -> tuple[list[int], list[str]]:
    """Its threads, by the kernel's numbers, and the application's modules."""
    return [thread.native_id or 0 for thread in threading.enumerate()], modules


def stacks(kind: str) -> list[str]:
    """Each thread of this interpreter but the one that calls: what it is in, and its stack.

    ``kind`` is the interpreter's: in some, and some Pythons, a look is no safe thing, and the answer says so.
    """
    if not can_look(kind):
        python = ".".join(map(str, sys.version_info[:3]))
        return [f"Python {python} can't look at stacks beside subinterpreters: that takes 3.14.8 or the kind process"]
    import traceback  # (few interpreters are asked)

    found = []
    threads = {thread.ident: thread for thread in threading.enumerate()}
    for number, frame in sys._current_frames().items():  # noqa: SLF001  (there is no other way)
        if number == threading.get_ident():
            continue
        thread = threads.get(number)
        name = "unknown" if thread is None else f"{thread.native_id} ({thread.name})"
        line = _request_of(frame)
        title = f"thread {name}, in request {line}" if line else f"thread {name}"
        found.append(f"{title}\n{''.join(traceback.format_stack(frame))[-LONGEST:]}")
    return found


def reopen(told: bytes, fd: int) -> list[str]:
    """Let a log be another file, with the descriptor that came along: see `REOPEN`."""
    take_over(int(told[len(REOPEN) :]), fd)
    return []


def _request_of(frame: FrameType | None) -> str:
    """The line of the request that a thread is in; "" if it is in none."""
    while frame is not None:
        code = frame.f_code
        if code.co_filename.endswith(_PIPELINE) and "req" in code.co_varnames:
            return str(getattr(getattr(frame.f_locals.get("req"), "mp_head", None), "line", ""))
        frame = frame.f_back
    return ""
