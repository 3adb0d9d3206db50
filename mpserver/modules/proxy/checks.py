"""The health checks of a configuration, worked out once: what is to be asked, and by which settings."""

from __future__ import annotations

from mpserver.config.entries import PROXIES
from mpserver.errors import ConfigError
from mpserver.ipc.member_health import number_of
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


def number(configuration: Configuration) -> None:
    """Give each check the number by which its outcome is found, before anybody is told of it.

    It is made of all that a check goes by, also of what its server says for all members (ProxyTimeout, SSLProxy
    directives): members that look alike in two servers have one check only where that comes to the same.
    """
    main = configuration.main
    for server in (main, *configuration.hosts):
        own = server.own_conf.values.get(MEMBERS, {})
        if any(member.check is not None for members in own.values() for member in members):
            server.own_conf[MEMBERS] = {
                balancer: tuple(_numbered(server, balancer, member) for member in members)
                for balancer, members in own.items()
            }
    for host in configuration.hosts:
        if host.conf is not main.conf and MEMBERS in host.conf:
            host.conf = main.conf.merged(host.own_conf)


def _numbered(server: Server, balancer: str, member: Member) -> Member:
    check = member.check
    if check is None:
        return member
    at = _checked(server, balancer, member, check)
    waits = at.parameters.get("connectiontimeout", at.timeout)
    encryption = () if at.encryption is None else tuple(at.encryption[setting] for setting in ssl.PROXY_SETTINGS)
    condition = "" if check.condition is None else check.condition.text
    how = (*check._replace(number=0, condition=None), condition, at.timeout, waits, at.source, encryption)
    return member._replace(check=check._replace(number=number_of(repr((balancer, member.url, how)))))


def find(configuration: Configuration) -> Checks | None:
    """The checks of all servers, which are numbered; None: there are none.

    As in httpd a host's members that are the main server's are checked as that one says.
    """
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
    for balancer, members in server.own_conf.values.get(MEMBERS, {}).items():
        for member in members:
            # (as in httpd: nobody asks one that was stopped)
            if member.check is not None and "S" not in str(member.parameters.get("status", "")):
                yield _checked(server, balancer, member, member.check)


def _checked(server: Server, balancer: str, member: Member, check: Check) -> Checked:
    target = parse(member.url)
    assert target is not None  # (BalancerMember has seen to it)
    conf = server.conf
    told = member.parameters
    timeout = float(told.get("timeout", conf[TIMEOUT] or conf[core.TIMEOUT]))
    encryption = None
    if target.is_encrypted and check.method != "TCP":
        encryption = server.base  # (what stands outside of sections)
        for entry in conf[PROXIES]:
            if holds(entry, member.url) or holds(entry, balancer):
                encryption = encryption.merged(entry.conf)
        encryption = type(conf)({setting: encryption[setting] for setting in ssl.PROXY_SETTINGS})
    return Checked(balancer, member.url, check, target, told, timeout, conf[SOURCE_ADDRESS], encryption)
