"""The options of WSGIDaemonProcess, without a server."""

from __future__ import annotations

import pytest

from modules.scopes import Scope


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("display-name=%{GROUP}", "display-name has no effect"),
        ("deadlock-timeout=60 stack-size=524288", "deadlock-timeout, stack-size have no effect"),
    ],
)
def test_what_has_no_effect_is_told(options: str, told: str) -> None:
    warnings = Scope().say(f"WSGIDaemonProcess grp processes=2 threads=1 {options}").warnings
    assert [told in warning for warning in warnings] == [True], warnings


def test_what_has_its_effect_is_taken_without_a_word() -> None:
    assert Scope().say("WSGIDaemonProcess grp processes=2 threads=1 maximum-requests=10").warnings == []
