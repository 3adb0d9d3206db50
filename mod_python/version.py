"""What this mod_python is and where it is installed (``mod_python.version``)."""

import os
import sys

from mpserver.version import HTTPD_VERSION as _HTTPD_VERSION
from mpserver.version import MOD_PYTHON_VERSION

#: The version of mod_python whose interface is offered.
version = MOD_PYTHON_VERSION

#: The version of httpd whose behaviour the server has.
HTTPD_VERSION = ".".join(str(number) for number in _HTTPD_VERSION)

#: There is no APR and no shared object here; the names are kept for those who print them.
APR_VERSION = ""
LIBEXECDIR = ""
TEST_MOD_PYTHON_SO = ""
TESTHOME = ""

PYTHON_BIN = sys.executable


def __getattr__(name: str) -> str:
    """HTTPD, the server's command, and SYSCONFDIR: worked out when asked for, since that takes an import of 20 ms."""
    if name not in ("HTTPD", "SYSCONFDIR"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import sysconfig

    if name == "HTTPD":
        return os.path.join(sysconfig.get_path("scripts"), "mpserver")
    return os.path.join(sysconfig.get_path("data"), "conf")
