"""How members are declared: reading, writing, refusing."""

from __future__ import annotations

import pytest

from mpserver.api.connection import Connection
from mpserver.api.members import (
    ReadOnly,
    header_text,
    integer,
    message,
    readonly,
    string,
    text,
    text_or_none,
    writable,
)


class Thing:
    def __init__(self) -> None:
        self._size = 1
        self._name: str | None = "n"

    size = readonly("_size", "Its size.")
    name = writable("_name", text_or_none, "Its name.")

    @ReadOnly
    def double(self) -> int:
        """Twice its size."""
        return self._size * 2


def test_reading_and_writing() -> None:
    thing = Thing()
    assert (thing.size, thing.double, thing.name) == (1, 2, "n")
    thing.name = b"\xe9"
    assert thing.name == "é"
    thing.name = None
    assert thing.name is None
    assert Thing.size.__doc__ == "Its size."


@pytest.mark.parametrize("name", ["size", "double"])
def test_what_is_for_reading_only(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"attribute '{name}' of 'Thing' objects is not writable"):
        setattr(Thing(), name, 5)
    with pytest.raises(AttributeError, match="is not writable"):
        delattr(Thing(), name)


def test_members_cant_be_deleted() -> None:
    with pytest.raises(TypeError, match="can't delete"):
        del Thing().name


@pytest.mark.parametrize("value", [None, 5, ["x"], bytearray(b"x")])
def test_what_is_no_text(value: object) -> None:
    with pytest.raises(TypeError, match="not an ISO-8859-1 string"):
        text("x", value)


def test_nul_and_line_breaks() -> None:
    with pytest.raises(ValueError, match="NUL"):
        text("x", "a\0b")
    for value in ("a\rb", "a\nb", b"a\nb"):
        with pytest.raises(ValueError, match="line break"):
            header_text("x", value)
    assert text("x", "a\nb") == "a\nb"


def test_arguments() -> None:
    assert (string(1, "x"), message("x"), message(None), integer("x", True)) == ("x", "x", "", 1)
    for value, shown in ((None, "None"), (5, "int"), (b"x", "bytes")):
        with pytest.raises(TypeError, match=f"argument 2 must be str, not {shown}"):
            string(2, value)
    with pytest.raises(ValueError, match="null"):
        string(1, "a\0")
    with pytest.raises(TypeError, match="argument 1 must be str or None, not int"):
        message(5)
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        integer("x", 1.5)


def test_a_client_with_an_impossible_name_has_none() -> None:
    """Whose address it is chooses what its name is said to be, and no name has an empty or a long part."""
    for name in ("a..b", "a" * 70 + ".example"):
        connection = Connection.__new__(Connection)
        connection.mp_remote_host, connection.mp_client_addr = name, ("192.0.2.1", 1)
        assert not connection.mp_leads_back()
