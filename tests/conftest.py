"""Fixtures for all tests."""

from __future__ import annotations

import contextlib
import itertools
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings

from support import bytecode, redis, smtp
from support.certificates import Authority
from support.processes import adopt_orphans, nothing_outlives
from support.server import Server

#: Starts a real server that ends with the test: arguments as of `Server`, without the folder.
StartServer: TypeAlias = Callable[..., Server]

# How long an example takes says more of the machine's other work than of the example.
settings.register_profile("mpserver", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mpserver")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What tools/test asks for."""
    group = parser.getgroup("mpserver")
    group.addoption("--part", choices=("together", "alone"), help="leave out the tests marked alone, or all others")
    group.addoption("--results", metavar="FILE", help="append the counts, and the names of tests that failed, to FILE")


def pytest_configure(config: pytest.Config) -> None:
    """Have bytecode at hand before servers, and the helpers of xdist, start."""
    if not hasattr(config, "workerinput") and config.pluginmanager.hasplugin("cacheprovider"):
        bytecode.keep(config.cache.mkdir("bytecode"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the tests as pytest rewrites them, which is most of the work of finding them."""
    with bytecode.written():
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what belongs to the other part (by an option of its own: ``-m`` stays free for people)."""
    part = config.getoption("--part")
    if part is None:
        return
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        wanted = (item.get_closest_marker("alone") is not None) == (part == "alone")
        (kept if wanted else left).append(item)
    if part == "together":
        for path in {item.path for item in left}:
            if "mark.alone" not in path.read_text():
                raise pytest.UsageError(f"{path}: tools/test finds tests marked alone by the words mark.alone")
    items[:] = kept
    config.hook.pytest_deselected(items=left)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Write down what tools/test repeats at its end."""
    file = config.getoption("--results")
    if file is None or hasattr(config, "workerinput"):  # (a helper of xdist: all is told by the first process)
        return
    counts = {word: len(terminalreporter.stats.get(word, ())) for word in ("passed", "skipped", "failed", "error")}
    with open(file, "a", encoding="utf-8") as results:
        told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        results.write(f"Python {platform.python_version()}, {config.getoption('--part')}: {told or 'no tests'}\n")
        for word in ("failed", "error"):
            for report in terminalreporter.stats.get(word, ()):
                results.write(f"  {word}: {report.nodeid}\n")


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[StartServer]:
    """Start servers in folders of their own; at the end all stop, and nothing of them may be left."""
    number = itertools.count()
    with nothing_outlives(), contextlib.ExitStack() as running:

        def start(conf: str, files: dict[str, str | bytes] | None = None, **options: Any) -> Server:
            return running.enter_context(Server(folder / f"server{next(number)}", conf, files, **options))

        yield start


@pytest.fixture(scope="session")
def orphanage() -> None:
    """Daemons that tests start stay below this process."""
    adopt_orphans()


@pytest.fixture
def start_server(tmp_path: Path, orphanage: None) -> Iterator[StartServer]:
    """Start servers that end with the test."""
    with servers(tmp_path) as start:
        yield start


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that all accounts can read (pytest's own are for one alone)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def start_open_server(open_folder: Path, orphanage: None) -> Iterator[StartServer]:
    """Start servers, as root, whose applications can be those of the account nobody."""
    look = [sys.executable, "-c", f"import os, sysconfig; os.listdir({str(open_folder)!r})"]
    try:
        subprocess.run(look, user="nobody", capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this Python is not for others to read")
    with servers(open_folder) as start:
        yield start


@pytest.fixture(scope="module")
def start_module_server(tmp_path_factory: pytest.TempPathFactory, orphanage: None) -> Iterator[StartServer]:
    """Start servers that serve all tests of a module."""
    with servers(tmp_path_factory.mktemp("module")) as start:
        yield start


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who vouches for the server, see `support.tls.HTTPS`."""
    found = Authority(tmp_path_factory.mktemp("certificates") / "ca")
    found.issue("a", ["DNS:a.example"])
    return found


@pytest.fixture
def mail_server() -> Iterator[smtp.Sink]:
    """A mail server that keeps what it gets."""
    with smtp.sink() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """A Redis server for all tests."""
    with redis.Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server
