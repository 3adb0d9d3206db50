"""What a finished configuration tells of its applications, by their interpreters' names.

`mpserver.phases.survey` worked it out once, from all servers and sections, so that nobody who serves has to look at
all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mpserver.modules import python
from mpserver.modules.python.environment import PRELOAD
from mpserver.modules.wsgi import BETWEEN
from mpserver.typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpserver.config.finished import Finished
    from mpserver.modules.python.environment import Environment
    from mpserver.tls.profile import Profile

#: Facts for everybody: whether a module wants connections of any server; whether any interpreter has an environment;
#: the lifetimes of the interpreters of folders, as (folder, order, lifetime).
TAKES_CONNECTIONS, HAS_ENVIRONMENTS, FOLDERS = "takes connections", "has environments", "lifetimes of folders"

#: By an interpreter's name: its environment; its lifetime, as (order, lifetime); the modules of its handlers;
#: whether they are loaded after a fork only; whether requests have a time limit.
ENVIRONMENT, LIFETIME, HANDLERS, LATE, LIMITED = "environment", "lifetime", "handlers", "late", "limited"
#: Whether any server speaks TLS; by a server's number: its `mpserver.tls.profile.Profile`, plain.
HAS_TLS, TLS = "has TLS", "TLS"
#: By an interpreter's name, and by "" for all that have none by theirs: pairs of an environment variable and its value.
VARIABLES = "variables"
#: Whether any interpreter imports lazily; by an interpreter's name, and by "" for all others: whether it does.
HAS_LAZY_IMPORTS, LAZY_IMPORTS = "has lazy imports", "lazy imports"
#: Whether connections of any server begin with a header of the PROXY protocol.
HAS_PROXY_PROTOCOL = "has PROXY protocol"
#: By "": the folders of documents of all servers.
DOCUMENTS = "documents"
#: For everybody: the interpreters that start with their workers, as (kind, name, environment).
STARTED = "started"


class Wanted(NamedTuple):
    """A module to load: its name, the directory that comes first on sys.path, and PythonPath.

    ``factory``: what in it is called for a WSGI application (``module:make()``); "": nothing is.
    """

    module: str
    directory: str | None
    path: str | None
    factory: str = ""


def takes_connections(configuration: Finished) -> bool:
    """Whether a module wants connections of any server; only then they are looked at before their first request."""
    return bool(configuration.facts.get(TAKES_CONNECTIONS))


def has_tls(configuration: Finished) -> bool:
    """Whether any server speaks TLS; only then connections are looked at before their first request."""
    return bool(configuration.facts.get(HAS_TLS))


def has_proxy_protocol(configuration: Finished) -> bool:
    """Whether connections of any server begin with a header of the PROXY protocol."""
    return bool(configuration.facts.get(HAS_PROXY_PROTOCOL))


def profile(configuration: Finished, number: int) -> Profile | None:
    """How a server speaks TLS, by its number; None: it does not."""
    found = configuration.look_up(TLS, str(number))
    if found is None:
        return None
    from mpserver.tls.profile import from_plain  # (only where there are such servers)

    return from_plain(found)


def environments(configuration: Finished) -> Mapping[str, Environment]:
    """The environments of interpreters, by their names."""
    return _Environments(configuration) if configuration.facts.get(HAS_ENVIRONMENTS) else {}


class _Environments(Mapping[str, "Environment"]):
    """Looks a name up when it is asked for."""

    __slots__ = ("_configuration",)

    def __init__(self, configuration: Finished) -> None:
        self._configuration = configuration

    def __getitem__(self, name: str) -> Environment:
        found: Environment | None = self._configuration.look_up(ENVIRONMENT, name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        raise TypeError("environments are found by their interpreters' names only")

    __len__ = None  # type: ignore[assignment]


def lifetime(configuration: Finished, name: str) -> tuple[int, float, bool] | None:
    """How long an interpreter lives: requests, seconds of idleness, whether until a file changes; None: not said."""
    order, found = configuration.look_up(LIFETIME, name) or (None, None)
    for folder, its, told in configuration.facts.get(FOLDERS, ()):
        if name.startswith(folder) and (order is None or its < order):
            order, found = its, told
    return found


def handlers(configuration: Finished, name: str) -> list[Wanted]:
    """The modules of the handlers that an interpreter of a name can have, in their order."""
    return [Wanted(*wanted) for wanted in configuration.look_up(HANDLERS, name) or ()]


def variables(configuration: Finished, name: str) -> dict[str, str]:
    """What an interpreter of a name finds in ``os.environ`` beside the server's (PythonInterpEnv)."""
    found = configuration.look_up(VARIABLES, name)
    return dict(configuration.look_up(VARIABLES, "") or () if found is None else found)


def imports_lazily(configuration: Finished, name: str) -> bool:
    """Whether an interpreter of a name imports what it uses when it is first used (PythonInterpLazyImports)."""
    if not configuration.facts.get(HAS_LAZY_IMPORTS):
        return False
    found = configuration.look_up(LAZY_IMPORTS, name)
    return bool(configuration.look_up(LAZY_IMPORTS, "") if found is None else found)


def preloads(configuration: Finished, name: str) -> bool:
    """Whether an application is loaded before its processes are forked, where it is fit for that."""
    return configuration.main.base[python.INTERP_PRELOADS] and not configuration.look_up(LATE, name)


def has_time_limit(configuration: Finished, name: str) -> bool:
    """Whether requests of an application have a time limit (PythonRequestTimeout): so has what loads for them."""
    group = name.partition(BETWEEN)[0]  # (of scripts, if it is one)
    return bool(configuration.look_up(LIMITED, name) or configuration.look_up(LIMITED, group))


def started(configuration: Finished) -> tuple[tuple[str, str, Environment], ...]:
    """The interpreters that a worker starts before there are requests, beside those of PythonImport."""
    return tuple(configuration.facts.get(STARTED, ()))


def documents(configuration: Finished) -> tuple[str, ...]:
    """The folders of documents of all servers."""
    return tuple(configuration.look_up(DOCUMENTS, "") or ())


def modules(configuration: Finished, name: str, environment: Environment = ()) -> list[Wanted]:
    """The modules that an application begins with, in their order."""
    main = configuration.main
    path = main.base[python.PYTHON_PATH]
    imports = main.conf[python.PYTHON_IMPORTS]
    first = [Wanted(module.partition("::")[0], None, path) for module, its in reversed(imports) if its == name]
    found = handlers(configuration, name)
    path = next((wanted.path for wanted in found if wanted.path is not None), path)
    directory = None if path is not None else next((wanted.directory for wanted in found), None)
    asked = [Wanted(module, directory, path) for module in dict(environment).get(PRELOAD, ())]
    return list(dict.fromkeys([*asked, *first, *found]))
