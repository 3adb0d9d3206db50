"""``<If>``, ``<ElseIf>`` and ``<Else>``: sections that hold where a condition about the request does (httpd's core)."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.expression import Expression
from mpserver.config.settings import Conf, Setting, append
from mpserver.typing import NamedTuple


class Branch(NamedTuple):
    """One section: what it sets, and when.

    ``condition`` is None for Else. ``otherwise``: it belongs to the sections before it, of which none may have held.
    """

    condition: Expression | None
    otherwise: bool
    conf: Conf


#: Those of a scope. They are tested after all other sections were merged, in httpd's order.
BRANCHES: Setting[tuple[Branch, ...]] = Setting("If", (), append)


def chosen(branches: tuple[Branch, ...], holds: Callable[[Expression], bool]) -> list[Conf]:
    """What the sections set that hold, in the order of merging; those in a section come after it."""
    found: list[Conf] = []
    held = False
    for condition, otherwise, conf in branches:
        if otherwise and held:
            continue
        held = condition is None or holds(condition)
        if held:
            found.append(conf)
            inner = conf[BRANCHES]
            if inner:
                found += chosen(inner, holds)
    return found
