"""Which member of a balancer gets a request: sets, spares, standbys, and those that failed (mod_proxy_balancer)."""

from __future__ import annotations

from collections import Counter

import pytest

from mpserver.ipc.member_health import UNKNOWN, Health
from mpserver.modules.proxy import Check, Member, Parameter
from mpserver.modules.proxy.balancers import Balancer, Choice


def check(number: int) -> Check:
    """A health check."""
    return Check(number, "GET", 0, 30.0, 1, 1, "", None, False)


class Group:
    """A balancer, and what is known of its members: by the letter that each one's URL ends with."""

    def __init__(self, *members: str, checked: str = "", **parameters: Parameter) -> None:
        """``members``: a letter, and its parameters as key=value."""
        self.down: set[str] = set()
        self.health: dict[int, Health] = {}
        made = []
        for member in members:
            name, *words = member.split()
            told: dict[str, Parameter] = {key: value for key, _, value in (word.partition("=") for word in words)}
            made.append(Member(f"http://h/{name}", told, check(ord(name)) if name in checked else None))
        self.balancer = Balancer(
            made, parameters, lambda key: key[-1] in self.down, lambda key: self.down.discard(key[-1]),
            lambda number: self.health.get(number, UNKNOWN),
        )  # fmt: skip

    def choose(self, route: str = "", tried: tuple[Choice, ...] = ()) -> Choice | None:
        """A member, which is free again at once."""
        found = self.balancer.choose(route, tried)
        if found is not None:
            self.balancer.released(found)
        return found

    def spread(self, requests: int = 12, route: str = "") -> dict[str, int]:
        """How many of some requests each member gets; "" those that none gets."""
        chosen = [self.choose(route) for _ in range(requests)]
        return dict(Counter("" if choice is None else choice.url[-1] for choice in chosen))


@pytest.mark.parametrize(
    ("members", "down", "spread"),
    [
        (("a", "b"), "", {"a": 6, "b": 6}),
        (("a", "b loadfactor=3"), "", {"a": 3, "b": 9}),
        (("a", "b"), "a", {"b": 12}),
        (("a lbset=1", "b"), "", {"b": 12}),
        (("a lbset=1", "b"), "b", {"a": 12}),
        (("a", "b status=H"), "", {"a": 12}),
        (("a", "b status=H"), "a", {"b": 12}),
        # a spare takes the place of one that fails, beside those that are left
        (("a", "b", "c status=R"), "", {"a": 6, "b": 6}),
        (("a", "b", "c status=R"), "a", {"b": 6, "c": 6}),
        (("a", "b", "c status=R"), "ab", {"c": 12}),
        (("a", "b", "c status=R", "d status=R"), "a", {"b": 6, "c": 6}),
        (("a", "b", "c status=R", "d status=R"), "ac", {"b": 6, "d": 6}),
        # ... of its set, before the next set, and before the standby
        (("a", "b lbset=1", "c status=R"), "a", {"c": 12}),
        (("a", "b lbset=1", "c status=R lbset=1"), "a", {"b": 12}),
        (("a", "b status=R", "c status=H"), "a", {"b": 12}),
        (("a", "b status=R", "c status=H"), "ab", {"c": 12}),
        (("a status=D", "b"), "", {"b": 12}),
        (("a status=D", "b status=R", "c"), "", {"b": 6, "c": 6}),
        (("a status=S", "b"), "b", {"b": 12}),
        (("a status=N", "b"), "", {"b": 12}),
        (("a status=I", "b"), "a", {"a": 6, "b": 6}),
        (("a status=C", "b"), "", {"b": 12}),
        (("a status=C",), "", {"": 12}),
    ],
)
def test_who_gets_requests(members: tuple[str, ...], down: str, spread: dict[str, int]) -> None:
    group = Group(*members)
    group.down.update(down)
    assert group.spread() == spread


def test_all_that_failed_are_tried_again() -> None:
    group = Group("a", "b")
    group.down.update("ab")
    assert group.spread() == {"a": 6, "b": 6}
    group = Group("a", "b", forcerecovery=False)
    group.down.update("ab")
    assert group.spread() == {"": 12}


def test_what_checks_have_found() -> None:
    group = Group("a", "b", "c status=RI", checked="abc")
    assert group.spread() == {"a": 6, "b": 6}
    group.health[ord("a")] = Health(True, 5.0)
    assert group.spread() == {"b": 6, "c": 6}
    group.health[ord("c")] = Health(True, 6.0)  # (ignoring errors does not ignore checks)
    assert group.spread() == {"b": 12}
    group.health[ord("b")] = Health(True, 6.0)
    assert group.spread() == {"": 12}, "what checks have found is not forgotten where all have failed"
    group.health[ord("a")] = Health(False, 7.0)
    assert group.spread() == {"a": 12}


def test_a_check_that_passes_ends_the_time_that_a_member_is_left_alone() -> None:
    group = Group("a", "b", checked="a")
    group.down.add("a")
    assert group.spread() == {"b": 12}
    group.health[ord("a")] = Health(True, 5.0)
    assert group.spread() == {"b": 12}
    group.health[ord("a")] = Health(False, 6.0)
    assert group.spread() == {"a": 6, "b": 6}
    group.down.add("a")  # (one that could not be reached since then is left alone again)
    assert group.spread() == {"b": 12}


def test_sessions() -> None:
    group = Group("a route=1", "b route=2", "c route=3 status=N", checked="a")
    assert group.spread(route="1") == {"a": 12}
    assert group.spread(route="3") == {"c": 12}, "one that drains keeps its sessions"
    group.health[ord("a")] = Health(True, 5.0)
    assert group.spread(route="1") == {"b": 12}
    group = Group("a route=1", "b route=2", checked="a", nofailover=True)
    group.health[ord("a")] = Health(True, 5.0)
    assert group.spread(route="1") == {"": 12}
    assert group.spread(route="unknown") == {"b": 12}


def test_those_that_were_tried_are_not_tried_again() -> None:
    group = Group("a", "b", "c status=R")
    first = group.choose()
    assert first is not None
    second = group.choose(tried=(first,))
    assert second is not None and second is not first
    third = group.choose(tried=(first, second))
    assert {first.url[-1], second.url[-1]} <= {"a", "b", "c"}
    assert third is not None and {first, second, third} == set(group.balancer.choices)
    assert group.choose(tried=(first, second, third)) is None
