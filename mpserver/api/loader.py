"""Importing handler modules, and reloading those that changed (manual 5.4.8, 5.4.11; api 3.5 1.8).

A handler's directory comes first on ``sys.path``, unless PythonPath says what the path is. Modules
of one name in two directories are two modules: each directory's handlers get their own.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
import time
from _thread import RLock
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from threading import local
from types import ModuleType

from mpserver.api import constants, scripts
from mpserver.api.early_errors import EarlyErrors
from mpserver.api.factories import Factories
from mpserver.api.faults import Fault, mark
from mpserver.api.search_path import Additions, Neighbours
from mpserver.api.turns import Turn
from mpserver.system import own_imports
from mpserver.system.module_finder import OURS
from mpserver.typing import Any

#: How long a module's file is trusted before it is looked at again, in seconds.
RECHECK_AFTER = 1.0

#: How a module was loaded, so that another interpreter can load it the same way: its name, where (a handler's
#: directory, or the path of `Loader.import_module`), and PythonPath, if that was in effect.
LoadedModule = tuple[str, str | tuple[str, ...] | None, str | None]


#: What a module is known by: its name and, as `Loader.load` or `Loader.import_module` have them, where it is from.
Key = tuple[Any, ...]


def _nobody(*_told: Any) -> None:
    """Where applications don't move, nobody has to be told."""


class Loaded:
    """A module that was loaded for handlers, with the state of its file at that time."""

    __slots__ = ("additions", "busy", "checked", "children", "fault", "file", "mark", "module", "version")

    def __init__(self, module: ModuleType, now: float) -> None:
        self.module = module
        self.file: str | None = getattr(module, "__file__", None)
        self.mark = mark(self.file)
        self.checked = now
        #: Counts reloads, so that what was looked up in the module is looked up again.
        self.version = 0
        #: What it imported by ``apache.import_module`` when it was executed, and their versions then.
        self.children: dict[Loaded, int] = {}
        #: What it has put on ``sys.path``, where it was loaded ahead of its interpreter.
        self.additions: Additions | None = None
        #: Why it could not be loaded anew.
        self.fault: Fault | None = None
        #: It is being looked at: modules may import each other.
        self.busy = False


def resolve_object(module: Any, path: str, argument: Any = None, silent: bool = False) -> Any:
    """The object that a dotted path names in a module (api 3.5 1.5).

    A class on the way is instantiated with ``argument``, if there is one; the last object is given as it is.

    :raises AttributeError: there is no such object; None is given instead where ``silent``.
    """
    found = module
    for name in path.split("."):
        if argument is not None and isinstance(found, type):
            found = found(argument)
        try:
            found = getattr(found, name)
        except AttributeError:
            if silent:
                return None
            where = getattr(module, "__file__", None) or repr(module)
            raise AttributeError(f"module '{where}' contains no '{path}'") from None
    return found


