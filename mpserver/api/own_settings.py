"""What a request's handlers change of the settings that it has from its plan: PythonOptions, and Python directives."""

from __future__ import annotations

from mpserver.api.table import Table

Pairs = tuple[tuple[str, str], ...]
#: What was changed: names with what they were set to, and to what; None for what was not there, or was taken away.
Changes = tuple[tuple[str, str | None, str | None], ...]


class OwnSettings:
    """A request's own copy of settings of its plan, which applications may change.

    They hold for the rest of the request. It may get another plan meanwhile, when its directory is known or it goes on
    as its index: then there is another copy, of that plan's settings with the same changes. What that plan itself sets
    to something else is as it says, as it is with httpd, which merges what its sections say then.
    """

    __slots__ = ("pairs", "table")

    def __init__(self, pairs: Pairs, changes: Changes = ()) -> None:
        """``pairs``: the plan's."""
        self.pairs = pairs
        self.table = Table.from_pairs(pairs)
        told = Table.from_pairs(pairs)
        for name, before, now in changes:
            if told.get(name) != before:
                continue
            if now is None:
                del self.table[name]
            else:
                self.table[name] = now

    def of(self, pairs: Pairs) -> OwnSettings:
        """The copy for a request whose plan has these settings."""
        return self if self.pairs is pairs else OwnSettings(pairs, self.changes())

    def changes(self) -> Changes:
        """What applications have changed."""
        before, now = Table.from_pairs(self.pairs), self.table
        if before.pairs() == now.pairs():
            return ()
        names = dict.fromkeys(name.lower() for name in (*before.keys(), *now.keys()))
        return tuple((name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name))
