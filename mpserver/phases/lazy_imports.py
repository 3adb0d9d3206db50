"""Which interpreters import lazily (PythonInterpLazyImports), by their names."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

from mpserver.config.configuration import Configuration
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.modules import python
from mpserver.modules.python.environment import LAZY_IMPORTS, LAZY_SINCE, PYTHON, Environment, Told
from mpserver.modules.python.environment_directives import version_of
from mpserver.phases.scopes import Scopes
from mpserver.phases.script_places import script_places
from mpserver.phases.variables import names
from mpserver.typing import NamedTuple


class Lazy(NamedTuple):
    """Whether interpreters import lazily, by their names, and what is wrong with that.

    The name "" is for those not named; where nothing is said there are no names.
    """

    by_name: dict[str, bool]
    faults: list[ConfigError]


def lazy(configuration: Configuration, environments: Mapping[str, Environment], checks: bool = False) -> Lazy:
    """What the configuration says of the imports of interpreters.

    What counts are the scopes that have handlers, and those of WSGI scripts; the others, which may get handlers by
    .htaccess files, add to that. Interpreters whose names show only with a request have what the main server says.

    :param checks: ask the Pythons of PythonExecutable what they are.
    """
    servers = (configuration.main, *configuration.hosts)
    merged = Scopes()
    scopes = [(server, conf) for server in servers for conf in merged.of(server)]
    if all(conf[LAZY_IMPORTS] is None for _server, conf in scopes):
        return Lazy({}, [])
    common = configuration.main.base[LAZY_IMPORTS]
    told: dict[str, Told | None] = {}
    faults: list[ConfigError] = []
    for name, conf in _served(configuration, scopes):
        if name is None:
            faults += _unknown(conf[LAZY_IMPORTS], common)
        else:
            faults += _conflict(name, told.setdefault(name, conf[LAZY_IMPORTS]), conf[LAZY_IMPORTS])
    for server, conf in reversed(scopes):
        for name in names(server, conf):
            if name is not None:
                told.setdefault(name, conf[LAZY_IMPORTS])
    told[""] = common
    on = {name: one for name, one in told.items() if one is not None and one.value}
    faults += _too_old(on, environments, checks)
    return Lazy({name: name in on for name in told}, faults)


def _served(configuration: Configuration, scopes: Sequence[tuple[Server, Conf]]) -> Iterator[tuple[str | None, Conf]]:
    """The interpreters of what has handlers, each with what holds there; None: named by the folders of requests."""
    for server, conf in scopes:
        if any(conf[python.HANDLERS].values()):
            for name in names(server, conf):
                yield name, conf
    for its in script_places(configuration):
        yield its.place.name, its.conf


def _conflict(name: str, known: Told | None, told: Told | None) -> Iterator[ConfigError]:
    """What two scopes say of one interpreter, where it is not the same."""
    if _value(known) != _value(told):
        one, other = (told, known) if told is not None else (known, None)
        assert one is not None
        where = "another section" if other is None else f"line {other.line} of {other.file}"
        yield ConfigError(
            f"{one.directive} says another thing of interpreter '{name}' than {where} does: an interpreter imports in "
            "one way, so give one of the two sections another PythonInterpreter",
            one.file,
            one.line,
        )


def _unknown(told: Told | None, common: Told | None) -> Iterator[ConfigError]:
    """What a section says of interpreters that are named by the folders of requests."""
    if told is not None and _value(told) != _value(common):
        yield ConfigError(
            f"{told.directive}: the interpreters of this section are named by the folders of requests, and import as "
            "the main server says: give the section a PythonInterpreter name",
            told.file,
            told.line,
        )


def _too_old(on: Mapping[str, Told], environments: Mapping[str, Environment], checks: bool) -> Iterator[ConfigError]:
    """A fault for each directive that a Python would be too old for."""
    versions: dict[str | None, tuple[int, int]] = {None: sys.version_info[:2]}
    seen: set[Told] = set()
    for name, told in on.items():
        path: str | None = dict(environments.get(name, ())).get(PYTHON)
        if path is not None and path not in versions:
            if not checks:
                continue
            try:
                versions[path] = version_of(path)
            except ConfigError:
                continue  # (who named it is told that it does not run)
        version = versions[path]
        if version < LAZY_SINCE and told not in seen:
            seen.add(told)
            least, have = (".".join(map(str, numbers)) for numbers in (LAZY_SINCE, version))
            which = "this server runs with" if path is None else f"{path} of interpreter '{name}' is"
            yield ConfigError(
                f"{told.directive} On needs Python {least} or later, and {which} Python {have}: leave it out, or give "
                f"the application a Python that has lazy imports (PythonExecutable)",
                told.file,
                told.line,
            )


def _value(told: Told | None) -> bool:
    return told is not None and bool(told.value)
