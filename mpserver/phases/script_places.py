"""The applications of WSGI scripts, as far as the configuration shows them: WSGIScriptAlias for one script."""

from __future__ import annotations

from collections.abc import Iterator

from mpserver.config.configuration import Configuration
from mpserver.config.sections import Last
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.modules import wsgi
from mpserver.modules.paths import chain
from mpserver.modules.wsgi import placement
from mpserver.phases.facts import Wanted
from mpserver.phases.host import server_name
from mpserver.typing import NamedTuple

#: The module of the content handler for scripts.
HANDLER = "mod_python._wsgi.script"


class ScriptPlace(NamedTuple):
    """An interpreter that scripts run in, the modules that it begins with, and whether it is there from the start."""

    place: placement.Place
    wanted: tuple[Wanted, ...]
    starts: bool
    #: What holds for the scripts.
    conf: Conf


def script_places(configuration: Configuration) -> Iterator[ScriptPlace]:
    """Them, in the order of the configuration."""
    for server in (configuration.main, *configuration.hosts):
        name = server_name(server)
        for mount in server.conf[wsgi.MOUNTS]:
            script = mount.script
            if script is not None:
                conf = _conf(server, mount, script)
                yield _of(placement.place(server, conf, name, mount.path), script, False, conf)
        for its in server.own_conf[wsgi.PRELOADED]:
            group = placement.spelled(its.application_group, name, placement.port_of(server), "")
            yield _of(placement.grouped(server, server.base, its.process_group, group), its.script, True, server.base)


def _conf(server: Server, mount: wsgi.Mount, script: str) -> Conf:
    """What holds for a script's requests."""
    directory, _, name = script.rpartition("/")
    merged = server.sections.merged(mount.prefix, chain(directory + "/"), None, name, Last.FILE)
    return merged.merged(Conf({wsgi.MOUNT: mount}))


def _of(place: placement.Place, script: str, starts: bool, conf: Conf) -> ScriptPlace:
    return ScriptPlace(place, (Wanted(HANDLER, None, place.path), Wanted(script, None, place.path)), starts, conf)
