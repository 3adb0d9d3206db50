"""The plugin for pytest: see ``docs/testing.md``.

It is loaded by who names it: of a package whose plugins pytest finds by itself, it changes the asserts everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mpserver.testing.bench import Bench
    from mpserver.testing.server import Server

#: The servers that run.
_RUNNING = pytest.StashKey["list[Server]"]()


def pytest_configure(config: pytest.Config) -> None:
    """Begin without servers."""
    config.stash[_RUNNING] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the servers with a test that failed."""
    report = yield
    if report.failed:
        for server in item.config.stash[_RUNNING]:
            report.sections.append((f"log of mpserver at port {server.port}", server.log()))
    return report


def _starting(config: pytest.Config, kind: str) -> Iterator[Callable[..., Server]]:
    from mpserver.testing.server import Server  # (nobody else needs it in a session of tests)

    running, own = config.stash[_RUNNING], []

    def start(application: Any, **options: Any) -> Server:
        server = Server(application, **{"kind": kind, **options})
        running.append(server)
        own.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in own:
            running.remove(server)
            server.close()


@pytest.fixture(scope="session")
def mpserver_kind() -> str:
    """The kind of interpreters of the servers; tests may be parametrized by it, see ``mpserver.testing.KINDS``."""
    return "auto"


@pytest.fixture
def mpserver(pytestconfig: pytest.Config, mpserver_kind: str) -> Iterator[Callable[..., Server]]:
    """Starts servers that end with the test: ``mpserver(application, ...)``, see ``mpserver.testing.Server``."""
    yield from _starting(pytestconfig, mpserver_kind)


@pytest.fixture(scope="module")
def mpserver_module(pytestconfig: pytest.Config, mpserver_kind: str) -> Iterator[Callable[..., Server]]:
    """The same for servers that end with the module."""
    yield from _starting(pytestconfig, mpserver_kind)


@pytest.fixture
def mpserver_bench() -> Iterator[Bench]:
    """Calls handlers without a server, see ``mpserver.testing.Bench``."""
    from mpserver.testing.bench import Bench

    with Bench() as bench:
        yield bench
