"""The stage that CGI scripts run on: streams, environment, directory and modules, lent to one script at a time."""

from __future__ import annotations

import io
import os
import sys
import sysconfig
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.machinery import EXTENSION_SUFFIXES

from mpserver.api import runtime
from mpserver.api.constants import AP_MPMQ_IS_THREADED
from mpserver.typing import Any, NamedTuple

#: Packages that scripts share with the server, whoever loaded them first.
SHARED = frozenset({"mpserver", "mod_python"})


#: Where the standard library is, and what in there is not of it.
LIBRARY = tuple({os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib")})


INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


class Stage(NamedTuple):
    """What a script has of its own."""

    stdin: io.TextIOWrapper
    stdout: io.TextIOWrapper
    environ: dict[str, str]


#: Set where a script runs, and in nothing else that runs at that time.
_stage: ContextVar[Stage | None] = ContextVar("mod_python.cgihandler", default=None)


class _Stream:
    """Stands for ``sys.stdin`` or ``sys.stdout``: the script's own one, for others the one before."""

    def __init__(self, name: str, before: Any) -> None:
        self.__dict__.update(_name=name, _before=before)

    def _target(self) -> Any:
        stage = _stage.get()
        return self._before if stage is None else getattr(stage, self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._target(), name, value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._target())

    def __next__(self) -> Any:
        return next(self._target())

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._target().flush()

    def __repr__(self) -> str:
        return repr(self._target())


class _Environ(MutableMapping[str, str]):
    """Stands for ``os.environ``, in the same way."""

    def __init__(self, before: MutableMapping[str, str]) -> None:
        self._before = before

    def _target(self) -> MutableMapping[str, str]:
        stage = _stage.get()
        return self._before if stage is None else stage.environ

    def __getitem__(self, name: str) -> str:
        return self._target()[name]

    def __setitem__(self, name: str, value: str) -> None:
        self._target()[name] = value

    def __delitem__(self, name: str) -> None:
        del self._target()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._target()))

    def __len__(self) -> int:
        return len(self._target())

    def __contains__(self, name: object) -> bool:
        return name in self._target()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._before, name)  # what os itself uses: encodekey...

    def __repr__(self) -> str:
        return repr(self._target())

    def copy(self) -> dict[str, str]:
        """A plain dict."""
        return dict(self._target())

    def __or__(self, other: Mapping[str, str]) -> dict[str, str]:
        return {**self, **other}

    def __ror__(self, other: Mapping[str, str]) -> dict[str, str]:
        return {**other, **self}


@contextmanager
def acting(stage: Stage) -> Iterator[None]:
    """Put what looks who asks in the place of sys.stdin, sys.stdout, os.environ, and these back at the end."""
    before = sys.stdin, sys.stdout, os.environ
    sys.stdin, sys.stdout = _Stream("stdin", sys.stdin), _Stream("stdout", sys.stdout)
    os.environ = _Environ(os.environ)  # type: ignore[assignment]  # noqa: B003 - children are not to see it
    token = _stage.set(stage)
    try:
        yield
    finally:
        _stage.reset(token)
        sys.stdin, sys.stdout, os.environ = before  # whatever the script has put there


@contextmanager
def own_directory(directory: str) -> Iterator[None]:
    """The script's folder as current directory, of this thread alone where that can be, and first to import from."""
    if not getattr(_thread, "alone", False):
        unshare = getattr(os, "unshare", None)  # Linux, Python 3.12
        if unshare is not None:
            try:
                unshare(getattr(os, "CLONE_FS", 0))
            except OSError:
                pass  # forbidden here: then the lock has to do
        _thread.alone = True
    before = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    added = directory not in sys.path
    try:
        os.chdir(directory)
        if added:
            sys.path.insert(0, directory)
        yield
    finally:
        if added and directory in sys.path:
            sys.path.remove(directory)
        try:
            os.fchdir(before)
        finally:
            os.close(before)


#: Whether this thread's current directory is its own.
_thread = threading.local()


@contextmanager
def fresh_modules() -> Iterator[None]:
    """Forget the modules that the script has loaded, so that the next one gets them as their files are then."""
    count, last = len(sys.modules), next(reversed(sys.modules))
    lent = runtime.current()
    asked = _Asked() if lent is not None and lent.mpm_query(AP_MPMQ_IS_THREADED) else None
    if asked is not None:
        sys.meta_path.insert(0, asked)
    try:
        yield
    finally:
        if asked is not None:
            sys.meta_path.remove(asked)
        # what is new comes last; most scripts load nothing that was not there
        if len(sys.modules) != count or next(reversed(sys.modules)) != last:
            names = list(sys.modules)[count if last in sys.modules else count - 1 :]
            _forget(names if asked is None else [name for name in names if name in asked.names])


def flush(stream: Any) -> None:
    """Write out what the script has put in the place of ``sys.stdout``, which may hold some of the output back."""
    if not isinstance(stream, _Stream):
        try:
            stream.flush()
        except (AttributeError, ValueError, OSError):
            pass  # closed, or none that holds anything


class _Asked:
    """Notes what a script imports, where other threads import at the same time; finds nothing."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """What the import system asks first."""
        if _stage.get() is not None:
            self.names.add(name)


def _forget(names: list[str]) -> None:
    """Remove modules that a script has loaded, but those that are shared or can't be loaded again."""
    new = {name: sys.modules[name] for name in names if name in sys.modules}
    # an extension module can't be loaded twice, nor can the package around it
    suffixes = tuple(EXTENSION_SUFFIXES)
    binary = {name.partition(".")[0] for name, module in new.items() if _file(module).endswith(suffixes)}
    for name, module in new.items():
        top = name.partition(".")[0]
        if top not in SHARED and top not in binary and not _is_library(_file(module)):
            sys.modules.pop(name, None)


def _file(module: Any) -> str:
    return getattr(module, "__file__", None) or ""


def _is_library(file: str) -> bool:
    """Whether a file is of the standard library; modules without a file are built in."""
    if not file:
        return True
    path = os.path.realpath(file)
    return path.startswith(LIBRARY) and not any(part in path for part in INSTALLED)
