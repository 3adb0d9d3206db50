"""``mpserver`` as people run it: with some words, in some folder."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.processes import nothing_outlives
from support.waiting import PATIENCE


def command(
    folder: Path, *words: str, told: str = "", stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """``mpserver`` with these words, to its end. ``told``: what it reads of its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "mpserver", *words],
        cwd=folder, input=told, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def run(folder: Path, *words: str, told: str = "") -> tuple[int, str, str]:
    """The status of the command, and what it says."""
    done = command(folder, *words, told=told)
    return done.returncode, done.stdout, done.stderr


@contextlib.contextmanager
def running(folder: Path, said: Path, *words: str) -> Iterator[None]:
    """``mpserver`` with these words until the block ends, and the file that it prints into."""
    with nothing_outlives(), said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "mpserver", *words],
            cwd=folder, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)
