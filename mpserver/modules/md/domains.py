"""The managed domains of a configuration, worked out once: their names, their hosts, how certificates are to be had."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec

from mpserver.api import cgi_variables
from mpserver.config.configuration import Configuration
from mpserver.config.server import Server
from mpserver.errors import ConfigError
from mpserver.modules import core, md, unixd
from mpserver.modules.md import Account, Answers, KeyKind, Managed, Told, Window
from mpserver.modules.md.store import FOLDER_MODE, Store
from mpserver.modules.paths import absolute
from mpserver.modules.ssl import CERTIFICATE_FILES, Kept, Place, profiles
from mpserver.system.account import Account as UserAccount
from mpserver.typing import NamedTuple


class Domain(NamedTuple):
    """A managed domain, for the process that gets its certificates."""

    name: str
    names: tuple[str, ...]
    #: Whether certificates are to be had.
    drives: bool
    authorities: tuple[str, ...]
    agreed: bool
    #: A mail address; "": none is known.
    contact: str
    keys: tuple[KeyKind, ...]
    renew: Window
    warn: Window
    #: Those that can be answered, the preferred one first.
    challenges: tuple[str, ...]
    dns_program: tuple[str, ...]
    account: Account | None
    profile: str
    profile_mandatory: bool
    ari: bool
    #: The files of certificates that others renew.
    static: tuple[str, ...]


class Shared(NamedTuple):
    """What the domains have in common; times in seconds."""

    store: str
    proxy: str
    notify: tuple[str, ...]
    message: tuple[str, ...]
    dns_version: int
    retry_delay: float
    retry_failover: int
    check_interval: float
    initial_delay: float
    trust: str


class Domains(NamedTuple):
    """All of them."""

    shared: Shared
    domains: tuple[Domain, ...]


class _Found:
    """A domain while it is worked out."""

    def __init__(self, told: Told, server: Server) -> None:
        self.told = told
        self.conf = server.conf.merged(told.conf)
        self.name = told.names[0]
        self.names = tuple(dict.fromkeys((*told.names, *told.conf[md.MEMBERS])))
        self.servers: list[Server] = []

    def error(self, text: str) -> ConfigError:
        return ConfigError(text, self.told.file, self.told.line)

    def covers(self, name: str) -> bool:
        name = name.lower()
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names


def work_out(
    configuration: Configuration, *, opens: bool
) -> tuple[Domains | None, Mapping[int, tuple[Kept, ...]], list[ConfigError]]:
    """The domains; by the numbers of hosts, the certificates that they get; and the faults that were found.

    What hosts know of their domains is put into their settings.

    :param opens: the server is to start: the store is made.
    """
    found, faults = _find(configuration)
    if not found:
        return None, {}, faults
    main = configuration.main.conf
    store = Store(absolute(configuration.root, main[md.STORE]))
    domains = tuple(_domain(configuration, its) for its in found)
    if any(domain.drives for domain in domains):
        if find_spec("acme") is None:
            text = "MDomain needs the package acme, which is not installed: pip install 'mpserver[acme]'"
            faults.append(found[0].error(text))
        configuration.warnings += _unreachable(configuration, found, domains)
    if faults:
        return None, {}, faults
    try:
        account = unixd.identity(main) if os.geteuid() == 0 else None
        if opens:
            _open(store, account, found[0])
    except ConfigError as error:
        return None, {}, [error]
    shared = Shared(
        store.folder, main[md.PROXY], main[md.NOTIFY], main[md.MESSAGE], main[md.DNS_VERSION], main[md.RETRY_DELAY],
        main[md.RETRY_FAILOVER], main[md.CHECK_INTERVAL], main[md.INITIAL_DELAY], main[md.TRUST],
    )  # fmt: skip
    kept = _tell_hosts(configuration, store, found, domains, _number(account))
    return Domains(shared, domains), kept, []


# ---- names and hosts


def _find(configuration: Configuration) -> tuple[list[_Found], list[ConfigError]]:
    """The domains with all their names, and the hosts of each."""
    main = configuration.main
    found = [_Found(told, main) for told in main.own_conf[md.DOMAINS]]
    found += [_Found(told, host) for host in configuration.hosts for told in host.own_conf[md.DOMAINS]]
    if not found:
        return [], []
    by_name: dict[str, _Found] = {}
    faults = []
    for its in found:
        for name in its.names:
            other = by_name.setdefault(name, its)
            if other is not its:
                faults.append(its.error(f"two Managed Domains have an overlap in domain '{name}': name it in one"))
    matches_aliases = main.conf[md.MATCH_ALIASES]
    servers = (main, *configuration.hosts) if main.conf[md.BASE_SERVER] else configuration.hosts
    for server in servers:
        names = (server.name, *server.names) if matches_aliases else (server.name,)
        its_domains = dict.fromkeys(domain for name in names if (domain := _of(by_name, name)) is not None)
        if len(its_domains) > 1:
            both = " and ".join(domain.name for domain in its_domains)
            text = f"the host {server.name} matches two Managed Domains, {both}: put its names into one"
            faults.append(ConfigError(text, server.defn_name, server.defn_line))
        for domain in its_domains:
            domain.servers.append(server)
            faults += _take_names(configuration, domain, server, by_name)
    return found, faults


def _of(by_name: Mapping[str, _Found], name: str) -> _Found | None:
    name = name.lower()
    return by_name.get(name) or by_name.get(f"*.{name.partition('.')[2]}")


def _take_names(
    configuration: Configuration, domain: _Found, server: Server, by_name: dict[str, _Found]
) -> list[ConfigError]:
    """Let a host's names be its domain's (MDMembers auto), or warn of those that are not."""
    for name in dict.fromkeys(name.lower() for name in (server.name, *server.names)):
        if domain.covers(name):
            continue
        if domain.conf[md.AUTOMATIC]:
            other = _of(by_name, name)
            if other is not None:
                text = f"two Managed Domains have an overlap in domain '{name}', a name of the host {server.name}"
                return [ConfigError(text, server.defn_name, server.defn_line)]
            domain.names += (name,)
            by_name[name] = domain
        else:
            configuration.warnings.append(
                f"the name {name} of the host {server.name} is none of its Managed Domain {domain.name}, so that the "
                f"certificate is not good for it (line {server.defn_line} of {server.defn_name})"
            )
    return []


# ---- how


def _domain(configuration: Configuration, found: _Found) -> Domain:
    conf = found.conf
    static = conf[md.CERTIFICATE_FILES]
    mode = conf[md.RENEW_MODE]
    admin = conf[core.SERVER_ADMIN] or ""
    return Domain(
        found.name,
        found.names,
        mode == "always" or (mode == "auto" and bool(found.servers) and not static),
        conf[md.AUTHORITY],
        conf[md.AGREED],
        conf[md.CONTACT] or ("" if admin == cgi_variables.NOBODY or "@" not in admin else admin),
        conf[md.KEYS],
        conf[md.RENEW_WINDOW],
        conf[md.WARN_WINDOW],
        conf[md.CHALLENGES] or _possible(configuration, found),
        conf[md.DNS_PROGRAM],
        conf[md.ACCOUNT],
        conf[md.PROFILE],
        conf[md.PROFILE_MANDATORY],
        conf[md.ARI],
        static,
    )


def _possible(configuration: Configuration, found: _Found) -> tuple[str, ...]:
    """The challenges that this server can answer, the preferred one first."""
    main = configuration.main.conf
    ports = {listen.port for listen in main[core.LISTEN]}
    if any(listen.name for listen in main[core.LISTEN]):
        ports |= {80, 443}  # (sockets that are passed to the server: it is not known here where they listen)
    mapped = main[md.PORTS]
    possible = []
    in_handshakes = any(
        server.conf[core.ACME_TLS] and profiles.is_on(configuration, server) for server in found.servers
    )
    if mapped.get("https", 443) in ports and in_handshakes:
        possible.append(md.TLS_ALPN_01)
    if mapped.get("http", 80) in ports:
        possible.append(md.HTTP_01)
    if found.conf[md.DNS_PROGRAM]:
        possible.append(md.DNS_01)
    return tuple(possible)


def _unreachable(configuration: Configuration, found: list[_Found], domains: tuple[Domain, ...]) -> list[str]:
    """Warnings of domains that no authority can be shown to be ours."""
    told = []
    for its, domain in zip(found, domains, strict=True):
        where = f"(line {its.told.line} of {its.told.file})"
        if domain.drives and not domain.challenges:
            told.append(
                f"MDomain {domain.name}: no authority can see that it is ours, for this server listens at no port that "
                "the world's port 80 leads to. Listen 80, name the port as in 'MDPortMap http:8080', say 'Protocols "
                f"http/1.1 {md.ALPN}' for a host with TLS at port 443, or give a program by MDChallengeDns01 {where}"
            )
        elif domain.drives and md.DNS_01 not in domain.challenges and any(name[:2] == "*." for name in domain.names):
            told.append(f"MDomain {domain.name}: authorities want MDChallengeDns01 for names with a wildcard {where}")
    return told


# ---- what hosts get


def _number(account: UserAccount | None) -> int:
    """The number of the user whose the store is."""
    return os.geteuid() if account is None else account.uid


def _open(store: Store, account: UserAccount | None, first: _Found) -> None:
    """Make the store, for the account that renews (None: ours). :raises ConfigError: it can't be used."""
    owner = _number(account)
    try:
        if not os.path.isdir(store.folder):
            os.makedirs(store.folder, FOLDER_MODE)
            os.chmod(store.folder, FOLDER_MODE)  # (whatever the umask is)
            if account is not None:
                os.chown(store.folder, account.uid, account.gid)
        its = os.stat(store.folder).st_uid
    except OSError as error:
        text = f"MDStoreDir {store.folder} can't be used: {error.strerror}: name a folder that can be written to"
        raise first.error(text) from error
    if its != owner:
        user = f"#{owner}" if account is None else account.name
        raise first.error(
            f"MDStoreDir {store.folder} has to belong to {user}, as which certificates are renewed: "
            f"chown -R {user} {store.folder}"
        )


