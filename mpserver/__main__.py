"""``python -m mpserver`` is the command ``mpserver``."""

import sys

from mpserver.cli import main

sys.exit(main())
