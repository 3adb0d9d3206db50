"""What a zygote loads before it forks: the modules of its application, so that interpreters share them.

Which they are shows in the configuration: those of PythonInterpPreload, those of PythonImport for the
interpreter's name, and the handlers of every section whose requests run under that name. A module that fails
to load here is left to the interpreters, which report it with the request that wants it.

What is loaded before a fork must be fit for it: a socket, a thread or random numbers would be the same in all of the
processes, or missing in them. So each try has a process of its own, which is thrown away where anything speaks against
it; nothing is ever loaded twice in one. The tries, until one serves: everything; the libraries that the application
had imported by then; those of them that opened nothing; nothing.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import marshal
import os
import signal
import socket
import sys
from collections.abc import Callable

from mpserver.api import runtime
from mpserver.api.loader import Loader
from mpserver.application.output import HeldLog, PrintedOutput
from mpserver.application.preloaded import Preloaded
from mpserver.interpreters import bounded, opened
from mpserver.interpreters.loading import Load
from mpserver.phases.facts import Wanted
from mpserver.typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from mpserver.api.error_log import ErrorLog

#: How long the ``atexit`` functions of a process that is thrown away may take, in seconds.
LEAVE_WITHIN = 5

#: What a try tells that went well.
WENT_WELL = b"\0"

#: A folder with one of these names has libraries.
_LIBRARIES = frozenset({"site-packages", "dist-packages"})
_STANDARD = os.path.dirname(os.__file__) + os.sep
#: Modules that are no libraries of the application.
_OURS = frozenset({"mpserver", "mod_python", "__main__", "sitecustomize", "usercustomize"})


class Result(NamedTuple):
    """Why a try failed."""

    #: What the modules opened, as in "opened a socket"; "": a module can't be loaded here.
    why: str = ""
    #: The libraries that could be loaded here, in that order.
    libraries: tuple[str, ...] = ()
    #: Whether they must not be, for modules of one name are meant that are not the same.
    nothing: bool = False


class NoServer:
    """Lent to code that is loaded before there is an interpreter: it can't be asked anything, and the asking counts."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = ""

    def __getattr__(self, name: str) -> Any:
        self.asked = self.asked or f"asked the server ({name})"
        raise AttributeError(f"{name} is not there before the interpreter is")


#: What a zygote has, and how the child ended that was it in our place; -1: we are it.
Outcome = tuple[Preloaded | None, int]


class Application(NamedTuple):
    """An application that is to be loaded: the name of its interpreter, its modules, and where it prints."""

    name: str
    #: The modules of PythonInterpPreload.
    asked: list[Wanted]
    #: Its own; none of them is loaded before the fork with PythonInterpPreload Off.
    own: list[Wanted]
    log: ErrorLog
    #: How long a try may take, in seconds; 0: as long as it takes.
    within: float
    #: Where orders come from, which wait meanwhile.
    keeper: socket.socket


def preload(application: Application, tell: Callable[[str], None]) -> Outcome:
    """Load what is fit for it in a child of this process, which goes on as the zygote; this process waits for it.

    :param tell: told once why not everything was loaded, in words for the log.
    :raises bounded.NobodyWants: who orders interpreters is gone.
    """
    name, asked, own, *_ = application
    libraries: tuple[str, ...] = ()
    paths = {wanted.path for wanted in (*asked, *own)}
    path = paths.pop() if len(paths) == 1 else None  # (PythonPath)
    if own:
        outcome, result = _try(_Everything(asked, own), application)
        if outcome is not None:
            return outcome
        if result is None or result.nothing:
            return None, -1
        if result.why:
            tell(
                f"interpreter '{name}': each process loads the application for itself, for that {result.why}; "
                "'PythonInterpPreload Off' has it so from the start"
            )
        libraries = result.libraries
    for _attempt in range(2):
        if not libraries and not asked:
            break
        outcome, result = _try(_Libraries(asked, libraries, path), application)
        if outcome is not None:
            return outcome
        if result is None:
            break
        if result.why and not own:
            tell(f"interpreter '{name}': PythonInterpPreload loads nothing before the fork, for that {result.why}")
        libraries = result.libraries
        asked = [wanted for wanted in asked if wanted.module in libraries]
    return None, -1


