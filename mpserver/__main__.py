"""``python -m mpserver`` is the command ``mpserver``."""

import sys

from mpserver.cli.main import main

sys.exit(main())
