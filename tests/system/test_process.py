"""Processes that are made: whose children they are."""

from __future__ import annotations

from support.processes import run_code

#: Notes the numbers of forked children, and tells whether one of them is a child of ours, or was until now.
NOTED = """
import os
from mpserver.system.process import fork_orphan

ours, made, fork = os.getpid(), [], os.fork

def is_child(number):
    try:
        os.waitpid(number, os.WNOHANG)
    except ChildProcessError:
        return False
    return True
"""

#: Prints how many children there were, and which of them and of the orphan are children still.
ORPHAN = f"""{NOTED}
def note():
    made.append(fork())
    return made[-1]

def live(_blocked):
    os.close(hold)
    os.read(end, 1)  # (until it was looked for)
    os.write(writer, b"%d" % os.getpid())
    os._exit(0)

os.fork = note
reader, writer = os.pipe()
end, hold = os.pipe()
pid = fork_orphan(live)
os.close(writer)
children = [number for number in (pid, *made) if is_child(number)]
os.close(hold)
assert int(open(reader, "rb").read()) == pid
print(len(made), children)
"""

#: Prints how it failed, how many children there were, and which of them are children still.
FULL = f"""{NOTED}
def full():
    if os.getpid() != ours:
        raise BlockingIOError(11, "no room")
    made.append(fork())
    return made[-1]

def live(_blocked):
    raise AssertionError

os.fork = full
try:
    fork_orphan(live)
except BlockingIOError:
    print("BlockingIOError", len(made), [number for number in made if is_child(number)])
"""


def test_an_orphan_is_nobody_s_child() -> None:
    """Nor is the one between."""
    assert run_code(ORPHAN) == "1 []\n"


def test_no_room_for_it() -> None:
    """The one between is there, and can't fork; nobody has to reap it."""
    assert run_code(FULL) == "BlockingIOError 1 []\n"
