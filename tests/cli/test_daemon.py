"""What becomes of a daemon, and who hears of it."""

from __future__ import annotations

import subprocess
import sys

from support.waiting import PATIENCE

#: A daemon that fails when it has started, and another pipe has the number by which it told that.
FAILS_LATER = """
import os
from mpserver.cli.daemon import detach

reader, writer = os.pipe()

def run(started):
    number = os.dup(0)
    os.close(number)
    started()
    while os.dup(writer) < number + 10:
        pass
    raise RuntimeError("the end")

status = detach(run)
os.close(writer)
print(status, os.read(reader, 1000))
"""


def test_what_ends_it_later_is_told_by_its_standard_error_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILS_LATER],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.stdout == "0 b''\n"
    assert done.stderr.startswith("Traceback ")
    assert done.stderr.endswith("RuntimeError: the end\n")
