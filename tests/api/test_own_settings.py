"""Settings of a request that applications change, from plan to plan."""

from __future__ import annotations

import pytest

from mpserver.api.own_settings import OwnSettings, Pairs

SERVER: Pairs = (("place", "server"), ("Gone", "server"), ("other", "1"))


def changed() -> OwnSettings:
    own = OwnSettings(SERVER)
    own.table["PLACE"] = "handler"
    own.table["new"] = "handler"
    del own.table["gone"]
    return own


def test_what_is_changed_is_told() -> None:
    assert OwnSettings(SERVER).changes() == ()
    assert changed().changes() == (
        ("place", "server", "handler"),
        ("gone", "server", None),
        ("new", None, "handler"),
    )


def test_the_same_settings_have_one_copy() -> None:
    own = changed()
    assert own.of(SERVER) is own


@pytest.mark.parametrize(
    ("pairs", "table"),
    [
        (tuple(SERVER), {"place": "handler", "other": "1", "new": "handler"}),
        ((*SERVER, ("more", "x")), {"place": "handler", "other": "1", "new": "handler", "more": "x"}),
        ((("place", "folder"), ("gone", "folder"), ("new", "folder")),
         {"place": "folder", "gone": "folder", "new": "folder"}),
        ((), {"new": "handler"}),
    ],
)  # fmt: skip
def test_changes_hold_where_the_next_plan_says_the_same(pairs: Pairs, table: dict[str, str]) -> None:
    other = changed().of((*pairs,)) if pairs is not SERVER else changed()
    assert dict(other.table.items()) == table
