"""What of a request that moves between accounts is believed."""

from __future__ import annotations

import pytest

from mpserver.ipc import plain_data
from mpserver.modules.hooks import OF_ACCOUNTS
from mpserver.phases import transfer
from mpserver.phases.stages import Stage

#: Phases that have run: of the worker's account, and of others.
THEIRS = {f"{OF_ACCOUNTS}PythonFixupHandler /x": 0}
PASSED = {"PythonAuthenHandler /x": 0, **THEIRS}
SAID = {
    "mp_user": "joe",
    "mp_uri": "/x",
    "mp_agent": ("192.0.2.1", 1),
    "mp_begun": True,
    "mp_filename": "/etc/x",
    "mp_passed": PASSED,
}


def moved(stage: Stage, **more: object) -> bytes:
    """A request as one interpreter sends it to another."""
    chain: list[object] = [(("/x", "/etc/x", None), SAID | more, {}, {})]
    return plain_data.pack((stage, 1, chain, {}, b"", True, 0, None, (None, None)))


@pytest.mark.parametrize(
    ("stage", "of_account", "kept"),
    [
        (Stage.CONTENT, True, {"mp_uri": "/x", "mp_passed": THEIRS, "mp_claimed": ("joe", None)}),
        (Stage.CONTENT, False, {name: SAID[name] for name in SAID if name != "mp_filename"}),
        (Stage.LOG, True, {name: SAID[name] for name in SAID if name != "mp_filename"} | {"mp_passed": THEIRS}),
    ],
)
def test_what_is_kept(stage: Stage, of_account: bool, kept: dict[str, object]) -> None:
    state, lost = transfer.distrust(moved(stage), of_account=of_account)
    (packed,) = transfer.unpack(state).chain
    assert packed.members == kept
    assert not lost
    assert transfer.unpack(state).stage == (Stage.LOG if stage == Stage.LOG else Stage.LOCATE)


@pytest.mark.parametrize("of_account", [True, False])
def test_settings_and_filters_of_another_account_are_not_taken(of_account: bool) -> None:
    """They say what is run: which application, where sessions are."""
    data = moved(
        Stage.CONTENT,
        mp_option_changes=(("mod_python.wsgi.application", None, "evil"),),
        mp_config_changes=(("PythonDebug", "0", "1"),),
        mp_asked_filters=(("out", "evil"),),
    )
    state, lost = transfer.distrust(data, of_account=of_account)
    (packed,) = transfer.unpack(state).chain
    assert not {"mp_option_changes", "mp_config_changes", "mp_asked_filters"} & packed.members.keys()
    assert sorted(lost) == ["Python directives that were set", "PythonOptions that were set", "filters that were added"]


@pytest.mark.parametrize("changes", [[("a", None, "b")], (("a", "b"),), ((1, None, "b"),), (("a", None, 1),)])
def test_settings_have_their_form(changes: object) -> None:
    with pytest.raises(ValueError, match="form"):
        transfer.unpack(moved(Stage.CONTENT, mp_option_changes=changes))
