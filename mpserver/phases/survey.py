"""Looks once through all servers and sections of a configuration, for what `mpserver.phases.facts` tells."""

from __future__ import annotations

from collections.abc import Iterator

from mpserver.config import finishing, records
from mpserver.config.configuration import Configuration
from mpserver.config.finished import PIECES, Finished
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.modules import core, python, remoteip, wsgi
from mpserver.modules.all import TABLE, registry
from mpserver.modules.hook_table import HookTable
from mpserver.modules.wsgi import BETWEEN
from mpserver.phases import facts
from mpserver.phases.applications import environments, handlers, noted
from mpserver.phases.host import server_name
from mpserver.phases.lazy_imports import lazy
from mpserver.phases.plan_compiler import MAIN, identify
from mpserver.phases.scopes import is_mixed, scopes
from mpserver.phases.script_places import script_places
from mpserver.phases.variables import variables
from mpserver.tls.profile import to_plain
from mpserver.typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpserver.modules.ssl.profiles import Encryption

#: How long an interpreter lives, as `mpserver.serving.lifetime.InterpreterLifetime` has it.
Told = tuple[int, float, int]
NOTHING: Told = (0, 0.0, 0)

Keys = dict[tuple[str, ...], Any]


def finish(configuration: Configuration, encryption: Encryption | None = None) -> Finished:
    """The finished configuration of one that was read, for those that serve. It has a descriptor."""
    keys: Keys = {}
    if encryption is not None:
        for number, profile in encryption.profiles.items():
            keys[facts.TLS, str(number)] = to_plain(profile)
    own = environments(configuration).by_name
    keys.update({(facts.ENVIRONMENT, name): environment for name, environment in own.items()})
    for name, found in handlers(configuration).items():
        keys[facts.HANDLERS, name] = tuple(map(tuple, found))
    for name, its in variables(configuration).by_name.items():
        keys[facts.VARIABLES, name] = tuple(its.items())
    imports = lazy(configuration, own).by_name
    keys.update({(facts.LAZY_IMPORTS, name): lazily for name, lazily in imports.items()})
    keys.update(dict.fromkeys(noted(configuration), True))
    servers = (configuration.main, *configuration.hosts)
    table = HookTable(TABLE)
    documents = dict.fromkeys(core.document_root(server.conf) for server in servers)
    keys[facts.DOCUMENTS, ""] = tuple(documents)
    common = {
        facts.TAKES_CONNECTIONS: any(
            any(table.ask(table.active(server.conf), "takes_connections", server.conf)) for server in servers
        ),
        facts.HAS_ENVIRONMENTS: bool(own),
        facts.HAS_LAZY_IMPORTS: any(imports.values()),
        facts.HAS_TLS: encryption is not None and bool(encryption.profiles),
        facts.HAS_PROXY_PROTOCOL: any(remoteip.reads_proxy_protocol(server.conf) for server in servers),
        facts.FOLDERS: _lifetimes(configuration, keys),
        facts.STARTED: tuple(
            tuple(identify(its.place.name, its.place.kind, its.place.environment))
            for its in script_places(configuration)
            if its.starts
        ),
    }
    if encryption is not None and encryption.files.pieces:
        common[PIECES] = secrets = records.write(None, [], {}, renewable=True)
        records.renew(secrets, encryption.files.pieces)
    return Finished(finishing.write(configuration, common, keys), registry)


def told(conf: Conf) -> Told:
    """What a scope tells of it."""
    return conf[python.INTERP_MAX_REQUESTS], conf[python.INTERP_IDLE_TIMEOUT], conf[python.INTERP_RELOAD]


def _lifetimes(configuration: Configuration, keys: Keys) -> tuple[tuple[str, int, Told], ...]:
    """How long interpreters live, put into the keys; and those of folders, which have no names yet.

    What counts is the first that says something: of the main server, then of the virtual hosts, the sections before
    the server's own level.
    """
    folders: dict[str, tuple[str, int, Told]] = {}
    order = 0
    sections, scopes = None, []
    for server in (configuration.main, *configuration.hosts):
        if server.sections is not sections or is_mixed(server):  # (many hosts have the same)
            sections = server.sections
            scopes = [(conf, told(conf)) for conf in _scopes(server) if told(conf) != NOTHING]
        for conf, its in scopes:
            order += 1
            for name in _names(server, conf):
                keys.setdefault((facts.LIFETIME, name), (order, its))
            for folder in _folders(conf):
                folders.setdefault(folder, (folder, order, its))
    for server in (configuration.main, *configuration.hosts):
        for daemon in server.own_conf[wsgi.DAEMONS].values():
            order += 1
            lives = (daemon.requests, daemon.idle, server.base[wsgi.SCRIPT_RELOADING])
            keys.setdefault((facts.LIFETIME, daemon.name), (order, lives))
            if daemon.time_limit:
                keys[facts.LIMITED, daemon.name] = True
            group = daemon.name + BETWEEN
            folders.setdefault(group, (group, order, lives))
    return tuple(folders.values())


def _scopes(server: Server) -> Iterator[Conf]:
    """Each section with what holds around it, the narrowest first; and the server's own level."""
    sections = server.sections
    entries = (*sections.directories, *sections.directory_matches, *sections.locations)
    if any(told(entry.conf) != NOTHING for entry in entries):
        yield from reversed(tuple(scopes(server))[1:])
    yield server.base


def _names(server: Server, conf: Conf) -> Iterator[str]:
    """The interpreters that a scope's requests run in, as far as it shows without a request."""
    backend = conf[python.INTERP_BACKEND]
    named = conf[python.PYTHON_INTERPRETER]
    if named is None and not (conf[python.INTERP_PER_DIRECTORY] or conf[python.INTERP_PER_DIRECTIVE]):
        named = server_name(server)
    if named is not None:
        yield identify(named, backend).name
    elif not conf[python.INTERP_PER_DIRECTORY]:
        for specs in conf[python.HANDLERS].values():
            for spec in specs:
                yield identify(spec.directory or MAIN, backend).name


def _folders(conf: Conf) -> Iterator[str]:
    """The folders of a scope, those below which have an interpreter each."""
    if conf[python.PYTHON_INTERPRETER] is None and conf[python.INTERP_PER_DIRECTORY]:
        for specs in conf[python.HANDLERS].values():
            for spec in specs:
                if spec.directory:
                    yield spec.directory
