"""The commands tools/slow-clients and tools/faults, by their names."""

from __future__ import annotations

import signal
import sys

from bearing import faults_page, slow_page

if __name__ == "__main__":
    # servers end with the tool, also when it is told to end
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    command = {"slow-clients": slow_page.main, "faults": faults_page.main}[sys.argv[1]]
    sys.exit(command(sys.argv[2:]))
