"""What ``mpserver -t`` says of configurations."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from support.server import Server


def untold(folder: Path, faults: Mapping[str, str]) -> list[str]:
    """Let one configuration have some faults, each with what is to be said of it.

    :returns: what is not said; AssertionError if the configuration is taken.
    """
    with contextlib.closing(Server(folder, "\n".join(faults) + "\n")) as server:
        done = server.command("-t", check=False)
    assert done.returncode == 1, done
    return [said for said in faults.values() if said not in done.stdout + done.stderr]
