"""Processes and what they use: starting, stopping, CPU time and memory."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

#: Seconds that a server may take until it listens, and until it has ended.
PATIENCE = 60.0


class NotServing(SystemExit):
    """A server that did not start."""


def answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(cores: Sequence[int]) -> list[str]:
    """The words before a command that keep it on some cores."""
    return ["taskset", "-c", ",".join(map(str, cores))]


@contextlib.contextmanager
def started(
    command: Sequence[str], port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Family]:
    """Run a server while the block lasts, from when it listens; gives its processes.

    :raises NotServing: it doesn't listen, with its output
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                logs = [path for path in (log, log.parent / "error.log") if path.exists()]
                said = [path.read_text(errors="replace")[-2000:] for path in logs]
                raise NotServing(f"{' '.join(command)} does not serve:\n{''.join(said)}")
            time.sleep(0.02)
        yield Family([psutil.Process(process.pid)])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Family:
    """The processes of a server: some, and their descendants at each look."""

    def __init__(self, roots: Iterable[psutil.Process]) -> None:
        self.roots = tuple(roots)

    @classmethod
    def listening(cls, port: int) -> Family:
        """Those that have the listening socket of a port, as far as we may know; found by its inode."""
        inodes = set()
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _number, local, _remote, state, *more = line.split()
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{more[5]}]")
        holders = {process for process in psutil.process_iter() if _sockets(process) & inodes}
        return cls(process for process in holders if process.parent() not in holders)

    def members(self) -> set[psutil.Process]:
        """All of them now."""
        found = {root for root in self.roots if root.is_running()}
        for root in self.roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                found.update(root.children(recursive=True))
        return found

    def times(self) -> tuple[float, float]:
        """Seconds of CPU time so far, in the programs and in the kernel, with those of children that have ended.

        The sum is exact for processes that run; which part of it was the kernel's the system tells in hundredths of a
        second, which many processes with little to do hardly come to.
        """
        programs = kernel = 0.0
        for process in self.members():
            with contextlib.suppress(psutil.NoSuchProcess, OSError):
                times = process.cpu_times()
                exact = time.clock_gettime(~process.pid << 3 | 2)  # (as clock_getcpuclockid(3) makes it)
                programs += max(0.0, exact - times.system) + times.children_user
                kernel += times.system + times.children_system
        return programs, kernel

    def cpu(self) -> float:
        """Seconds of CPU time so far, wherever."""
        return sum(self.times())

    def memory(self) -> int:
        """Bytes of memory that they hold: proportional shares, or resident sets where we may not know those."""
        total = 0
        for process in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                try:
                    total += process.memory_full_info().pss
                except psutil.AccessDenied:
                    total += process.memory_info().rss
        return total


class Stolen:
    """What the host of a virtual machine takes of its cores' time meanwhile: ``steal`` in proc(5)."""

    def __init__(self, cores: Iterable[int]) -> None:
        self._cores = tuple(cores)
        self._then = psutil.cpu_times(percpu=True)

    def share(self) -> float:
        """The part of its time (0 to 1) that the core lost which lost most; 0 where nothing tells."""
        now = psutil.cpu_times(percpu=True)
        parts = [0.0]
        for core in self._cores:
            if core < len(now) and hasattr(now[core], "steal"):
                # (what guests of ours got is in user and nice already)
                passed = sum(now[core][:8]) - sum(self._then[core][:8])
                if passed > 0:
                    parts.append((now[core].steal - self._then[core].steal) / passed)
        return max(parts)


def _sockets(process: psutil.Process) -> set[str]:
    """The sockets among a process' descriptors; none if we may not know."""
    found = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{process.pid}/fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(entry.path))
    return found


def description() -> dict[str, str]:
    """The machine in a few words."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
    return {
        "processor": processor,
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
    }
