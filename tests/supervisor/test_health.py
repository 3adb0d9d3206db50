"""The pages that the master has of the server's health, whatever stands in the memory that they are made of."""

from __future__ import annotations

import json

import pytest

from mpserver.ipc.history import History
from mpserver.ipc.scoreboard import Scoreboard
from mpserver.supervisor.health import Health


class Master:
    """What a health is asked of."""

    threads = 1

    def __init__(self) -> None:
        self.scoreboard = Scoreboard.create(2)
        self.told: list[str] = []

    def tell_facts(self) -> None:
        """(Somebody writes others.)"""

    def tell(self, _level: int, text: str) -> None:
        self.told.append(text)

    def unready(self) -> str:
        return ""


@pytest.mark.parametrize("facts", [b"{", b"[1]", b'{"certificates": [1], "listeners": 5}', b"[" * 20000])
def test_facts_that_make_no_sense_end_nobody(facts: bytes) -> None:
    master = Master()
    pages = Health(master).pages()
    History(master.scoreboard).tell(facts)
    assert pages["/metrics"]("").status == 500
    assert "ManagementListen: there is no /metrics now: " in master.told[0]
    assert pages["/livez"]("").status == pages["/readyz"]("").status == 200
    History(master.scoreboard).tell(b"{}")
    later = Health(master).pages()
    assert later["/metrics"]("").status == 200
    assert json.loads(later["/status.json"]("").text)["requests"] == 0
