"""The figures to reach, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benching.cases import APACHE, BARE, GRANIAN, GUNICORN, MOD_WSGI, NGINX, UWSGI
from benching.results import Result, Results
from benching.servers import mpserver_name

#: Stands for the first kind of mpserver that was measured.
OURS = "mpserver"
OWN, PROCESS = mpserver_name("own"), mpserver_name("process")

#: The cases of connections that change interpreters, and of many sessions.
CHANGING = "connections that change interpreters"
MANY_SESSIONS = ("many sessions in files", "many sessions, dbm")
#: The case that measures memory alone.
FLASK_WORKERS = "Flask in 8 workers, kind process"


#: What is said of measures that need a word.
MEASURES = {"cpu": ", CPU time"}


class Goal(NamedTuple):
    """A figure to reach.

    The measure of mpserver in a case and setup, divided by the best of what it is held against
    (server, or setup and server, in the same case; nothing: the measure itself), is at least
    ``limit``, or below it where ``less`` (then the best is the least).
    """

    case: str
    limit: float
    against: tuple[tuple[str, str], ...] = ()
    setup: str = ""
    server: str = OURS
    measure: str = "rate"
    less: bool = False
    unit: str = "x"
    scale: float = 1.0


class Verdict(NamedTuple):
    """A goal, the figure that there is (None: not measured), and whether it reaches."""

    goal: Goal
    value: float | None

    @property
    def reached(self) -> bool | None:
        """None: not measured."""
        if self.value is None:
            return None
        return self.value < self.goal.limit if self.goal.less else self.value >= self.goal.limit

    def text(self) -> str:
        """What is asked for, in words."""
        goal = self.goal
        number = f"{goal.limit:g} {goal.unit}"
        names = [f"{setup} {server}".replace(OURS, "").strip() if setup else server for setup, server in goal.against]
        against = " " + (names[0] if len(names) == 1 else "the better of " + " and ".join(names)) if names else ""
        return ("under " if goal.less else "") + number + against + MEASURES.get(goal.measure, "")


def _against(*servers: str) -> tuple[tuple[str, str], ...]:
    return tuple(("", server) for server in servers)


GOALS = (
    Goal("handler hello", 3, _against(APACHE)),
    Goal("handler hello", 1.4, _against(GRANIAN)),
    Goal("handler hello", 0.55, _against(BARE)),
    Goal("handler hello, access log on", 1.15, (("off", OURS),), measure="cpu", less=True),
    Goal("publisher hello", 3.5, _against(APACHE)),
    Goal("PSP page", 3, _against(APACHE)),
    Goal("session counter, file", 3, _against(APACHE)),
    Goal("session counter, dbm", 3, _against(APACHE)),
    Goal("cgihandler", 3, _against(APACHE)),
    Goal("WSGI hello", 1.2, _against(GRANIAN)),
    Goal("WSGI hello", 4, _against(MOD_WSGI)),
    Goal("WSGI hello", 4, _against(UWSGI)),
    Goal("WSGI hello", 5, _against(GUNICORN)),
    Goal("static 13 B", 1.7, _against(APACHE)),
    Goal("static 13 B", 0.7, _against(NGINX)),
    Goal("static 1 MB", 0.95, _against(APACHE, NGINX)),
    Goal("connection per request", 1, _against(GRANIAN)),
    Goal("kinds of interpreter", 0.95, (("", OWN),), server=PROCESS),
    Goal("busy interpreters", 1.9, (("1 on two cores", OURS),), "2 on two cores"),
    Goal("idle connections", 3, (), "10,000 idle", measure="each", less=True, unit="KB each", scale=1000),
    Goal("idle connections", 0.9, (("0 idle", OURS),), "10,000 idle"),
    Goal("interpreters", 6, (), "100", measure="each", less=True, unit="MB each", scale=1e6),
    Goal("interpreters", 0.85, (("1", OURS),), "100"),
    Goal(FLASK_WORKERS, 40, (), server=PROCESS, measure="each", less=True, unit="MB in all", scale=1e6),
    *(
        Goal(CHANGING, 2.5, ((f"none of {count}", OURS),), f"{count}", measure="cpu", less=True)
        for count in (2, 50, 100)
    ),
    *(Goal(case, 1.1, (("16", OURS),), "100,000", measure="cpu", less=True) for case in MANY_SESSIONS),
    Goal("virtual hosts", 0.9, (("1", OURS),), "10,000"),
    Goal("virtual hosts in turns", 0.9, (("1", OURS),), "10,000"),
)


def judge(results: Results, goals: Sequence[Goal] = GOALS) -> list[Verdict]:
    """Each goal of a case that was run; ``OURS`` is the first mpserver in it."""
    cases = {row.case for row in results.rows}
    return [Verdict(goal, _value(goal, results)) for goal in goals if goal.case in cases]


def _value(goal: Goal, results: Results) -> float | None:
    first = next((row.server for row in results.rows if row.case == goal.case and row.server.startswith(OURS)), "")
    figure = _measure(goal, results.row(goal.case, goal.setup, first if goal.server == OURS else goal.server))
    if figure is None:
        return None
    if not goal.against:
        return figure / goal.scale
    others = [
        _measure(goal, results.row(goal.case, setup, first if server == OURS else server))
        for setup, server in goal.against
    ]
    found = [other for other in others if other]
    best = min if goal.less else max
    return figure / best(found) if found else None


def _measure(goal: Goal, row: Result | None) -> float | None:
    return None if row is None else getattr(row, goal.measure)
