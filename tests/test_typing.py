"""What stands for `typing` at run time: its records are like those of `collections.namedtuple`."""

from __future__ import annotations

import copy
import pickle
import sys
from collections import namedtuple
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpserver.typing import Any, NamedTuple

#: What has to be the same, in a way.
Theirs = namedtuple("Theirs", "number text", defaults=("none",))


class Ours(NamedTuple):
    """A number and a text."""

    number: int
    text: str = "none"

    def twice(self) -> int:
        """A method."""
        return 2 * self.number

    @property
    def length(self) -> int:
        """A property."""
        return len(self.text)


class Derived(Ours):
    """A record's class may have others below it."""

    __slots__ = ()


#: Ways to make and to use one.
WAYS: list[Callable[[Any], Any]] = [
    lambda cls: cls(1),
    lambda cls: cls(1, "a"),
    lambda cls: cls(text="a", number=1),
    lambda cls: cls._make([1, "a"]),
    lambda cls: cls(1)._replace(text="b"),
    lambda cls: cls(1)._asdict(),
    lambda cls: cls(1)[1],
    lambda cls: cls(1).text,
    lambda cls: cls(1) < cls(1, "z"),
    lambda cls: hash(cls(1)),
    lambda cls: cls._fields,
    lambda cls: cls._field_defaults,
    lambda cls: cls.__match_args__,
    lambda cls: repr(cls(1, "'")).partition("(")[2],
    lambda cls: copy.copy(cls(1)),
    lambda cls: cls(1).__replace__(text="c") if sys.version_info >= (3, 13) else None,
]


@pytest.mark.parametrize("way", range(len(WAYS)))
def test_records_are_as_those_of_collections(way: int) -> None:
    assert WAYS[way](Ours) == WAYS[way](Theirs) == WAYS[way](Derived)


@pytest.mark.parametrize(
    "way",
    [
        lambda cls: cls(),
        lambda cls: cls(1, "a", 2),
        lambda cls: cls(1, other=2),
        lambda cls: cls(1, number=2),
        lambda cls: cls._make([1]),
        lambda cls: cls(1)._replace(other=2),
    ],
)
def test_wrong_fields_are_refused(way: Callable[[Any], Any]) -> None:
    for cls in (Ours, Theirs, Derived):
        # (that of collections says ValueError for a field that is none, before 3.13)
        with pytest.raises((TypeError, ValueError) if cls is Theirs else TypeError):
            way(cls)


@given(st.integers(), st.text())
def test_they_survive_pickling(number: int, text: str) -> None:
    for cls in (Ours, Derived):
        again = pickle.loads(pickle.dumps(cls(number, text)))
        assert (type(again), again) == (cls, (number, text))


def test_they_have_what_their_class_says() -> None:
    made = Ours(2, "abc")
    assert (made.twice(), made.length, Ours.__doc__) == (4, 3, "A number and a text.")
    assert repr(made) == "Ours(number=2, text='abc')"
    with pytest.raises(AttributeError):
        made.number = 3  # type: ignore[misc]
    with pytest.raises(AttributeError):
        made.other = 3  # type: ignore[attr-defined]


def test_a_class_without_fields_is_told() -> None:
    with pytest.raises(TypeError, match="Empty has no fields: its module needs from __future__ import annotations"):
        type("Empty", (NamedTuple,), {})
