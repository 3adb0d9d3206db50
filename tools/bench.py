"""The command of tools/bench: the cases (``benching.main``), or a measurement of its own by its name."""

from __future__ import annotations

import signal
import sys

from benching import interpreters, main, manual, modules

if __name__ == "__main__":
    # servers end with the bench, also when it is told to end
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    words = sys.argv[1:]
    own = {"manual": manual.main, "interpreters": interpreters.main, "modules": modules.main}.get(
        words[0] if words else ""
    )
    sys.exit(own(words[1:]) if own is not None else main.main(words))
