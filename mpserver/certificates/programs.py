"""Programs of the administrator that are told what becomes of certificates, or answer challenges for us."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from mpserver.certificates.errors import Failed

#: How long one may take, in seconds.
PATIENCE = 120.0


def run(command: Sequence[str], *arguments: str) -> None:
    """Run a program to its end. :raises Failed: it can't be run, fails, or takes too long."""
    name = command[0]
    try:
        done = subprocess.run(
            [*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
        )
    except OSError as error:
        raise Failed(f"the program {name} can't be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"the program {name} has not ended within {PATIENCE:.0f} seconds") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().rpartition("\n")[2][:300]
        raise Failed(
            f"the program {name} {' '.join(arguments)} ended with {done.returncode}: {said or 'it said nothing'}"
        )
