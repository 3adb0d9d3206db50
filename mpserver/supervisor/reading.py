"""One reading of the configuration, as the master keeps it: finished, and no more of it than that."""

from __future__ import annotations

from mpserver.supervisor.settings import ProcessSettings
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.config.finished import Finished
    from mpserver.modules.md.domains import Domains
    from mpserver.modules.proxy.checks import Checks
    from mpserver.modules.ssl.profiles import Encryption


class Reading(NamedTuple):
    """What was read: the settings of the processes, and those for serving."""

    conf: ProcessSettings
    configuration: Finished
    #: The servers that speak TLS, and their files.
    encryption: Encryption | None = None
    #: The domains whose certificates are to be had.
    domains: Domains | None = None
    #: The health checks of balancers' members.
    checks: Checks | None = None
