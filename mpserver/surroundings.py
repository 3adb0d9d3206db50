"""What an application finds around it in its interpreter: output, environment, and what it may not do.

    print, warnings   become lines of its virtual host's error log
    os.environ        is the interpreter's own, and its children's; the process' is left alone
    os.fork, ...      where they would harm others, raise errors that say what to use instead

A process interpreter has a process to itself: there only the output is ours to arrange.
"""

from __future__ import annotations

import _posixsubprocess
import codecs
import importlib
import io
import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType

from mpserver import descriptors, subinterpreters
from mpserver.api import log as levels
from mpserver.api.log import ErrorLog
from mpserver.config.compile import Configuration, Server
from mpserver.typing import Any, NamedTuple, NoReturn

#: A longer line is logged in pieces of this many characters, and a partial one does not wait longer.
LONG = 8000

#: Makes the error for an application that does what an isolated subinterpreter can't, from its text.
Refusal = Callable[[str], BaseException]

#: What errors advise.
REMEDY = "set 'PythonInterpBackend process' for this application, which then runs in a process of its own"


def server_of(configuration: Configuration, name: str) -> Server:
    """The server whose name an interpreter has; the main server if there is none."""
    main = configuration.main
    if main.name == name:
        return main
    return next((server for server in configuration.hosts if server.name == name), main)


# ---- output


class _Bytes(io.BufferedIOBase):
    """``sys.stdout.buffer``: bytes for those who write them; they are taken as UTF-8."""

    def __init__(self, stream: Lines) -> None:
        self._stream = stream
        #: Each thread has the beginning of a character of its own.
        self._own = threading.local()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        data = bytes(data)
        decoder = getattr(self._own, "decoder", None)
        if decoder is None:
            decoder = self._own.decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._stream.write(decoder.decode(data))
        return len(data)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()


class Lines(io.TextIOBase):
    """A text stream to an error log: each line is a message of it.

    A partial line waits for its end, for each thread by itself, in ``partial``.
    """

    encoding = "utf-8"
    errors = "backslashreplace"
    line_buffering = True
    mode = "w"

    def __init__(self, name: str, log: ErrorLog, level: int, prefix: str, partial: dict[tuple[int, int], str]) -> None:
        self.name = name
        self._log, self._level, self._prefix, self._partial = log, level, prefix, partial
        #: For bytes.
        self.buffer = _Bytes(self)

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The log's descriptor: what children write to it goes there as it is."""
        return self._log.fd

    def reconfigure(self, **_options: Any) -> None:
        """Nothing can be changed: text goes to the log in UTF-8, line by line."""

    def write(self, text: str, /) -> int:
        """Log the lines that are whole now."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        key = (threading.get_ident(), self._level)
        lines = (self._partial.pop(key, "") + text).split("\n")
        rest = lines.pop()
        if lines:
            self._emit(lines)
        if len(rest) >= LONG:
            whole = len(rest) - len(rest) % LONG
            self._emit([rest[:whole]])
            rest = rest[whole:]
        if rest:
            self._partial[key] = rest
        return len(text)

    def flush(self) -> None:
        """Log this thread's partial line."""
        rest = self._partial.pop((threading.get_ident(), self._level), "")
        if rest:
            self._emit([rest])

    def close(self) -> None:
        """It stays open: others use it."""
        self.flush()

    def _emit(self, lines: list[str]) -> None:
        pieces = (line[at : at + LONG] for line in lines for at in range(0, len(line) or 1, LONG))
        text = "\n".join(self._prefix + piece.removesuffix("\r") for piece in pieces)
        self._log.log(self._level, text, module="python")


class Output:
    """``sys.stdout`` (level notice) and ``sys.stderr`` (level warn) of an interpreter."""

    __slots__ = ("partial", "stderr", "stdout")

    def __init__(self, log: ErrorLog, name: str) -> None:
        #: What waits for the end of its line, by thread and level.
        self.partial: dict[tuple[int, int], str] = {}
        prefix = f"[interpreter {name}] "
        self.stdout = Lines("<stdout>", log, levels.NOTICE, prefix, self.partial)
        self.stderr = Lines("<stderr>", log, levels.WARN, prefix, self.partial)

    def install(self) -> None:
        """Make it what ``print`` and ``warnings`` write to."""
        sys.stdout, sys.stderr = self.stdout, self.stderr

    def flush(self) -> None:
        """The end of a request: log the partial lines of its thread."""
        self.stdout.flush()
        self.stderr.flush()

    def flush_all(self) -> None:
        """The end of the interpreter: log the partial lines of all threads."""
        streams = {levels.NOTICE: self.stdout, levels.WARN: self.stderr}
        while self.partial:
            (_thread, level), rest = self.partial.popitem()
            streams[level]._emit([rest])


# ---- the programs that it starts


