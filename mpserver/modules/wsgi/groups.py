"""Whether the process groups that a configuration names are there: requests would find none, and get a 500."""

from __future__ import annotations

from mpserver.errors import ConfigError
from mpserver.modules.wsgi import DAEMONS, USED_GROUPS
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration


def check(configuration: Configuration) -> list[ConfigError]:
    """The faults, in their order."""
    faults = []
    for server in (configuration.main, *configuration.hosts):
        # (what the main server says may be meant for virtual hosts that have the group)
        daemons = server.conf[DAEMONS]
        known = set(daemons)
        if not server.is_virtual:
            known.update(name for host in configuration.hosts for name in host.own_conf[DAEMONS])
        faults += [
            ConfigError(
                f"{used.directive}: no WSGI daemon process called '{used.name}' has been configured: add "
                f"WSGIDaemonProcess {used.name}",
                used.file,
                used.line,
            )
            for used in server.own_conf[USED_GROUPS]
            if used.name not in known
        ]
    return faults
