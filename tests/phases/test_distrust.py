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


def moved(stage: Stage) -> bytes:
    """A request as one interpreter sends it to another."""
    chain: list[object] = [(("/x", "/etc/x", None), SAID, {}, {})]
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
