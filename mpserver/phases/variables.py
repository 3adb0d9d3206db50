"""The environment variables of applications (PythonInterpEnv), brought together by the names of their interpreters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mpserver.config.configuration import Configuration
from mpserver.config.server import Server
from mpserver.config.settings import Conf
from mpserver.errors import ConfigError
from mpserver.modules import python
from mpserver.modules.python.environment import VARIABLES, Told
from mpserver.phases.host import server_name
from mpserver.phases.plan_compiler import MAIN, identify
from mpserver.phases.scopes import Scopes
from mpserver.typing import NamedTuple


class Variables(NamedTuple):
    """The variables by interpreter name, and what is wrong with them. The name "" is for those not named."""

    by_name: dict[str, dict[str, str]]
    faults: list[ConfigError]


def variables(configuration: Configuration) -> Variables:
    """What the configuration says of the variables of interpreters.

    What counts are the scopes that have handlers; of the others, which may get them by .htaccess files, what adds to
    that. Interpreters whose names show only with a request have what the main server says.
    """
    servers = (configuration.main, *configuration.hosts)
    merged = Scopes()
    scopes = [(server, conf) for server in servers for conf in merged.of(server)]
    common = configuration.main.base[VARIABLES]
    if not any(conf[VARIABLES] for _server, conf in scopes):
        return Variables({}, [])
    told: dict[str, dict[str, Told]] = {}
    faults: list[ConfigError] = []
    for server, conf in scopes:
        if any(conf[python.HANDLERS].values()):
            for name in names(server, conf):
                if name is None:
                    faults += _unknown(conf[VARIABLES], common)
                else:
                    _add(name, told.setdefault(name, {}), conf[VARIABLES], faults)
    for server, conf in reversed(scopes):
        for name in names(server, conf):
            if name is not None:
                its = told.setdefault(name, {})
                its.update((key, one) for key, one in conf[VARIABLES].items() if key not in its)
    told[""] = dict(common)
    return Variables({name: {key: one.value for key, one in its.items()} for name, its in told.items()}, faults)


def names(server: Server, conf: Conf) -> Iterator[str | None]:
    """The interpreters of a scope; None where they are named by the folders of requests."""
    backend = conf[python.INTERP_BACKEND]
    named = conf[python.PYTHON_INTERPRETER]
    if named is not None:
        yield identify(named, backend).name
    elif backend == "main":
        yield MAIN
    elif conf[python.INTERP_PER_DIRECTORY]:
        yield None
    elif conf[python.INTERP_PER_DIRECTIVE]:
        for specs in conf[python.HANDLERS].values():
            for spec in specs:
                yield None if spec.pattern is not None else identify(spec.directory or MAIN, backend).name
    else:
        yield identify(server_name(server), backend).name


def _add(name: str, its: dict[str, Told], more: Mapping[str, Told], faults: list[ConfigError]) -> None:
    for key, told in more.items():
        known = its.setdefault(key, told)
        if known.value != told.value:
            faults.append(
                ConfigError(
                    f"{told.directive} says another thing of interpreter '{name}' than line {known.line} of "
                    f"{known.file} does: an interpreter has one environment, so give one of the two sections another "
                    "PythonInterpreter",
                    told.file,
                    told.line,
                )
            )


def _unknown(more: Mapping[str, Told], common: Mapping[str, Told]) -> Iterator[ConfigError]:
    """What sections say of interpreters that are named by the folders of requests."""
    for key, told in more.items():
        known = common.get(key)
        if known is None or known.value != told.value:
            yield ConfigError(
                f"{told.directive}: the interpreters of this section are named by the folders of requests, and have "
                "the variables of the main server only: give the section a PythonInterpreter name",
                told.file,
                told.line,
            )
