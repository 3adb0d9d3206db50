"""What ``mpserver -t`` says of configurations."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from support.server import Server


def refusal(server: Server, *arguments: str) -> str:
    """What is said on stderr of a server's configuration that has a fault; AssertionError if it is taken."""
    done = server.command("-t", *arguments, check=False)
    assert done.returncode == 1, done
    return done.stderr


def refused(folder: Path, conf: str) -> str:
    """The same of a configuration for which there is no server yet."""
    with contextlib.closing(Server(folder, conf + "\n")) as server:
        return refusal(server)


def untold(folder: Path, faults: Mapping[str, str]) -> list[str]:
    """Let one configuration have some faults, each with what is to be said of it.

    :returns: what is not said; AssertionError if the configuration is taken.
    """
    told = refused(folder, "\n".join(faults))
    return [said for said in faults.values() if said not in told]
