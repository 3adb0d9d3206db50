"""Factories of WSGI applications: what was made early is for who asks first."""

from __future__ import annotations

import pytest

from mpserver.api import early_errors
from mpserver.api.factories import Factories


def test_who_asks_first_gets_what_was_made_early() -> None:
    made = Factories()
    made.call_early("one", lambda: "early")
    assert [made.call("one", lambda: "later"), made.call("one", lambda: "later")] == ["early", "later"]
    assert made.call("other", lambda: "later") == "later"
    made.call_early("none", lambda: None)
    assert made.call("none", lambda: "later") is None


def test_what_was_raised_early_is_raised_once_more_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1e9
    monkeypatch.setattr("time.time", lambda: now)
    made = Factories()

    def fails() -> None:
        raise OSError("early")

    for later in (0, early_errors.STANDS):
        with pytest.raises(OSError, match="early"):
            made.call_early("one", fails)
        now += later
        if not later:
            with pytest.raises(OSError, match="early"):
                made.call("one", lambda: "later")
        assert made.call("one", lambda: "later") == "later"
