"""``mpserver --profile NAME SECONDS``: the functions in which an interpreter of the running server spends its time.

The standard library's sampling profiler (``profiling.sampling``, from Python 3.15 on) reads the memory of the server's
processes from outside: nothing runs in them for it, and nothing has to be prepared. It sees all threads of a process,
by interpreters; which of these is meant is known by the kernel's number of its first thread, which the server's
status tells.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib import import_module

from mpserver.cli.status import STATUS_WITHIN, ask, plain
from mpserver.errors import StartError
from mpserver.system import own_imports
from mpserver.typing import Any, NamedTuple

#: The oldest Python whose library has the profiler.
SINCE = (3, 15)
#: Seconds between two looks at a process, where these take less.
INTERVAL = 0.005
#: Seconds between two questions for the interpreters that there are.
REFRESH = 1.0
#: How many functions are shown.
MOST = 25

#: Where requests are carried out, below the folder of the server's packages.
_PIPELINE = "/mpserver/phases/pipeline.py"
#: What the library gives for frames that are of no file.
_NO_FILE = "~"

#: Where Linux says who may read other processes: above 0 only root may read any.
_SCOPE = "/proc/sys/kernel/yama/ptrace_scope"


class Target(NamedTuple):
    """An interpreter of the name that is asked for."""

    worker: int
    pid: int
    kind: str
    thread: int

    def is_meant(self, interpreter: Any) -> bool:
        """Whether this is what the profiler has seen in its process."""
        return self.kind == "process" or any(thread.thread_id == self.thread for thread in interpreter.threads)


def profile(pid_file: str, name: str, seconds: float, flamegraph: str) -> int:
    """Look at an interpreter's threads for a time, and print the functions that they were in.

    :param flamegraph: the file for a flame graph; "": none is wanted.
    :returns: the exit status.
    :raises StartError: this Python has no profiler, no server answers, or its processes can't be read.
    """
    if sys.version_info < SINCE:
        have, least = (".".join(map(str, version)) for version in (sys.version_info[:3], SINCE))
        raise StartError(
            f"--profile needs Python {least} or later, whose library has a sampling profiler: this is Python {have}"
        )
    if flamegraph:
        _look_at_folder(flamegraph)
    found = targets(pid_file, name)
    if not found:
        sys.stderr.write(f"mpserver: no worker has an interpreter '{name}': --status lists them\n")
        return 1
    samples = Samples(INTERVAL)
    began = time.monotonic()
    try:
        with Targets(pid_file, name, found) as current:
            _watch(current, samples, began + seconds)
    except KeyboardInterrupt:
        pass  # (what there is by now is shown)
    print("\n".join(_report(name, samples, time.monotonic() - began)))
    if flamegraph:
        samples.write(flamegraph, time.monotonic() - began)
    return 0


def _look_at_folder(file: str) -> None:
    """Tell before the time is spent that a file can't be written. :raises StartError: so it is."""
    folder = os.path.dirname(os.path.abspath(file))
    if not os.path.isdir(folder):
        raise StartError(f"--flamegraph {file}: there is no folder {folder}")
    if os.path.isdir(file) or not os.access(file if os.path.exists(file) else folder, os.W_OK):
        raise StartError(f"--flamegraph {file}: it can't be written")


def targets(pid_file: str, name: str) -> list[Target]:
    """The interpreters of a name that there are now. :raises StartError: no server answers."""
    found: dict[str, Any] = next(ask(pid_file, {"command": "status"}, STATUS_WITHIN), {})
    if found.get("error"):
        raise StartError(found["error"])
    return [
        Target(worker["slot"], interp["pid"], interp["kind"], interp["thread"])
        for worker in found.get("workers", ())
        for interp in worker["interpreters"]
        if interp["name"] == name
    ]


class Targets:
    """The interpreters of a name, asked for again and again in a thread: some end, and others begin."""

    def __init__(self, pid_file: str, name: str, first: list[Target]) -> None:
        self.now = first
        self._pid_file, self._name = pid_file, name
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Targets:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(REFRESH):
            try:
                self.now = targets(self._pid_file, self._name)
            except (StartError, ValueError):
                return  # the server ends: those that there are may be read until then


