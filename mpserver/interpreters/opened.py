"""What loading modules leaves open in a process: what must not be shared by those that are forked from it.

Looked at are descriptors, threads, child processes, memory that is shared with others, locks that are held, folders and
files of ``tempfile``, and random numbers that would come twice.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from _thread import LockType, RLock
from collections.abc import Callable, Iterator
from types import ModuleType

from mpserver.typing import Any

_FDS, _THREADS, _MAPS = "/proc/self/fd", "/proc/self/task", "/proc/self/maps"

#: What links of descriptors begin with, and what that is called.
_KINDS = {"socket:": "a socket", "pipe:": "a pipe", "anon_inode:[eventpoll]": "an event loop", "anon_inode:": "{}"}

#: The functions of ``tempfile`` that make what nobody else has the name of.
_MAKERS = frozenset({"mkdtemp", "_mkstemp_inner"})


def _descriptors() -> dict[str, str]:
    found = {}
    for fd in os.listdir(_FDS):
        try:
            found[fd] = os.readlink(f"{_FDS}/{fd}")
        except OSError:
            pass  # that of the listing itself
    return found


def _shared() -> frozenset[str]:
    """The memory that is written to and shared with other processes, by its addresses."""
    with open(_MAPS, encoding="utf-8", errors="replace") as file:
        return frozenset(line.partition(" ")[0] for line in file if " rw-s " in line)


def _libraries() -> frozenset[str]:
    """The files whose code is loaded."""
    with open(_MAPS, encoding="utf-8", errors="replace") as file:
        parts = [line.rstrip("\n").split(maxsplit=5) for line in file]
    return frozenset(words[5] for words in parts if len(words) > 5 and "x" in words[1])


def _name(link: str) -> str:
    for begin, text in _KINDS.items():
        if link.startswith(begin):
            return text.format(link)
    return link.removesuffix(" (deleted)")


class Opened:
    """What there was before modules were loaded; `found` tells what came to it."""

    def __init__(self) -> None:
        self.modules = frozenset(sys.modules)
        #: What `tempfile` has made.
        self._temporary: list[str] = []
        self.forget()

    def forget(self) -> None:
        """Take what there is for what there was."""
        self._descriptors = _descriptors()
        self._threads = frozenset(os.listdir(_THREADS))
        self._shared = _shared()
        self._children = has_children()
        self._known = len(self._temporary)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """See what `tempfile` makes meanwhile."""
        former = {name: getattr(os, name) for name in ("mkdir", "open")}
        for name, function in former.items():
            setattr(os, name, self._noting(function))
        try:
            yield
        finally:
            for name, function in former.items():
                setattr(os, name, function)

    def _noting(self, make: Callable[..., Any]) -> Callable[..., Any]:
        def noting(path: Any, *arguments: Any, **options: Any) -> Any:
            made = make(path, *arguments, **options)
            code = sys._getframe(1).f_code  # noqa: SLF001  (the library has no other way to the stack)
            if code.co_name in _MAKERS and code.co_filename.endswith("tempfile.py"):
                self._temporary.append(os.fsdecode(path))
            return made

        return noting

    def found(self) -> str:
        """What came since then, as in "opened a socket"; "": nothing that processes must not share."""
        return self.opened() or self.kept(self.modules)

    def opened(self) -> str:
        """What was opened outside of Python's memory."""
        new = [link for fd, link in _descriptors().items() if self._descriptors.get(fd) != link]
        # (libffi, which ctypes brings, keeps itself open, and never reads there: it maps pages of itself)
        new = [link for link in new if link not in _libraries()] if new else new
        if new:
            return f"opened {_name(min(new))}"
        if frozenset(os.listdir(_THREADS)) - self._threads:
            return "started a thread"
        if has_children() and not self._children:
            return "started a process"
        if _shared() - self._shared:
            return "made memory that processes share"
        made = next(filter(os.path.lexists, self._temporary[self._known :]), "")
        return f"made {made}" if made else ""

    @staticmethod
    def kept(since: frozenset[str]) -> str:
        """What the modules that came since then (by the names that there were) keep themselves; "": nothing."""
        for name, module in list(sys.modules.items()):
            if name not in since and name not in _OWN_STATE and isinstance(module, ModuleType):
                held = _held_by(name, vars(module))
                if held:
                    return held
        return ""

    def remove(self) -> None:
        """Remove what `tempfile` has made, whose names nobody else knows."""
        import shutil  # (where tempfile is, it is)

        for path in self._temporary:
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(path)


#: Modules of the library whose state looks after itself: they have their own ways with forks.
_OWN_STATE = frozenset({"random", "tempfile", "threading", "logging", "concurrent.futures.thread"})


def _held_by(name: str, kept: dict[str, Any]) -> str:
    """What a module holds that processes must not share; "": nothing."""
    if name == "numpy.random.mtrand":
        return "has the random numbers of numpy"
    random = sys.modules.get("random")
    for key, value in list(kept.items()):
        kind = type(value)
        if (kind is LockType and value.locked()) or (kind is RLock and value._is_owned()):  # noqa: SLF001
            return f"holds a lock ({name}.{key})"
        if random is not None and _has_numbers(kind, random):
            return f"keeps random numbers ({name}.{key})"
    return ""


def _has_numbers(kind: type, random: ModuleType) -> bool:
    """Whether objects of a type have random numbers that a fork would double (not those of the system)."""
    return issubclass(kind, getattr(random, "Random", ())) and not issubclass(kind, getattr(random, "SystemRandom", ()))


def keeps_random() -> str:
    """Whether objects with random numbers of their own are anywhere, but for those of the library; "": none."""
    random, tempfile = sys.modules.get("random"), sys.modules.get("tempfile")
    if random is None:
        return ""
    # (the first is begun anew in each child, the other looks at the process' number)
    known = {id(getattr(random, "_inst", None)), id(getattr(getattr(tempfile, "_name_sequence", None), "_rng", None))}
    for found in gc.get_objects():
        # (not isinstance, which may ask the object itself)
        if _has_numbers(type(found), random) and id(found) not in known:
            return "keeps random numbers (random.Random)"
    return ""


def has_children() -> bool:
    """Whether this process has children, whether they have ended or not."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def children_of(pid: int) -> Iterator[int]:
    """The processes below another one, as far as the system tells."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                for child in map(int, file.read().split()):
                    yield from children_of(child)
                    yield child
    except OSError:
        return  # it has just ended
