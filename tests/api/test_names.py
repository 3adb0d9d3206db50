"""Whose the names of the objects for applications are: the interface's, the engine's (mp_), or an application's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mpserver.api.connection import Connection
from mpserver.api.filter_object import InputFilterObject, OutputFilterObject
from mpserver.api.protocol_connection import ProtocolConnection
from mpserver.api.request import Request
from mpserver.api.server import Server

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api-coverage.md").read_text()
#: What a connection has in its own handlers only (manual 4.4).
PROTOCOL = {"hlist"}


def documented(title: str) -> set[str]:
    """The members that a section of the page names."""
    section = PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE))


@pytest.mark.parametrize(
    ("kind", "title", "missing"),
    [
        (Request, "The request object", {"_request_rec"}),
        (Connection, "The connection object", {"_conn_rec"} | PROTOCOL),
        (ProtocolConnection, "The connection object", {"_conn_rec"}),
        (Server, "The server object", {"_server_rec"}),
        (InputFilterObject, "The filter object", set()),
        (OutputFilterObject, "The filter object", set()),
    ],
)
def test_all_names_are_documented_or_the_engines(kind: type, title: str, missing: set[str]) -> None:
    names = {name for name in dir(kind) if not re.fullmatch(r"__\w+__|mp_\w+", name)}
    assert len(names) > 10
    assert names == documented(title) - missing
