"""The applications of a configuration: the names of their interpreters, and what each of them needs.

An application is what runs in the interpreters of one name. Sections say what it begins with, and which
environment it has (a Python, a user, limits); what several of them say of one name is brought together here. Names
that show only with a request (in .htaccess files, by patterns, of folders below a section's) are not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mpserver.api import named_objects
from mpserver.config.configuration import Configuration
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.modules import python, wsgi
from mpserver.modules.python.environment import ENVIRONMENT, PRELOAD, Environment, Told, plain
from mpserver.phases.facts import LATE, LIMITED, Wanted
from mpserver.phases.host import server_name
from mpserver.phases.plan_compiler import MAIN
from mpserver.phases.scopes import Scopes
from mpserver.phases.script_places import script_places
from mpserver.typing import NamedTuple

#: What names the application of ``mod_python.wsgi``.
WSGI, WSGI_APPLICATION = "mod_python.wsgi", "mod_python.wsgi.application"


def interpreters(server: Server, conf: Conf) -> Iterator[tuple[str, python.HandlerSpec]]:
    """The handlers of a scope, each with the name that its requests run under."""
    for specs in conf[python.HANDLERS].values():
        for spec in specs:
            if spec.pattern is None:
                yield _interpreter(server, conf, spec), spec


def _interpreter(server: Server, conf: Conf, spec: python.HandlerSpec) -> str:
    named = conf[python.PYTHON_INTERPRETER]
    if named is not None:
        return named
    if conf[python.INTERP_PER_DIRECTORY] or conf[python.INTERP_PER_DIRECTIVE]:
        return spec.directory or MAIN
    return server_name(server)


def names(configuration: Configuration) -> list[str]:
    """The names of all applications, in the order of the configuration."""
    found = [interpreter for _module, interpreter in configuration.main.conf[python.PYTHON_IMPORTS]]
    merged = Scopes()
    for server in (configuration.main, *configuration.hosts):
        found += [name for conf in merged.of(server) for name, _spec in interpreters(server, conf)]
    found += [its.place.name for its in script_places(configuration)]
    return list(dict.fromkeys(found))


def handlers(configuration: Configuration) -> dict[str, tuple[Wanted, ...]]:
    """The modules of all handlers, by the names of their interpreters."""
    found: dict[str, dict[Wanted, None]] = {}
    merged = Scopes()
    for server in (configuration.main, *configuration.hosts):
        for conf in merged.of(server):
            for name, spec in interpreters(server, conf):
                found.setdefault(name, {}).update(dict.fromkeys(_modules(conf, spec)))
    for its in script_places(configuration):
        found.setdefault(its.place.name, {}).update(dict.fromkeys(its.wanted))
    return {name: tuple(its) for name, its in found.items()}


def objects(configuration: Configuration) -> dict[str, dict[Wanted, list[str]]]:
    """What has to be there in the modules of all handlers, as paths with dots, by the names of their interpreters."""
    found: dict[str, dict[Wanted, list[str]]] = {}
    merged = Scopes()
    for server in (configuration.main, *configuration.hosts):
        for conf in merged.of(server):
            for phase, specs in conf[python.HANDLERS].items():
                for spec in specs:
                    if spec.pattern is None:
                        its = found.setdefault(_interpreter(server, conf, spec), {})
                        for wanted, path in zip(_modules(conf, spec), _objects(conf, phase, spec), strict=False):
                            its.setdefault(wanted, []).extend(path)
    for script in script_places(configuration):
        if not script.starts:
            mount = script.conf[wsgi.MOUNT]
            name = (mount and mount.callable) or script.conf[wsgi.CALLABLE_OBJECT]
            found.setdefault(script.place.name, {}).setdefault(script.wanted[-1], []).append(name)
    return found


def _objects(conf: Conf, phase: str, spec: python.HandlerSpec) -> Iterator[list[str]]:
    """What each of the modules of a handler (`_modules`) has to have."""
    path = spec.handler.partition("::")[2] or phase.removeprefix("Python").lower()
    yield [] if spec.silent else [path]
    yield [named_objects.parse(python.options(conf).get(WSGI_APPLICATION, "")).path or named_objects.USUAL]


#: What is noted of an interpreter where a scope says it: not to be loaded before a fork (PythonInterpPreload Off), and
#: that requests have a time limit (PythonRequestTimeout).
NOTED: Mapping[str, Callable[[Conf], bool]] = {
    LATE: lambda conf: not conf[python.INTERP_PRELOADS],
    LIMITED: lambda conf: bool(conf[python.REQUEST_TIMEOUT]),
}


def noted(configuration: Configuration) -> set[tuple[str, str]]:
    """What is noted of interpreters: pairs of what, by `NOTED`, and a name."""
    merged = Scopes()
    return {
        (what, name)
        for server in (configuration.main, *configuration.hosts)
        for conf in merged.of(server)
        for what, holds in NOTED.items()
        if holds(conf)
        for name, _spec in interpreters(server, conf)
    }


def _modules(conf: Conf, spec: python.HandlerSpec) -> Iterator[Wanted]:
    path = conf[python.PYTHON_PATH]
    directory = None if spec.is_location or path is not None else spec.directory
    module = spec.handler.partition("::")[0]
    yield Wanted(module, directory, path)
    application = python.options(conf).get(WSGI_APPLICATION)
    if module == WSGI and application:
        named = named_objects.parse(application)
        yield Wanted(named.module, directory, path, (named.path or named_objects.USUAL) if named.is_factory else "")


# ---- environments


class Environments(NamedTuple):
    """The environments by interpreter name, and what is wrong with them."""

    by_name: dict[str, Environment]
    faults: list[ConfigError]


def environments(configuration: Configuration) -> Environments:
    """What the configuration says of the environments of interpreters."""
    told: dict[str, dict[str, Told]] = {}
    faults: list[ConfigError] = []
    backends: dict[str, set[str]] = {}
    merged = Scopes()
    for server in (configuration.main, *configuration.hosts):
        for conf in merged.of(server):
            environment = conf[ENVIRONMENT]
            if environment:
                for name in dict.fromkeys(name for name, _spec in interpreters(server, conf)):
                    _add(name, told.setdefault(name, {}), environment, faults)
                    if python.INTERP_BACKEND in conf:
                        backends.setdefault(name, set()).add(conf[python.INTERP_BACKEND])
    for name, its in told.items():
        one = next(iter(its.values()))
        others = backends.get(name, set()) - {"auto", "process"}
        if name == MAIN or others:
            where = f"PythonInterpBackend {others.pop()}" if others else "the main interpreter of a worker"
            faults.append(
                ConfigError(
                    f"{one.directive} needs a process of its own, and can't be had with {where}: use "
                    "PythonInterpBackend process or leave it out, and give the application a PythonInterpreter name",
                    one.file,
                    one.line,
                )
            )
    by_name = {name: plain(its) for name, its in told.items()}
    by_name.update({its.place.name: its.place.environment for its in script_places(configuration)})
    return Environments({name: its for name, its in by_name.items() if its}, faults)


def _add(name: str, its: dict[str, Told], more: Mapping[str, Told], faults: list[ConfigError]) -> None:
    for key, told in more.items():
        known = its.get(key)
        if known is None:
            its[key] = told
        elif key == PRELOAD:
            its[key] = known._replace(value=tuple(dict.fromkeys((*known.value, *told.value))))
        elif known.value != told.value:
            faults.append(
                ConfigError(
                    f"{told.directive} says another thing of interpreter '{name}' than {known.directive} on line "
                    f"{known.line} of {known.file} does: an interpreter has one environment, so give one of the two "
                    "sections another PythonInterpreter",
                    told.file,
                    told.line,
                )
            )
