"""What is remembered for texts that clients choose: what comes again, in bounded memory."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mpserver.config.configuration import load
from mpserver.modules.all import registry
from mpserver.phases.host import ROOM
from mpserver.phases.pipeline import Pipeline
from mpserver.phases.planner import Planner
from mpserver.phases.survey import finish
from mpserver.remembered import FEW, MARKS, PART, Remembered

LOCAL = ("127.0.0.1", 80)


def test_a_few_come_in_at_once() -> None:
    known: Remembered[int, str] = Remembered(1 << 20, 100)
    assert all(known.keep(number, "x", 10) for number in range(FEW))
    assert len(known) == FEW
    assert not known.keep(FEW, "x", 10)
    assert known.keep(FEW, "x", 10)
    assert known.get(FEW) == "x"


def test_what_comes_once_takes_no_room_and_pushes_nothing_out() -> None:
    known: Remembered[str, int] = Remembered(1 << 20, 100)
    for number in range(FEW):
        known.keep(f"first {number}", number, 10)
    first = dict(known)
    chances = random.Random(1)
    came = sum(known.keep(f"once {chances.random()}", 0, 10) for _ in range(20_000))
    assert came < 20_000 / 200
    assert first.items() <= known.items()


def test_of_a_site_with_thousands_of_paths_most_are_remembered_soon() -> None:
    known: Remembered[str, int] = Remembered(8 << 20, 1000)
    for _ in range(3):
        for number in range(MARKS // 2):
            if f"page {number}" not in known:
                known.keep(f"page {number}", number, 10)
    assert len(known) > MARKS // 2 * 0.95


def test_its_room_is_bounded() -> None:
    known: Remembered[int, int] = Remembered(64_000, 100)
    assert not known.keep(0, 0, 64_000 // PART), "one that is too long"
    for number in range(10_000):
        known.keep(number % 700, number, 300)
        assert len(known) <= 64_000 // 400
    known.clear()
    assert len(known) == 0
    assert all(known.keep(number, 0, 300) for number in range(64_000 // 400))
    assert known.keep(-1, 0, 300) or known.keep(-1, 0, 300), "it comes again"
    assert len(known) == 1, "there was no room for one more"


def test_what_takes_the_place_of_another_pushes_nothing_out() -> None:
    known: Remembered[str, int] = Remembered(64_000, 100)
    assert known.keep("other", 0, 10)
    for number in range(10_000):
        assert known.keep("changes", number, 300)
    assert known == {"other": 0, "changes": 9999}


@pytest.fixture(params=["", "RewriteEngine On\nRewriteRule ^/old/(.*) /new/$1 [PT]\n"], ids=["plain", "rules"])
def planner(tmp_path: Path, request: pytest.FixtureRequest) -> Planner:
    """That of a site whose paths mean no files."""
    location = "<Location />\nSetHandler mod_python\nPythonHandler app\n</Location>\n"
    (tmp_path / "httpd.conf").write_text(f"DocumentRoot {tmp_path}\n{request.param}{location}")
    return Pipeline(finish(load("httpd.conf", registry(), root=str(tmp_path))), {}, 0, None, {}).planner


def test_paths_that_nobody_asks_for_again_are_not_remembered(planner: Planner) -> None:
    host = planner.host_of(LOCAL, "a")
    remembered = host.site.settled if host.site.rewriters else host.site.located

    def ask(path: str) -> None:
        if host.site.rewriters:
            planner.settle(host, path, None, "")
        else:
            planner.locate(host, path)

    for number in range(3000):
        ask(f"/{number}/" + "x" * (number % 100))
    assert FEW <= len(remembered) < FEW + 100
    for _ in range(2):
        for number in range(3000):
            ask(f"/{number}/" + "x" * (number % 100))
    assert len(remembered) > 2000
    for _ in range(3):
        for number in range(200):
            ask(f"/{number}/" + "x" * 8000)
    kept = sum(len(path if isinstance(path, str) else path[0]) for path in remembered)
    assert len(remembered) * 2048 + kept * 4 <= ROOM