def _tell_hosts(
    configuration: Configuration, store: Store, found: list[_Found], domains: tuple[Domain, ...], owner: int
) -> dict[int, tuple[Kept, ...]]:
    """Put what they have to know into the hosts' settings. :returns: the certificates that they get."""
    main = configuration.main
    if any(domain.drives for domain in domains):
        firsts = dict.fromkeys(table.first.number for table in configuration.host_table.tables.values())
        main.own_conf[md.ANSWERS] = Answers(store.answers, tuple(firsts))
    kept = {}
    for its, domain in zip(found, domains, strict=True):
        keys: tuple[str, ...] = its.conf[md.KEY_FILES]
        certificates = tuple(zip(domain.static, keys, strict=True)) or tuple(
            (store.chain(domain.name, kind.label), store.key(domain.name, kind.label)) for kind in domain.keys
        )
        its_owner = -1 if domain.static else owner
        for server in its.servers:
            waits = False
            if profiles.is_on(configuration, server):
                if server.conf[CERTIFICATE_FILES]:
                    configuration.warnings.append(
                        f"the host {server.name} is of Managed Domain {domain.name}, but has a certificate by "
                        f"SSLCertificateFile, which is served: remove one of them (line {server.defn_line} of "
                        f"{server.defn_name})"
                    )
                else:
                    waits = not os.path.exists(certificates[0][0])
                    place = Place("", its.told.file, its.told.line)
                    kept[server.number] = tuple(
                        Kept(place._replace(path=chain), place._replace(path=key), its_owner, bool(domain.static))
                        for chain, key in certificates
                    )
            server.own_conf[md.MANAGED] = Managed(
                server.number, domain.name, domain.names, certificates[0][0], waits, its.conf[md.REQUIRE_HTTPS],
                main.conf[md.SHOWS_STATUS],
            )  # fmt: skip
    return kept