def _watch(current: Targets, samples: Samples, until: float) -> None:
    """Look at the processes in turns until a time (``time.monotonic()``). :raises StartError: none can be read."""
    readers: dict[int, Any] = {}
    refused: dict[int, str] = {}
    while (now := time.monotonic()) < until:
        wanted: dict[int, list[Target]] = {}
        for target in current.now:
            wanted.setdefault(target.pid, []).append(target)
        for pid, its in wanted.items():
            if pid in refused:
                continue
            try:
                reader = readers.get(pid) or readers.setdefault(pid, _reader(pid))
                samples.add(its, reader.dump_stack())
            except ProcessLookupError:
                readers.pop(pid, None)
            except PermissionError as error:
                raise StartError(_not_permitted(pid)) from error
            except UnreadableError as error:
                refused[pid] = str(error)
            except (OSError, RuntimeError, MemoryError, UnicodeDecodeError):
                samples.missed += 1  # (it was changing just then, or has ended)
                if not os.path.exists(f"/proc/{pid}"):
                    readers.pop(pid, None)
        if wanted and refused.keys() >= wanted.keys():
            raise StartError(next(iter(refused.values())))
        # (as much rest as work: a profiler must not take the processor from what it looks at)
        took = time.monotonic() - now
        time.sleep(max(0.0, min(max(INTERVAL - took, took), until - time.monotonic())))
    for why in refused.values():
        sys.stderr.write(f"mpserver: {why}\n")


class UnreadableError(StartError):
    """A process can't be looked at; the text says why."""


def _reader(pid: int) -> Any:
    """What reads the stacks of a process. :raises OSError: it has ended, or may not be read."""
    sampling, constants = import_module("profiling.sampling.sample"), import_module("profiling.sampling.constants")
    try:
        return sampling.SampleProfiler(
            pid,
            int(INTERVAL * 1e6),
            True,
            mode=constants.PROFILING_MODE_ALL,
            # (with it, Python 3.15.0 takes a function for a collection that it has had long before)
            gc=False,
            skip_non_matching_threads=False,
        )
    except SystemExit as error:  # (its way to tell)
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, PermissionError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        if not os.path.exists(f"/proc/{pid}"):
            raise ProcessLookupError(pid) from None
        version = ".".join(map(str, sys.version_info[:2]))
        raise UnreadableError(
            f"process {pid} can't be read: {error}; a server, or an interpreter with PythonExecutable, is read by the "
            f"mpserver of a Python of the same version (this is {version})"
        ) from None


def _not_permitted(pid: int) -> str:
    """What to do where a process may not be read."""
    why = f"process {pid} may not be read by this account (user #{os.geteuid()})"
    if os.geteuid() != 0:
        remedy = "give the command as root"
        with contextlib.suppress(OSError, ValueError), open(_SCOPE) as file:
            if int(file.read()):
                remedy += (
                    f", or allow it to read its own processes ({_SCOPE} is not 0): sysctl kernel.yama.ptrace_scope=0"
                )
    else:
        remedy = "root lacks the capability CAP_SYS_PTRACE; give it to the container (docker run --cap-add SYS_PTRACE)"
    return f"{why}: {remedy}"


#: A function: its file and name.
Function = tuple[str, str]