def _try(task: _Everything | _Libraries, application: Application) -> tuple[Outcome | None, Result | None]:
    """Load something in a child.

    :returns: the outcome, None where the try failed; and why, None where it ended without a word.
    :raises bounded.NobodyWants: who orders interpreters is gone.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        return (_in_child(theirs, task, application), -1), None
    with ours:
        theirs.close()
        try:
            said = bounded.answer(ours, pid, application.within, application.keeper)
        except bounded.NothingSaid:
            return None, Result(f"took more than {application.within:g} s")
    status = os.waitpid(pid, 0)[1]
    if said == WENT_WELL:
        return (None, status), None
    return None, Result(*marshal.loads(said)) if said else None  # noqa: S302 - a child of the same account says it


def _in_child(theirs: socket.socket, task: _Everything | _Libraries, application: Application) -> Preloaded:
    """Load, and go on as the zygote; or tell what speaks against it, and end."""
    held = HeldLog(application.log)
    output = PrintedOutput(held, application.name)
    output.install()
    server = NoServer()
    runtime.lend(server)
    seen = opened.Opened()

    def over(place: str) -> None:
        why = f"took more than {application.within:g} s (it was in {place})"
        _fail(theirs, Result(why, _imported(seen.modules)), seen)

    with seen.watched(), bounded.limited(application.within, over):
        load = Load([wanted.module for wanted in task.asked])
        result = task.load(load, seen)
    load.end()
    if result is None and server.asked:
        result = Result(server.asked, _imported(seen.modules))
    with theirs:
        if result is not None:
            _fail(theirs, result, seen)
        output.flush_all()
        held.release()
        gc.collect()
        gc.freeze()  # pages of the zygote stay shared: no collection touches them
        theirs.send(WENT_WELL)
    return Preloaded(load.loader, output)


class _Everything(NamedTuple):
    """To load all modules of an application."""

    asked: list[Wanted]
    own: list[Wanted]

    def load(self, load: Load, seen: opened.Opened) -> Result | None:
        """Do it. :returns: what speaks against that."""
        # (the libraries of all are wanted, whichever fail)
        failed = [wanted for wanted in (*self.asked, *self.own) if not load.load(wanted)]
        if load.collide():
            return Result(nothing=True)
        why = seen.found() or opened.keeps_random()
        return Result(why, _imported(seen.modules)) if why or failed else None


class _Libraries(NamedTuple):
    """To load the modules of PythonInterpPreload, and libraries by their names, where PythonPath finds them."""

    asked: list[Wanted]
    names: tuple[str, ...]
    path: str | None

    def load(self, load: Load, seen: opened.Opened) -> Result | None:
        """Do it. :returns: what speaks against that, and which of all could be loaded."""
        unfit: set[str] = set()
        why = ""
        steps = [(wanted.module, functools.partial(load.load, wanted)) for wanted in self.asked]
        steps += [(name, functools.partial(_import, name, load.loader, self.path)) for name in self.names]
        for name, take in steps:
            before = frozenset(sys.modules)
            if not take():
                unfit.add(name.partition(".")[0])
            if len(before) != len(sys.modules):
                opens = seen.opened() or seen.kept(before)
                if opens:
                    # it, and what it has imported: one of them did it
                    unfit |= {new.partition(".")[0] for new in sys.modules.keys() - before} | {name.partition(".")[0]}
                    why = why or opens
                    seen.forget()
        why = why or opened.keeps_random()
        if not why and not unfit:
            return None
        return Result(why, tuple(name for name, _take in steps if unfit and name.partition(".")[0] not in unfit))


def _import(name: str, loader: Loader, path: str | None) -> bool:
    """Import a library, with PythonPath. :returns: whether that went well."""
    try:
        if path is not None:
            loader.use_path(path)
        importlib.import_module(name)
    except BaseException:  # a library may raise anything, too
        return False
    return True


def _imported(before: frozenset[str]) -> tuple[str, ...]:
    """The libraries that were imported since, in their order."""
    new = [name for name in sys.modules if name not in before and name.partition(".")[0] not in _OURS]
    libraries = [name for name in new if _is_library(name)]
    if sys.stdlib_module_names & {name for name in new if "." not in name}.difference(libraries):
        return ()  # the application has put something of its own in the library's place
    return tuple(libraries)


def _is_library(name: str) -> bool:
    spec = getattr(sys.modules[name], "__spec__", None)
    if spec is None or spec.name != name or spec.origin is None:  # (it has no file, or another name)
        return False
    if getattr(spec, "_initializing", False):  # (the time of the try was over in it)
        return False
    file = spec.origin
    return not spec.has_location or file.startswith(_STANDARD) or not _LIBRARIES.isdisjoint(file.split(os.sep))


def _fail(theirs: socket.socket, result: Result, seen: opened.Opened) -> NoReturn:
    """Tell why, and end this process, and what was made in it: nobody will use it."""
    theirs.send(marshal.dumps(tuple(result)))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LEAVE_WITHIN)
    try:
        atexit._run_exitfuncs()  # noqa: SLF001  (os._exit, which follows, runs none)
        for pid in opened.children_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        seen.remove()
    finally:
        os._exit(1)
