"""What the tests of applications of PyPI have in common."""

from __future__ import annotations

import http.client
import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

from support.waiting import PATIENCE

#: The kinds of interpreters that they run in (there are no subinterpreters before 3.12). Under "shared", modules load
#: that refuse "own"; "auto" is what people get who say nothing.
KINDS = ("own", "shared", "process", "auto") if sys.version_info >= (3, 12) else ("process", "auto")


def needs(*modules: str) -> None:
    """Skip what is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: tools/test --apps")


def script(name: str) -> str:
    """The path of a program that a package brings."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"{name} is not installed: tools/test --apps")
    return found


def loads(port: int, path: str = "/") -> int:
    """The status of a first answer, which waits for a large application to be loaded (under auto twice)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=6 * PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