class Samples:
    """What was seen: how often each function, and each stack."""

    def __init__(self, interval: float) -> None:
        self.total = 0
        #: Looks at a process, and those that failed.
        self.looks = self.missed = 0
        #: By worker and kind: whether it was seen.
        self.seen: set[tuple[int, int, str]] = set()
        #: How often a function was the innermost one, and how often it was on a stack; and its lines.
        self.own: Counter[Function] = Counter()
        self.within: Counter[Function] = Counter()
        self.lines: dict[Function, Counter[int]] = {}
        collectors = import_module("profiling.sampling.stack_collector")
        self._graph = collectors.FlamegraphCollector(int(interval * 1e6))

    def add(self, its: Iterable[Target], interpreters: Iterable[Any]) -> None:
        """Count what the threads of the interpreters that are meant do, of all that are in a process."""
        self.looks += 1
        kept = []
        for interpreter in interpreters:
            target = next((target for target in its if target.is_meant(interpreter)), None)
            if target is None:
                continue
            self.seen.add((target.worker, target.pid, target.kind))
            threads = [*self._at_work(interpreter)]
            for thread in threads:
                self._count(thread.frame_info)
            if threads:
                kept.append(_changed(interpreter, threads=threads))
        if kept:
            self._graph.collect(kept)

    @staticmethod
    def _at_work(interpreter: Any) -> Iterator[Any]:
        """The threads that are in a request, or compute something of the application's, with what is of interest."""
        constants = import_module("profiling.sampling.constants")
        computes = constants.THREAD_STATUS_ON_CPU | constants.THREAD_STATUS_HAS_GIL
        for thread in interpreter.threads:
            frames = thread.frame_info
            if not frames:
                continue
            request = next((at for at, frame in enumerate(frames) if frame.filename.endswith(_PIPELINE)), None)
            if request is not None or (thread.status & computes and any(map(_is_application, frames))):
                yield _changed(thread, frame_info=frames if request is None else _of_interest(frames, request))

    def _count(self, frames: list[Any]) -> None:
        self.total += 1
        functions: set[Function] = set()
        for at, frame in enumerate(frames):
            function = (frame.filename, frame.funcname)
            if at == 0:
                self.own[function] += 1
                self.lines.setdefault(function, Counter())[_line(frame)] += 1
            functions.add(function)
            if function not in self.lines:
                self.lines[function] = Counter((_line(frame),))
        self.within.update(functions)

    def write(self, file: str, seconds: float) -> None:
        """Write the flame graph. :raises StartError: that is not possible."""
        if not self.total:
            return
        rate = self.looks / seconds if seconds else 0.0
        missed = self.missed / max(1, self.looks + self.missed) * 100
        constants = import_module("profiling.sampling.constants")
        self._graph.set_stats(int(INTERVAL * 1e6), seconds, rate, missed, None, mode=constants.PROFILING_MODE_ALL)
        try:
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                self._graph.export(file)
        except OSError as error:
            raise StartError(f"--flamegraph {file}: {error.strerror}") from error
        print(f"\nflame graph: {file}")


def _line(frame: Any) -> int:
    """The line that a frame is in; 0: it is in none."""
    return int(frame.location[0]) if frame.location else 0


def _changed(record: Any, **changes: Any) -> Any:
    """A copy of what the profiler gives, with other values (``copy.replace``, from Python 3.13 on)."""
    return import_module("copy").replace(record, **changes)


def _is_application(frame: Any) -> bool:
    """Whether a frame is of neither the server nor the standard library."""
    file = frame.filename
    return file != _NO_FILE and not file.startswith(own_imports.OWN_FILES) and not own_imports.is_library(file)


def _of_interest(frames: list[Any], request: int) -> list[Any]:
    """The stack of a request, innermost first, without what the server does around the application's code.

    :param request: the place of the frame that carries it out.
    """
    root = frames[request].filename.removesuffix(_PIPELINE)
    ours = (f"{root}/mpserver/", f"{root}/mod_python/")
    for at in range(request, -1, -1):
        file = frames[at].filename
        if file != _NO_FILE and not file.startswith(ours):
            return frames[: at + 1]
    return frames[: request + 1]


def _report(name: str, samples: Samples, seconds: float) -> Iterator[str]:
    """What was seen, as people read it."""
    where = ", ".join(f"worker {worker} (pid {pid}, {kind})" for worker, pid, kind in sorted(samples.seen))
    yield plain(f"interpreter '{name}' in {where or 'no process'}, {seconds:.1f} s:")
    if not samples.total:
        yield "no thread was in a request, and none computed anything"
        return
    missed = f", {samples.missed} looks failed" if samples.missed else ""
    yield f"{samples.total} samples of threads in requests, or that compute{missed}"
    yield ""
    yield "  SELF   TOTAL  FUNCTION"
    shown = sorted(samples.within, key=lambda one: (-samples.own[one], -samples.within[one], one))[:MOST]
    for function in shown:
        file, called = function
        line = samples.lines[function].most_common(1)[0][0]
        place = "" if file == _NO_FILE else f"  {file}:{line}"
        own, within = (count[function] / samples.total * 100 for count in (samples.own, samples.within))
        yield plain(f"{own:5.1f}%  {within:5.1f}%  {called}{place}")
    if len(samples.within) > len(shown):
        yield f"and {len(samples.within) - len(shown)} more functions"
