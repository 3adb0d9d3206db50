"""Whether the accounts that will run can read what they need: Python, the server's packages, the applications' folders.

Root starts the server and reads everything; the accounts of User and PythonInterpUser may not, and find out when
a request comes. So the start and ``-t`` look with their eyes: a child becomes the account and tells what it can't
reach. Where another account than root starts the server, it is the one that runs, and looks itself.

What nobody can be served without is a fault: Python, the packages, a virtual environment, DocumentRoot, the folder of
a section with handlers. What is a fault only if it is used is a warning: entries of PythonPath, and folders that can
be entered but not listed.
"""

from __future__ import annotations

import marshal
import os
import signal
import stat
from collections.abc import Iterator
from importlib.util import find_spec

from mpserver.cli import python_options, python_paths
from mpserver.errors import ConfigError, StartError
from mpserver.modules import core, python, unixd
from mpserver.modules.python.environment import ENVIRONMENT, PYTHON, USER, Environment
from mpserver.phases.applications import interpreters
from mpserver.phases.scopes import scopes
from mpserver.system.account import Account, assume, name_of
from mpserver.system.process import BLOCKED
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from mpserver.config.configuration import Configuration
    from mpserver.config.server import Server
    from mpserver.config.settings import Conf
    from mpserver.config.tree import Tree

#: What every interpreter imports: the server's packages, and the libraries that these use there.
PACKAGES = ("mpserver", "mod_python", "multipart")

#: What a look finds: the hindering file or folder, and what can't be done with it; "" for nothing.
Hindrance = tuple[str, str]
ENTER, LIST, READ, EXECUTE, WRITE = "enter", "list", "read", "execute", "write to"

#: Directives that name a file of users or groups, in lower case.
_USERS = ("authuserfile", "authgroupfile")


class Needed(NamedTuple):
    """A path that an account needs.

    ``what`` names it, with the directive that does. ``hard``: without it there is a fault. ``writes``: it is a folder
    that the account makes files in. ``file`` and ``line`` tell where the configuration says so, where that is known.
    """

    identity: Account
    path: str
    what: str
    hard: bool = True
    file: str | None = None
    line: int = 0
    writes: bool = False


def check(configuration: Configuration, by_name: dict[str, Environment]) -> tuple[list[ConfigError], list[str]]:
    """Look with the eyes of those who will run; ``by_name`` are the environments of interpreters.

    :returns: the faults, and the warnings
    """
    wanted: dict[Account, dict[str, Needed]] = {}
    for needed in _needed(configuration, by_name):
        its = wanted.setdefault(needed.identity, {})
        known = its.get(needed.path)
        if known is None or (needed.hard and not known.hard):
            its[needed.path] = needed
    faults: list[ConfigError] = []
    warnings: list[str] = []
    for identity, its in wanted.items():
        for needed, (where, verb) in zip(its.values(), _look_as(identity, list(its.values())), strict=True):
            if not verb:
                continue
            text = _told(needed, where, verb)
            if needed.hard and verb != LIST:
                faults.append(ConfigError(text, needed.file, needed.line or None))
            else:
                warnings.append(text)
    return faults, warnings


# ---- who, and what


def _needed(configuration: Configuration, by_name: dict[str, Environment]) -> Iterator[Needed]:
    main = _runner(configuration)
    if main is None:
        return
    accounts = {name: _account(dict(its)) or main for name, its in by_name.items()}
    limited = [identity for identity in dict.fromkeys((main, *accounts.values())) if identity.uid]
    for identity in limited:
        yield from (Needed(identity, path, what) for path, what in _everywhere())
    if not limited:
        return
    if main.uid and set(accounts.values()) <= {main}:  # (else it may be another one that looks at them)
        yield from _of_tree(configuration.tree, configuration.root, main)
    seen: set[int] = set()
    for server in (configuration.main, *configuration.hosts):
        if main.uid and core.DOCUMENT_ROOT in server.conf:
            root = core.document_root(server.conf)
            yield Needed(main, root, f"DocumentRoot {root}")
        if id(server.sections) not in seen:  # (hosts without sections of their own share the main server's)
            seen.add(id(server.sections))
            for conf in scopes(server):
                yield from (needed for needed in _of_scope(server, conf, accounts, main) if needed.identity.uid)


def _of_tree(tree: Tree, root: str, main: Account) -> Iterator[Needed]:
    """Files of users, and folders of sessions, wherever they are named; what is not there is told elsewhere."""
    for node in tree:
        name = node.name.lower()
        if name in _USERS and node.args:
            path = os.path.join(root, node.args[0])
            yield Needed(main, path, f"{node.name} {node.args[0]}", False, node.file, node.line)
        elif name == "pythonoption" and len(node.args) > 1 and node.args[0].lower() in python_options.DIRECTORIES:
            path = os.path.join(root, node.args[1])
            yield Needed(main, path, f"{node.name} {' '.join(node.args)}", False, node.file, node.line, True)
        yield from _of_tree(node.children or (), root, main)