class Loader:
    """The modules of one interpreter's handlers.

    ``log(level, text)`` writes to the error log.
    """

    def __init__(self, log: Callable[[int, str], None] | None = None) -> None:
        #: Where reloads are told, if anywhere.
        self.log = log
        self._loaded: dict[Key, Loaded] = {}
        self._faults: dict[Key, Fault] = {}
        self._early = EarlyErrors()
        #: What makes WSGI applications in these modules.
        self.factories = Factories()
        #: What the module that is being executed imports by ``apache.import_module``.
        self._children: ContextVar[dict[Loaded, int] | None] = ContextVar("children", default=None)
        #: ``repeated``: see there.
        self._own = local()
        self._neighbours = Neighbours()
        self._paths: dict[str, list[str]] = {}
        #: The PythonPath in effect.
        self.path: str | None = None
        self._gate = RLock()
        #: A module that refuses to load in a subinterpreter moves the application to a process.
        self.may_move = False
        #: Told of what refused, before anything else happens.
        self.refused: Callable[[str], None] = _nobody
        #: What was refused, where the application leaves the interpreter.
        self.left = ""
        #: Modules that refused, each with the request that wanted it, until it shows whether the application does
        #: without; and who is told of the end of a request (or, with None, of the start), and whether that failed.
        self.doubts: list[tuple[str, Any]] = []
        self.judge: Callable[[Any, bool], None] = _nobody
        #: Told of a request whose answer is an error of which nothing was sent: raises where it moves instead.
        self.reconsider: Callable[[Any], None] = _nobody
        #: When it was made: its modules are not older (seconds since the epoch).
        self.born = time.time()
        #: What was loaded, in that order; and who is told of each.
        self.loaded_modules: list[LoadedModule] = []
        self.told: Callable[[LoadedModule], None] | None = None
        #: Changed modules are executed again in place; not where a changed file replaces the interpreter.
        self.in_place = True

    def in_turn(self) -> Turn:
        """Threads of one interpreter load modules, and change the path, one after the other.

        A module that is being imported elsewhere may wait for us while we wait for it: then both go on.
        """
        return Turn(self._gate)

    def use_path(self, expression: str) -> None:
        """Make ``sys.path`` what PythonPath says; each distinct expression is evaluated once.

        :raises Exception: whatever the expression raises.
        """
        if expression == self.path:
            return
        with self.in_turn():
            found = self._paths.get(expression)
            if found is None:
                namespace = importlib.import_module("mod_python.apache").__dict__
                found = [str(entry) for entry in eval(expression, dict(namespace), {"sys": sys})]  # noqa: S307 - PythonPath is an expression of the configuration
            if self.path is not None:
                self._paths[self.path] = list(sys.path)  # (modules may have put something on it)
            sys.path[:] = self._paths[expression] = found
            self.path = expression

    def load(self, name: str, directory: str | None, reload: bool, now: float, path: str | None = None) -> Loaded:
        """The module of a handler in a directory (None: only ``sys.path`` says where).

        :param reload: PythonAutoReload.
        :param path: PythonPath, which makes ``sys.path`` what it says.
        :raises Exception: whatever the module raises when it is executed, and what PythonPath raises.
        """
        key = (name, directory, path)
        with self.in_turn():
            self.set_path(path, directory)
            loaded = self._present(key, reload, now)
            if loaded is None:
                where = list(sys.path) if path is not None else None if directory is None else [directory]
                loaded = self._first(key, where, now)
                self._tell((name, directory, path))
            elif reload and _due(loaded, now):
                self._check(loaded, now, False)
            self._begin(loaded)
            return loaded

    def set_path(self, path: str | None, directory: str | None) -> None:
        """Make ``sys.path`` what a handler may expect: what PythonPath says, or with its directory on it.

        :raises Exception: whatever PythonPath raises.
        """
        if path is not None:
            self.use_path(path)
        elif directory is not None and directory not in sys.path:
            with self.in_turn():
                sys.path.insert(0, directory)

    def load_ahead(
        self, name: str, directory: str | None, path: str | None, now: float, factory: str = ""
    ) -> tuple[Loaded, list[str]]:
        """Load a module for interpreters that are forked later: each finds its path as if it had loaded it itself.

        :param factory: see `load_early`.
        :returns: the module, and ``sys.path`` as it has left it.
        :raises Exception: as `load`.
        """
        self.begin_anew()
        try:
            return self._load_with_additions((name, directory, path), now, factory), list(sys.path)
        finally:
            self.begin_anew()

    def _load_with_additions(self, key: Key, now: float, factory: str = "") -> Loaded:
        """Load a module, call a factory in it, and remember what they put on ``sys.path`` for who wants it first."""
        name, directory, path = key
        self.set_path(path, directory)
        before = list(sys.path)
        loaded = self.load(name, directory, False, now, path)
        try:
            make = resolve_object(loaded.module, factory, silent=True) if factory else None
            if make is not None:
                self.factories.call_early((loaded, loaded.version, factory), make)
        finally:
            loaded.additions = Additions(before, list(sys.path)) or loaded.additions
        return loaded

    def begin_anew(self) -> None:
        """Put the path back to what interpreters begin with; PythonPath will be evaluated again."""
        sys.path[:] = own_imports.base_path()
        self.path = None
        self._paths.clear()

    @staticmethod
    def _begin(loaded: Loaded) -> None:
        """A module that was loaded ahead is wanted in this interpreter for the first time."""
        additions, loaded.additions = loaded.additions, None
        if additions is not None:
            additions.put()

    def _present(self, key: Key, reload: bool, now: float) -> Loaded | None:
        """What was loaded, unless it has to be found anew: its file is gone, which makes the next import fail."""
        loaded = self._loaded.get(key)
        if loaded is not None and reload and self.in_place and _due(loaded, now) and _is_gone(loaded):
            self._forget(loaded)
            return None
        return loaded

    def _forget(self, loaded: Loaded) -> None:
        for key in [key for key, each in self._loaded.items() if each is loaded]:
            del self._loaded[key]
        name = loaded.module.__name__
        if sys.modules.get(name) is loaded.module:
            for known in [each for each in sys.modules if each == name or each.startswith(name + ".")]:
                del sys.modules[known]
        importlib.invalidate_caches()

    def path_state(self) -> tuple[list[str], str | None, dict[str, list[str]]]:
        """``sys.path`` and PythonPath as they are now, for `put_back`."""
        return list(sys.path), self.path, dict(self._paths)

    def put_back(self, state: tuple[list[str], str | None, dict[str, list[str]]]) -> None:
        """Have ``sys.path`` and PythonPath as they were."""
        sys.path[:], self.path, self._paths = state

    def load_early(self, name: str, directory: str | None, path: str | None, factory: str) -> BaseException | None:
        """Load a module before anybody asks for it. Who does finds the path as if the module were loaded only then.

        :param factory: what makes a WSGI application there, which is called, too; "": nothing does.
        :returns: what they raised, which is raised once more for who asks (see `mpserver.api.early_errors`).
        """
        state, key = self.path_state(), (name, directory, path)
        try:
            self._load_with_additions(key, time.time(), factory)
        except BaseException as error:  # an application's module may raise anything
            if key not in self._loaded:
                self._faults.pop(key, None)  # (it was not told to anybody)
                self._early.keep(key, error)
            return error
        finally:
            self.put_back(state)
        return None

    def _first(self, key: Key, path: Sequence[str] | None, now: float, only: bool = False) -> Loaded:
        """Load a module for the first time."""
        self._raise_again(self._faults.get(key))
        children: dict[Loaded, int] = {}
        token = self._children.set(children)
        try:
            self._early.meet(key, now)
            module = self._import(key[0], path, only)
        except SyntaxError as error:
            self._faults[key] = Fault(error)
            raise
        finally:
            self._children.reset(token)
        self._faults.pop(key, None)
        loaded = self._loaded[key] = self._same(module) or Loaded(module, now)
        loaded.children.update(children)
        return loaded

    @property
    def repeated(self) -> SyntaxError | None:
        """The syntax error that was raised again in this thread, for nothing has changed since.

        (Another thread may just be telling it for the first time.)
        """
        found: SyntaxError | None = getattr(self._own, "repeated", None)
        return found

    def forget_faults(self) -> None:
        """Meet syntax errors as if for the first time: nobody was told of these."""
        self._faults.clear()

    def _raise_again(self, fault: Fault | None) -> None:
        if fault is not None and fault.stands:
            self._own.repeated = fault.error
            raise fault.error.with_traceback(None)

    def import_module(self, name: str, reload: bool, log: bool, path: Sequence[str] | None) -> ModuleType:
        """``apache.import_module``: import, or reload what changed; only from ``path`` where it is given.

        :raises ImportError: there is no such module.
        """
        now = time.time()
        key = (name, tuple(path) if path is not None else None)
        with self.in_turn():
            loaded = self._present(key, reload, now)
            if loaded is None:
                if log and self.log is not None:
                    where = f" with path set to '{path}'" if path else ""
                    self.log(constants.APLOG_NOTICE, f"mod_python: (Re)importing module '{name}'{where}")
                loaded = self._first(key, path, now, only=path is not None)
                self._tell((*key, self.path))
            elif reload and _due(loaded, now):
                self._check(loaded, now, log)
            self._begin(loaded)
            children = self._children.get()
            if children is not None and reload:
                children[loaded] = loaded.version
            return loaded.module

    def _tell(self, loaded: LoadedModule) -> None:
        if loaded in self.loaded_modules:
            return  # (its file was gone meanwhile)
        self.loaded_modules.append(loaded)
        if self.told is not None:
            self.told(loaded)

    def load_again(self, loaded: LoadedModule) -> None:
        """Load a module as another interpreter has loaded it. :raises Exception: whatever that raises."""
        name, where, path = loaded
        if isinstance(where, tuple):
            if path is not None:
                self.use_path(path)
            self.import_module(name, True, False, where)
        else:
            self.load(name, where, True, time.time(), path)

    def files(self) -> list[str]:
        """The files of the modules that were loaded for handlers."""
        return [loaded.file for loaded in self._loaded.values() if loaded.file is not None]

    def _same(self, module: ModuleType) -> Loaded | None:
        """What was loaded already as this very module, so that a reload is seen by all that use it."""
        return next((loaded for loaded in self._loaded.values() if loaded.module is module), None)

    def _import(self, name: str, path: Sequence[str] | None, only: bool = False) -> ModuleType:
        if scripts.is_script(name):
            return scripts.load(name)
        top = name.partition(".")[0]
        if path is not None and top not in OURS:
            spec = importlib.machinery.PathFinder.find_spec(top, list(path))
            if spec is None:
                importlib.invalidate_caches()
                spec = importlib.machinery.PathFinder.find_spec(top, list(path))
            if spec is not None and spec.origin is not None:
                present = sys.modules.get(top)
                if present is not None and not _is_from(present, spec.origin):
                    for known in [m for m in sys.modules if m == top or m.startswith(top + ".")]:
                        del sys.modules[known]
                    present = None
                if present is None:
                    with self._neighbours.first(path):
                        return importlib.import_module(name)
            elif only:
                raise ModuleNotFoundError(f"No module named {name!r} in {list(path)!r}", name=name)
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name + ".").startswith(error.name + "."):
                raise
            importlib.invalidate_caches()  # the file may be younger than what the finders remember
            return importlib.import_module(name)

    def _check(self, loaded: Loaded, now: float, log: bool) -> None:
        """Execute the module's file again if it, or what it imported by ``apache.import_module``, changed since."""
        if loaded.busy:
            return
        loaded.busy = True
        try:
            changed = False
            for child, version in list(loaded.children.items()):
                gone = _is_gone(child)  # (then the import fails that this module is executed with)
                if not gone and _due(child, now):
                    self._check(child, now, log)
                changed = changed or gone or child.version != version
            current = mark(loaded.file) if self.in_place else None
            if current is not None and (changed or current != loaded.mark):
                self._again(loaded, log)
                loaded.mark = current
            # only now: a module that fails to load is tried again by the next request
            loaded.checked = now
        finally:
            loaded.busy = False

    def _again(self, loaded: Loaded, log: bool) -> None:
        self._raise_again(loaded.fault)
        module = loaded.module
        if log and self.log is not None:
            self.log(constants.APLOG_NOTICE, f"mod_python: (Re)importing module '{module.__name__}'")
        children: dict[Loaded, int] = {}
        token = self._children.set(children)
        try:
            execute(module)
        except SyntaxError as error:
            loaded.fault = Fault(error)
            raise
        finally:
            self._children.reset(token)
        loaded.fault, loaded.children = None, children
        loaded.version += 1


def _due(loaded: Loaded, now: float) -> bool:
    """Whether a module's file has to be looked at again; the clock may have been set back."""
    return not 0.0 <= now - loaded.checked < RECHECK_AFTER


def _is_gone(loaded: Loaded) -> bool:
    """Whether there is no file any more where a module came from."""
    return loaded.mark is not None and loaded.file is not None and not os.path.exists(loaded.file)


def execute(module: ModuleType) -> None:
    """Execute a module's source again in its namespace, whatever the byte-code cache holds."""
    spec = module.__spec__
    source = getattr(spec.loader if spec else None, "get_data", None)
    file = module.__file__
    known = file is not None and (file.endswith(".py") or module.__name__.startswith(scripts.PREFIX))
    if spec is None or source is None or file is None or not known:
        importlib.reload(module)
        return
    code = compile(source(file), file, "exec", dont_inherit=True)
    sys.modules[module.__name__] = module
    exec(code, module.__dict__)  # noqa: S102 - the application's module is what is to run


def _is_from(module: ModuleType, origin: str) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and os.path.realpath(file) == os.path.realpath(origin)
