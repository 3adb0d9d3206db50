"""The engine's enumerations are as those of the standard library, in all that it asks of them."""

from __future__ import annotations

import copy
import enum
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from mpserver import enumeration
from mpserver.ipc.messages import Kind
from mpserver.modules.core.options import Option


def classes(made_of: ModuleType) -> tuple[Any, Any, Any]:
    """A class of each sort."""

    class Word(made_of.Enum):  # type: ignore[misc,name-defined,unused-ignore]
        """Words."""

        FIRST = made_of.auto()
        TEXT = "text"
        BYTES = b"bytes"
        SAME = "text"

    class Number(made_of.IntEnum):  # type: ignore[misc,name-defined,unused-ignore]
        """Numbers."""

        NONE = 0
        DOT = ord(".")
        NEXT = made_of.auto()

    class Bit(made_of.Flag):  # type: ignore[misc,name-defined,unused-ignore]
        """Bits."""

        NONE = 0
        ONE = made_of.auto()
        TWO = made_of.auto()
        BOTH = ONE | TWO
        FOUR = made_of.auto()

    return Word, Number, Bit


OURS, THEIRS = classes(enumeration), classes(enum)

Act = Callable[[Any, Any, Any], object]


@pytest.mark.parametrize(
    "act",
    [
        lambda word, number, bit: [[repr(one) for one in kind] for kind in (word, number, bit)],
        lambda word, number, bit: [[str(one) for one in kind] for kind in (word, number, bit)],
        lambda word, number, bit: [[f"{one}|{one!r:>20}" for one in kind] for kind in (word, number, bit)],
        lambda word, number, bit: [[(one.name, one.value) for one in kind] for kind in (word, number, bit)],
        lambda word, number, bit: [len(kind) for kind in (word, number, bit)],
        lambda word, number, bit: [kind.__doc__ for kind in (word, number, bit)],
        lambda word, number, bit: (word("text").name, word(b"bytes").name, word["SAME"].name, word.SAME is word.TEXT),
        lambda word, number, bit: (number(46).name, number["DOT"] is number.DOT, bit(2).name, bit["BOTH"].value),
        lambda word, number, bit: (number.DOT == 46, number.DOT + 1, hash(number.DOT), {46: 1}[number.DOT]),
        lambda word, number, bit: (word.TEXT == "text", word("text") == word.TEXT, word.TEXT != word.BYTES),
        lambda word, number, bit: [repr(bit(value)) for value in range(8)],
        lambda word, number, bit: [(bit(value).name, bool(bit(value))) for value in range(8)],
        lambda word, number, bit: [repr(~bit(value)) for value in range(8)],
        lambda word, number, bit: [[one.name for one in bit(value)] for value in range(8)],
        lambda word, number, bit: [
            (repr(bit(a) | bit(b)), repr(bit(a) & bit(b)), repr(bit(a) ^ bit(b)), bit(a) in bit(b), bit(a) is bit(b))
            for a in range(8)
            for b in range(8)
        ],
        lambda word, number, bit: [copy.deepcopy(one) is one for kind in (word, number, bit) for one in kind],
        lambda word, number, bit: copy.deepcopy(bit(5)) is bit(5),
        lambda word, number, bit: isinstance(word.TEXT, word) and isinstance(number.DOT, int),
        lambda word, number, bit: [type(one).__name__ for one in (word.TEXT, number.DOT, bit.ONE)],
    ],
)  # fmt: skip
def test_they_do_the_same(act: Act) -> None:
    assert act(*OURS) == act(*THEIRS)


@pytest.mark.parametrize(("place", "value"), [(0, "texts"), (0, None), (1, 1), (1, "46"), (2, 8), (2, 64 + 1)])
def test_a_value_that_is_none_is_refused(place: int, value: object) -> None:
    for kinds in (OURS, THEIRS):
        with pytest.raises(ValueError, match=f"{value!r} is not a valid|invalid value {value!r}"):
            kinds[place](value)


@pytest.mark.parametrize("place", range(3))
def test_a_name_that_is_none_is_refused(place: int) -> None:
    for kinds in (OURS, THEIRS):
        with pytest.raises(KeyError):
            kinds[place]["OTHER"]


@pytest.mark.parametrize("member", [Kind.READY, Option.LINKS, Option.LINKS | Option.INDEXES, Option.NONE])
def test_a_member_is_itself_again_after_a_journey(member: object) -> None:
    assert pickle.loads(pickle.dumps(member)) is member
