"""What a server in the foreground tells at its terminal when it serves: where."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from mpserver.system.listeners import Address


def greet(addresses: Sequence[Address], one_process: bool) -> None:
    """Tell it, unless nobody is there to read (a service has its log), or there is nothing to tell."""
    if addresses and os.isatty(1):
        how = ", in one process" if one_process else ""
        with contextlib.suppress(OSError):  # (the terminal may be closed at any time)
            print(f"mpserver serves at {', '.join(map(str, addresses))}{how}; Ctrl-C ends it", flush=True)
