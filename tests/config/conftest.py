"""Loading configurations from texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from config.small import small_registry
from mpserver.config.configuration import Configuration, load
from mpserver.config.finished import Finished
from mpserver.config.finishing import write

#: Gives the configuration of a text.
LoadText: TypeAlias = Callable[[str], Configuration]


def finished(configuration: Configuration) -> Finished:
    """The configuration as those have it who serve."""
    return Finished(write(configuration), small_registry)


@pytest.fixture
def load_text(tmp_path: Path) -> LoadText:
    def read(text: str) -> Configuration:
        file = tmp_path / "httpd.conf"
        file.write_text(text)
        return load("httpd.conf", small_registry(), root=str(tmp_path))

    return read