class Children:
    """Starts programs: they get the soft limit of descriptors that the server was started with."""

    __slots__ = ("_former", "_functions")

    def __init__(self, soft: int) -> None:
        """``soft`` is that limit, 0: it was not raised."""
        self._former = descriptors.Former(soft)
        self._functions: tuple[Callable[..., int], ...] = (
            _posixsubprocess.fork_exec, os.posix_spawn, os.posix_spawnp
        )  # fmt: skip

    def install(self) -> None:
        """Make them what starts programs here, and those that this process forks its like."""
        if not self._former:
            return
        _replace(os, "posix_spawn", self.posix_spawn)
        _replace(os, "posix_spawnp", self.posix_spawnp)
        _replace(os, "system", lambda command: self.shell(command, os.environ))
        _replace_fork_exec(self.fork_exec)
        self.after_fork()

    def after_fork(self) -> None:
        """Have the same for the children that Python code goes on in."""
        if self._former:
            os.register_at_fork(after_in_child=lambda: self._former.give(0))

    def fork_exec(self, *arguments: Any) -> int:
        """What ``subprocess`` and ``multiprocessing`` start children with."""
        return self._former.start(self._functions[0], *arguments)

    def posix_spawn(self, *arguments: Any, **options: Any) -> int:
        """``os.posix_spawn``."""
        return self._former.start(self._functions[1], *arguments, **options)

    def posix_spawnp(self, *arguments: Any, **options: Any) -> int:
        """``os.posix_spawnp``."""
        return self._former.start(self._functions[2], *arguments, **options)

    def shell(self, command: str | bytes, environment: Any) -> int:
        """What ``os.system`` does. :returns: the wait status."""
        sys.audit("os.system", command)
        pid = self.posix_spawn("/bin/sh", ["sh", "-c", command], environment)
        return os.waitpid(pid, 0)[1]


def _replace_fork_exec(function: Callable[..., int]) -> None:
    _replace(_posixsubprocess, "fork_exec", function)
    if "subprocess" in sys.modules:
        _replace(sys.modules["subprocess"], "_fork_exec", function)


# ---- the environment


class Environment:
    """The environment of an interpreter that shares its process: changes stay here and reach its children.

    ``os.environ`` tells its changes to ``os.putenv``, which would change the process; so the function is replaced,
    and whatever starts children without an environment of their own gives them this one.
    """

    __slots__ = ("_start", "_variables")

    def __init__(self, children: Children) -> None:
        self._variables: dict[bytes, bytes] = dict(os.environb)
        self._start = children

    def install(self) -> None:
        """Make it this interpreter's."""
        replaced: dict[str, Callable[..., Any]] = {
            "putenv": self.putenv,
            "unsetenv": self.unsetenv,
            "reload_environ": self.reload_environ,
            "system": self.system,
            "execv": self.execv,
            "posix_spawn": self._with_ours(self._start.posix_spawn),
            "posix_spawnp": self._with_ours(self._start.posix_spawnp),
        }
        for name, function in replaced.items():
            _replace(os, name, function)
        _replace_fork_exec(self.fork_exec)

    def putenv(self, name: str | bytes, value: str | bytes, /) -> None:
        """``os.putenv``: for this interpreter and its children."""
        key, text = os.fsencode(name), os.fsencode(value)
        if not key or b"=" in key:
            raise ValueError("illegal environment variable name")
        if b"\0" in key or b"\0" in text:
            raise ValueError("embedded null byte")
        self._variables[key] = text

    def unsetenv(self, name: str | bytes, /) -> None:
        """``os.unsetenv``: for this interpreter and its children."""
        self._variables.pop(os.fsencode(name), None)

    def reload_environ(self) -> None:
        """``os.reload_environ``: take over what putenv and unsetenv did."""
        shown: dict[bytes, bytes] = vars(os.environ)["_data"]
        shown.clear()
        shown.update(self._variables)

    def fork_exec(self, *arguments: Any) -> int:
        """What ``subprocess`` and ``multiprocessing`` start children with; the sixth argument is the environment."""
        if arguments[5] is None:
            lines = [name + b"=" + value for name, value in self._variables.items()]
            arguments = (*arguments[:5], lines, *arguments[6:])
        return self._start.fork_exec(*arguments)

    def _with_ours(self, spawn: Callable[..., int]) -> Callable[..., int]:
        """``os.posix_spawn``, where the environment None means that of the process (since 3.13)."""

        def spawn_with_ours(path: Any, arguments: Any, environment: Any = None, /, **options: Any) -> int:
            return spawn(path, arguments, self._variables if environment is None else environment, **options)

        return spawn_with_ours

    def system(self, command: str | bytes) -> int:
        """``os.system``. :returns: the wait status."""
        sys.audit("os.system", command)
        return self._start.shell(command, self._variables)

    def execv(self, path: Any, arguments: Any, /) -> NoReturn:
        """``os.execv``."""
        os.execve(path, arguments, self._variables)


# ---- what can't be


def _fork_in_own(error: Refusal) -> Callable[[], NoReturn]:
    def refuse() -> NoReturn:
        raise error(f"fork not supported for isolated subinterpreters: use subprocess to run a program, or {REMEDY}")

    return refuse


