"""The health checks of a configuration, worked out once: what is to be asked, and by which settings."""

from __future__ import annotations

from mpserver.config.entries import PROXIES
from mpserver.errors import ConfigError
from mpserver.ipc.scoreboard_layout import HEALTH_ENTRIES
from mpserver.modules import core, ssl
from mpserver.modules.proxy import HC_THREADS, MEMBERS, SOURCE_ADDRESS, TIMEOUT, Check, Member, Parameter
from mpserver.modules.proxy.mapping import holds
from mpserver.modules.proxy.targets import Target, parse
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mpserver.config.configuration import Configuration
    from mpserver.config.server import Server
    from mpserver.config.settings import Conf


class Checked(NamedTuple):
    """A member that is checked: its balancer and URL as they are written, and how it is asked."""

    balancer: str
    url: str
    check: Check
    target: Target
    parameters: Mapping[str, Parameter]
    #: In seconds, for all of a check.
    timeout: float
    source: str | None
    #: What TLS goes by; None: it is not spoken.
    encryption: Conf | None


class Checks(NamedTuple):
    """All of them, and how many are made at a time."""

    members: tuple[Checked, ...]
    threads: int


def find(configuration: Configuration) -> Checks | None:
    """The checks of all servers; None: there are none. Members that several servers have alike are checked once."""
    found: dict[int, Checked] = {}
    for server in (configuration.main, *configuration.hosts):
        for checked in _of_server(server):
            found.setdefault(checked.check.number, checked)
    return Checks(tuple(found.values()), configuration.main.conf[HC_THREADS]) if found else None


def faults(configuration: Configuration) -> list[ConfigError]:
    """More checks than there is room for."""
    found = find(configuration)
    if found is None or len(found.members) <= HEALTH_ENTRIES:
        return []
    text = f"{len(found.members)} members of balancers have health checks: {HEALTH_ENTRIES} can have"
    return [ConfigError(f"{text}; leave hcmethod= out of some")]


def _of_server(server: Server) -> Iterator[Checked]:
    conf = server.conf
    for balancer, members in conf[MEMBERS].items():
        for member in members:
            # (as in httpd: nobody asks one that was stopped)
            if member.check is not None and "S" not in str(member.parameters.get("status", "")):
                yield _checked(conf, balancer, member, member.check)


def _checked(conf: Conf, balancer: str, member: Member, check: Check) -> Checked:
    target = parse(member.url)
    assert target is not None  # (BalancerMember has seen to it)
    told = member.parameters
    timeout = float(told.get("timeout", conf[TIMEOUT] or conf[core.TIMEOUT]))
    encryption = None
    if target.is_encrypted and check.method != "TCP":
        encryption = conf
        for entry in conf[PROXIES]:
            if holds(entry, member.url) or holds(entry, balancer):
                encryption = encryption.merged(entry.conf)
        encryption = type(conf)({setting: encryption[setting] for setting in ssl.PROXY_SETTINGS})
    return Checked(balancer, member.url, check, target, told, timeout, conf[SOURCE_ADDRESS], encryption)
