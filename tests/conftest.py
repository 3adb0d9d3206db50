"""Fixtures for all tests."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from support import redis, smtp
from support.processes import adopt_orphans, nothing_outlives
from support.server import Server

#: Starts a real server that ends with the test: arguments as of `Server`, without the folder.
StartServer: TypeAlias = Callable[..., Server]


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


@pytest.fixture(scope="module")
def start_module_server(
    tmp_path_factory: pytest.TempPathFactory, orphanage: None
) -> Iterator[StartServer]:
    """Start servers that serve all tests of a module."""
    with servers(tmp_path_factory.mktemp("module")) as start:
        yield start


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
