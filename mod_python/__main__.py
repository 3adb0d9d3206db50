"""``python -m mod_python``: the command."""

import sys

from mod_python.command import main

sys.exit(main())
