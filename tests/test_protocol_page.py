"""docs/protocol.md and the docstrings above the enumerations tell of every message and of every state."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

import pytest

from mpserver.interpreters import handle
from mpserver.interpreters.handle import InterpreterState
from mpserver.ipc import connection_states, messages, scoreboard_layout, worker_messages
from mpserver.ipc.connection_states import ConnectionState
from mpserver.ipc.messages import Kind
from mpserver.ipc.scoreboard_layout import State
from mpserver.ipc.worker_messages import WorkerMessage

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "protocol.md").read_text()


@pytest.mark.parametrize(
    ("members", "told"),
    [
        (Kind, messages.__doc__),
        (WorkerMessage, worker_messages.__doc__),
        (State, scoreboard_layout.__doc__),
        (ConnectionState, connection_states.__doc__),
        (InterpreterState, handle.InterpreterState.__doc__),
    ],
)
def test_each_member_is_told_of(members: type[Enum], told: str | None) -> None:
    names = {member.name for member in members}
    assert names <= set(re.findall(r"`([A-Z_]+)`", PAGE)), "docs/protocol.md"
    assert names <= set(re.findall(r"^ *([A-Z_]+)  ", told or "", re.MULTILINE)), "the docstring"


def test_the_page_tells_of_nothing_else() -> None:
    enumerations: tuple[type[Enum], ...] = (Kind, WorkerMessage, State, ConnectionState, InterpreterState)
    rows = set(re.findall(r"^\| `([A-Z_]+)`", PAGE, re.MULTILINE))
    assert rows <= {member.name for members in enumerations for member in members}