def _runner(configuration: Configuration) -> Account | None:
    """Whom the workers run as; None where that can't be told, which is a fault of another kind."""
    if os.geteuid():
        uid = os.geteuid()
        return Account(uid, os.getegid(), name_of(uid), "/")
    try:
        return unixd.identity(configuration.main.conf)
    except ConfigError:
        return None


def _account(environment: dict[str, Any]) -> Account | None:
    """The account of PythonInterpUser (who is not root can name itself only)."""
    if USER not in environment or os.geteuid():
        return None
    user, group = environment[USER]
    try:
        return unixd.account(user, group or None)
    except ConfigError:
        return None  # the directive's own check tells it


def _everywhere() -> Iterator[tuple[str, str]]:
    """What every interpreter needs, and its name."""
    library = os.path.dirname(os.__file__)
    yield library, f"Python's library {library}"
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            folder = os.path.dirname(spec.origin) if spec.submodule_search_locations else spec.origin
            yield folder, f"the package {name} in {folder}"


def _of_scope(server: Server, conf: Conf, accounts: dict[str, Account], main: Account) -> Iterator[Needed]:
    """What the sections name."""
    for name, spec in interpreters(server, conf):
        identity = accounts.get(name, main)
        told = conf[ENVIRONMENT].get(PYTHON)
        if told is not None:
            yield Needed(identity, told.value, f"{told.directive} {told.value}", True, told.file, told.line)
            home = os.path.dirname(os.path.dirname(told.value))
            if os.path.exists(os.path.join(home, "pyvenv.cfg")):
                yield Needed(identity, home, f"{told.directive} {home}", True, told.file, told.line)
        if spec.directory is not None and not spec.is_location:
            folder = spec.directory.rstrip("/") or "/"
            yield Needed(identity, folder, f"the folder {folder} of the handler {spec.handler}")
        for entry in _entries(conf[python.PYTHON_PATH]):
            yield Needed(identity, entry, f"the PythonPath entry {entry}", False)


def _entries(path: str | None) -> Iterator[str]:
    """The absolute paths that stand in a PythonPath expression as they are."""
    yield from (entry for entry in python_paths.literal(path or "") if entry.startswith("/"))


# ---- looking


def _look_as(identity: Account, wanted: list[Needed]) -> list[Hindrance]:
    """What hinders an account at each path."""
    if os.geteuid():
        return [hindrance(one.path, one.writes) for one in wanted]
    reader, writer = os.pipe2(os.O_CLOEXEC)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, BLOCKED)
    pid = -1
    try:
        pid = os.fork()
        if pid == 0:
            _be(identity, wanted, writer)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(writer)
    with open(reader, "rb") as file:
        data = file.read()
    os.waitpid(pid, 0)
    return marshal.loads(data) if data else [("", "")] * len(wanted)  # noqa: S302 - a child that we forked says it


def _be(identity: Account, wanted: list[Needed], writer: int) -> NoReturn:
    """The child's life: look, and tell. Nothing of the parent's is run or cleaned up."""
    try:
        assume(identity)
        data = marshal.dumps([hindrance(one.path, one.writes) for one in wanted])
        with open(writer, "wb") as file:
            file.write(data)
    except (StartError, OSError):
        pass  # (the start will fail, and tell why)
    finally:
        os._exit(0)


def hindrance(path: str, writes: bool = False) -> Hindrance:
    """What keeps this process from a file or folder: the first that it can't use, and how it would have to.

    What is not there hinders nobody here: who needs it says so.
    """
    real = os.path.realpath(path)  # (it goes as far as we may look)
    end = real.find("/", 1)
    while end > 0:
        if os.path.exists(real[:end]) and not os.access(real[:end], os.X_OK):
            return real[:end], ENTER
        end = real.find("/", end + 1)
    try:
        mode = os.stat(real).st_mode
    except OSError:
        return "", ""
    file_rights = ((os.X_OK, EXECUTE),) if mode & 0o111 else ((os.R_OK, READ),)
    folder_rights = ((os.X_OK, ENTER), (os.W_OK, WRITE) if writes else (os.R_OK, LIST))
    rights = folder_rights if stat.S_ISDIR(mode) else file_rights
    return next(((real, verb) for right, verb in rights if not os.access(real, right)), ("", ""))


def _told(needed: Needed, where: str, verb: str) -> str:
    found = os.stat(where)
    kind = "folder" if stat.S_ISDIR(found.st_mode) else "file"
    return (
        f"{needed.what}: the account {needed.identity.name}, which will run, can't {verb} the {kind} {where} "
        f"(mode {stat.S_IMODE(found.st_mode):04o}, of {name_of(found.st_uid)}): give it that right, or use an account "
        f"that has it{_place(needed)}"
    )


def _place(needed: Needed) -> str:
    """Where a warning's directive stands; that of a fault is told with it."""
    return "" if needed.hard or needed.file is None else f" (line {needed.line} of {needed.file})"