def _fork_in_shared() -> NoReturn:
    raise RuntimeError(
        "fork is not possible in a subinterpreter, for the child would crash: use subprocess to run a program, or "
        f"{REMEDY}"
    )


def _fork_in_main(fork: Callable[[], Any]) -> Callable[[], Any]:
    def careful() -> Any:
        if subinterpreters.alive():
            raise RuntimeError(
                "fork is not possible in a worker that has subinterpreters, for the child would crash: use subprocess "
                f"to run a program, or {REMEDY}"
            )
        return fork()

    return careful


def _no_daemons(_allowed: Callable[[], bool]) -> Callable[[], bool]:
    """Before 3.14 a daemon thread in an interpreter that is destroyed aborts the process."""
    return _thread_kinds(lambda: False)


def _thread_kinds(allowed: Callable[[], bool], error: Refusal = RuntimeError) -> Callable[[], bool]:
    """Answers ``threading``'s question whether there may be daemon threads."""
    askers = {threading.Thread.__init__.__code__, threading.Thread.daemon.fset.__code__}  # type: ignore[attr-defined]

    def ask() -> bool:
        if sys._getframe(1).f_code in askers and not allowed():
            raise error(
                "daemon threads are disabled in subinterpreters: use a thread that is no daemon and that "
                f"apache.register_cleanup ends, or {REMEDY}"
            )
        return allowed()

    return ask


def _signals(signal: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def careful(number: Any, handler: Any, /) -> Any:
        try:
            return signal(number, handler)
        except ValueError as error:
            if "main thread" not in str(error):
                raise
            raise ValueError(f"{error}, and signals of a worker belong to the server: {REMEDY}") from None

    return careful


def _breakpoint(*_arguments: Any, **_keywords: Any) -> None:
    """``breakpoint()`` in a server of one process: the debugger talks to the terminal, not to the log."""
    import pdb  # noqa: T100

    pdb.Pdb(stdin=sys.__stdin__, stdout=sys.__stdout__).set_trace(sys._getframe(1))


class Change(NamedTuple):
    """A function that is replaced, and what makes its replacement of it and of the errors for the application."""

    module: ModuleType
    name: str
    make: Callable[[Any, Refusal], Callable[..., Any]]


#: What ``signal.signal`` calls.
_SIGNAL = importlib.import_module("_signal")

#: By kind of interpreter.
CHANGES: dict[str, tuple[Change, ...]] = {
    "own": (
        Change(os, "fork", lambda _fork, error: _fork_in_own(error)),
        Change(os, "forkpty", lambda _fork, error: _fork_in_own(error)),
        Change(threading, "_daemon_threads_allowed", lambda allowed, error: _thread_kinds(allowed, error)),
        Change(_SIGNAL, "signal", lambda signal, _error: _signals(signal)),
    ),
    "shared": (
        Change(os, "fork", lambda _fork, _error: _fork_in_shared),
        Change(os, "forkpty", lambda _fork, _error: _fork_in_shared),
        *(
            (Change(threading, "_daemon_threads_allowed", lambda allowed, _error: _no_daemons(allowed)),)
            if sys.version_info < (3, 14)
            else ()
        ),
        Change(_SIGNAL, "signal", lambda signal, _error: _signals(signal)),
    ),
    "main": (
        Change(os, "fork", lambda fork, _error: _fork_in_main(fork)),
        Change(os, "forkpty", lambda fork, _error: _fork_in_main(fork)),
        Change(_SIGNAL, "signal", lambda signal, _error: _signals(signal)),
    ),
    "process": (),
}


#: C modules of 3.12 that harm an interpreter with its own GIL: without them their Python code takes over. What that of
#: ``zoneinfo`` stands on is refused there; that of ``decimal`` ends the process where a second one loads it.
BROKEN = ("_decimal", "_zoneinfo") if sys.version_info < (3, 13) else ()


def _replace(module: ModuleType, name: str, function: Callable[..., Any]) -> None:
    """Replace a function of a module, where this Python has it."""
    if hasattr(module, name):
        setattr(module, name, function)


def install(
    kind: str, output: Output, one_process: bool, error: Refusal = RuntimeError, soft: int = 0
) -> None:
    """Arrange an interpreter for its applications, before any code of theirs runs.

    ``error``: see `Refusal`. ``soft``: the limit of descriptors that the programs which they start get, 0: as it is.
    """
    output.install()
    children = Children(soft)
    if kind != "process":
        Environment(children).install()
        if kind == "main":
            children.after_fork()
    else:
        children.install()
    if kind == "own":
        for name in BROKEN:
            sys.modules[name] = None  # type: ignore[assignment]
    for change in CHANGES[kind]:
        if hasattr(change.module, change.name):
            _replace(change.module, change.name, change.make(getattr(change.module, change.name), error))
    if one_process and not os.environ.get("PYTHONBREAKPOINT"):
        sys.breakpointhook = _breakpoint
