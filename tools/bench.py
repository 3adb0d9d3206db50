"""The command of tools/bench: the cases (``benching.main``), or a measurement of its own by its name."""

from __future__ import annotations

import sys

from benching import main, manual

if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(manual.main(words[1:]) if words[:1] == ["manual"] else main.main(words))
