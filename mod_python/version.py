"""What this mod_python is and where it is installed (``mod_python.version``)."""

import os
import sys
import sysconfig

from mpserver.version import HTTPD_VERSION as _HTTPD_VERSION
from mpserver.version import MOD_PYTHON_VERSION

#: The version of mod_python whose interface is offered.
version = MOD_PYTHON_VERSION

#: The server's command, and the version of httpd whose behaviour it has.
HTTPD = os.path.join(sysconfig.get_path("scripts"), "mpserver")
HTTPD_VERSION = ".".join(str(number) for number in _HTTPD_VERSION)

#: There is no APR and no shared object here; the names are kept for those who print them.
APR_VERSION = ""
LIBEXECDIR = ""
TEST_MOD_PYTHON_SO = ""
TESTHOME = ""

SYSCONFDIR = os.path.join(sysconfig.get_path("data"), "conf")
PYTHON_BIN = sys.executable
