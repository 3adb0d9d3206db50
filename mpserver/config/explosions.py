r"""Regular expressions whose time doubles with each character of what they are tried on.

A text of some thirty characters that does not match keeps them busy for hours, and clients choose what paths and
headers are. Such a pattern has a loop that can take the same characters in two ways: ``(a+)+$``, ``(a|ab|b)*c``. It is
found on the automaton of the pattern's positions (Glushkov's): a loop through a pair of different positions, which
begins and ends where both are the same one, has two ways for one text (Weber and Seidl, 1991).

Others take time with a power of the text's length: one for each loop that the one before it can hand its characters to,
as in ``^/(.*)/(.*)/(.*)\.html$`` (`degrees`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import product
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

from mpserver.typing import Any, NamedTuple

#: A repetition of up to so many times (one more, where it is always as many) counts as that many copies, any other as
#: a loop.
COPIES = 3
#: The same of a single character, which can't be taken in two ways by itself.
CHARACTERS = 64
#: So many steps are made for a pattern, and no more: a .htaccess file may have any.
STEPS = 300_000
#: A pattern of more positions is not looked at: its automaton of pairs would be too large.
MOST = 300
#: What stands for all characters beyond Latin-1, and for those of a class that is not worked out.
BEYOND = 256
ALL = frozenset(range(BEYOND + 1))


class Piece(NamedTuple):
    """A part of a pattern: the positions that it can begin and end with, and whether it can match nothing.

    ``free_last`` and ``free``: the same without a condition (``$``, a look-ahead) that may fail behind them.
    """

    first: frozenset[int]
    last: frozenset[int]
    empty: bool
    free_last: frozenset[int]
    free: bool


_NONE: frozenset[int] = frozenset()
_EMPTY = Piece(_NONE, _NONE, True, _NONE, True)
_CONDITION = Piece(_NONE, _NONE, True, _NONE, False)


@lru_cache(maxsize=4096)
def explodes(pattern: str, flags: int) -> bool:
    """Whether a pattern that `re` can compile takes exponential time to fail on some texts."""
    automaton = _Automaton(flags)
    try:
        whole = automaton.sequence(parser.parse(pattern, flags))
        return automaton.is_ambiguous(whole.free_last) or any(map(automaton.has_inner, automaton.inner))
    except (_TooLarge, RecursionError):
        return False


@lru_cache(maxsize=4096)
def degrees(pattern: str, flags: int) -> tuple[int, int]:
    """The power of a text's length with which the time of a search grows that fails; (1, 0) where it is not found out.

    It counts the loops that follow each other such that each may end wherever the next one begins. A search that may
    begin anywhere is such a loop itself.

    :returns: that, and the same of what is tried by itself at each place: look-arounds and atomic groups.
    """
    automaton = _Automaton(flags)
    try:
        parsed = parser.parse(pattern, flags)
        anchored = bool(parsed) and parsed[0] in _ANCHORS
        start = _EMPTY if anchored else automaton.anything()
        whole = automaton.joined(start, automaton.sequence(_without_end(parsed, flags)))
        inner = max(map(automaton.inner_degree, automaton.inner), default=0)
        return max(automaton.degree(whole.free_last), inner + 1), inner
    except (_TooLarge, RecursionError):
        return 1, 0


def _without_end(parsed: Any, flags: int) -> Sequence[Any]:
    r"""Parts without a last ``\Z`` that can't fail, as the one before it takes all that is left."""
    parts = list(parsed)
    ends = flags & re.DOTALL and len(parts) > 1 and parts[-1] == (codes.AT, codes.AT_END_STRING)
    return parts[:-1] if ends and _takes_all(*parts[-2]) else parts


def _takes_all(code: Any, argument: Any) -> bool:
    if code is codes.SUBPATTERN:
        return bool(argument[3]) and _takes_all(*argument[3][-1])
    if code not in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        return False
    return argument[1] is codes.MAXREPEAT and list(argument[2]) == [(codes.ANY, None)]


class _TooLarge(Exception):
    """The automaton would have too many positions."""


class _Automaton:
    """The positions of a pattern, each with the characters that stand there, and what may follow each."""

    def __init__(self, flags: int) -> None:
        self._ignores_case = bool(flags & re.IGNORECASE)
        self._chars: list[frozenset[int]] = []
        self._follow: list[set[int]] = []
        #: Steps that two loops make.
        self._twice: set[tuple[int, int]] = set()
        #: Look-arounds and atomic groups, which are tried by themselves.
        self.inner: list[Any] = []
        self._flags = flags
        self._left = STEPS

    def has_inner(self, parsed: Any) -> bool:
        """Whether one of these explodes."""
        other = _Automaton(self._flags)
        try:
            whole = other.sequence(parsed)
            return other.is_ambiguous(whole.free_last) or any(map(other.has_inner, other.inner))
        except _TooLarge:
            return False

    # ---- making it

    def sequence(self, parsed: Iterable[Any]) -> Piece:
        """Parts that follow each other."""
        found = _EMPTY
        for code, argument in parsed:
            found = self.joined(found, self._part(code, argument))
        return found

    def anything(self) -> Piece:
        """A loop over any characters, which may be left out."""
        piece = self._position(ALL)
        self._link(piece.last, piece.first)
        return piece._replace(empty=True, free=True)

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _TooLarge

    def _part(self, code: Any, argument: Any) -> Piece:
        self._step()
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            least, most, body = argument
            return self._repeated(int(least), int(most), body)
        if code is codes.SUBPATTERN:
            return self.sequence(argument[3])
        if code is codes.BRANCH:
            return self._either([self.sequence(branch) for branch in argument[1]])
        if code is codes.GROUPREF_EXISTS:
            return self._either([self.sequence(branch or ()) for branch in argument[1:]])
        if code in (codes.ASSERT, codes.ASSERT_NOT):
            self.inner.append(argument[1])
            return _CONDITION
        if code in (codes.AT, codes.GROUPREF):
            return _CONDITION
        if code in (codes.POSSESSIVE_REPEAT, codes.ATOMIC_GROUP):
            self.inner.append(argument if code is codes.ATOMIC_GROUP else argument[2])
            return self._position(ALL)  # (nothing in it is tried again from behind)
        return self._position(self._characters(code, argument))

    def _position(self, chars: frozenset[int]) -> Piece:
        number = len(self._chars)
        if number >= MOST:
            raise _TooLarge
        self._chars.append(chars)
        self._follow.append(set())
        alone = frozenset((number,))
        return Piece(alone, alone, False, alone, False)

    def joined(self, one: Piece, other: Piece) -> Piece:
        """Two parts that follow each other."""
        self._link(one.last, other.first)
        return Piece(
            one.first | other.first if one.empty else one.first,
            one.last | other.last if other.empty else other.last,
            one.empty and other.empty,
            one.free_last | other.free_last if other.free else other.free_last,
            one.free and other.free,
        )

    def _either(self, pieces: list[Piece]) -> Piece:
        return Piece(
            _NONE.union(*(piece.first for piece in pieces)),
            _NONE.union(*(piece.last for piece in pieces)),
            any(piece.empty for piece in pieces),
            _NONE.union(*(piece.free_last for piece in pieces)),
            any(piece.free for piece in pieces),
        )

    def _repeated(self, least: int, most: int, body: Any) -> Piece:
        if most <= (CHARACTERS if len(body) == 1 and body[0][0] in _SINGLE else COPIES + (least == most)):
            found = _EMPTY
            for number in range(most):
                # (from the last on: one that may be missing stands only behind the one before it)
                found = self.joined(self.sequence(body), found)
                if number < most - least:
                    found = found._replace(empty=True, free=True)
            return found
        piece = self.sequence(body)
        self._link(piece.last, piece.first)
        return piece if least else piece._replace(empty=True, free=True)

    def _link(self, last: frozenset[int], first: frozenset[int]) -> None:
        for one in last:
            for other in first:
                if other in self._follow[one]:
                    self._twice.add((one, other))
                self._follow[one].add(other)

    # ---- characters

    def _characters(self, code: Any, argument: Any) -> frozenset[int]:
        if code is codes.LITERAL:
            return self._folded((min(argument, BEYOND),))
        if code is codes.NOT_LITERAL:
            return ALL - self._folded((argument,)) if argument < BEYOND else ALL
        if code is codes.IN:
            negated = bool(argument) and argument[0][0] is codes.NEGATE
            found = self._folded(char for item in argument[negated:] for char in _members(*item))
            return (ALL - found) | {BEYOND} if negated else found
        return ALL

    def _folded(self, chars: Iterable[int]) -> frozenset[int]:
        found = frozenset(chars)
        if not self._ignores_case:
            return found
        both = {ord(other) for char in found if char < BEYOND for other in (chr(char).lower(), chr(char).upper())
                if len(other) == 1}  # fmt: skip
        return found | {min(char, BEYOND) for char in both}

    # ---- asking it

    def is_ambiguous(self, ends: frozenset[int]) -> bool:
        """Whether a loop has two ways for one text, from which the pattern may fail; ``ends``: where it can't."""
        reach = [self._reachable(number) for number in range(len(self._chars))]
        loops = [number for number, found in enumerate(reach) if number in found]
        # (where the pattern may end at once, nothing is tried again)
        risky = [number for number in loops if not (reach[number] & ends and number in ends)]
        if any(one in reach[other] and one in risky for one, other in self._twice):
            return True
        return any(self._has_two_ways(number, reach) for number in risky)

    def inner_degree(self, parsed: Any) -> int:
        """The same of a look-around, which is tried at one place at a time."""
        other = _Automaton(self._flags)
        whole = other.sequence(parsed)
        inner = max(map(other.inner_degree, other.inner), default=0)
        return max(other.degree(whole.free_last), inner + 1)

    def degree(self, ends: frozenset[int]) -> int:
        """The most loops in a row each of which can hand its characters to the next, from which the pattern may fail.

        :param ends: where it can't fail.
        """
        reach = [self._reachable(number) for number in range(len(self._chars))]
        loops = [number for number, found in enumerate(reach) if number in found]
        risky = [number for number in loops if not (reach[number] & ends and number in ends)]
        # (in the order in which they follow each other: those that reach more come first)
        risky.sort(key=lambda number: -len(reach[number]))
        most: dict[int, int] = {}
        for place, one in enumerate(risky):
            found = 1
            for before in risky[:place]:
                if one in reach[before] and before not in reach[one]:
                    step = most[before] < found or not self._hands_on(before, one, reach)
                    found = max(found, most[before] + (not step))
            most[one] = found
        return max(most.values(), default=1)

    def _hands_on(self, one: int, other: int, reach: list[set[int]]) -> bool:
        """Whether one text leads from a loop back into it, from there into another one, and around that one."""
        back = {number for number in reach[one] if one in reach[number]}
        around = {number for number in reach[other] if other in reach[number]}
        between = {number for number in reach[one] if other in reach[number]}
        seen: set[tuple[int, int, int]] = set()
        left = [(one, one, other)]
        while left:
            for step in self._triples(left.pop(), back, between, around):
                if step == (one, other, other):
                    return True
                if step not in seen:
                    seen.add(step)
                    left.append(step)
        return False

    def _triples(
        self, now: tuple[int, int, int], back: set[int], between: set[int], around: set[int]
    ) -> Iterator[tuple[int, int, int]]:
        for first, second in product(self._follow[now[0]] & back, self._follow[now[1]] & between):
            both = self._chars[first] & self._chars[second]
            for third in self._follow[now[2]] & around if both else ():
                self._step()
                if not both.isdisjoint(self._chars[third]):
                    yield first, second, third

    def _reachable(self, start: int) -> set[int]:
        found: set[int] = set()
        left = [start]
        while left:
            for number in self._follow[left.pop()]:
                if number not in found:
                    found.add(number)
                    left.append(number)
        return found

    def _has_two_ways(self, start: int, reach: list[set[int]]) -> bool:
        """Whether two different ways lead from a position back to it with the same text."""
        back = {number for number in reach[start] if start in reach[number]}
        seen: set[tuple[int, int]] = set()
        left = [pair for pair in self._steps(start, start, back) if pair[0] != pair[1]]
        while left:
            pair = left.pop()
            if pair in seen:
                continue
            seen.add(pair)
            for step in self._steps(*pair, back):
                if step[0] == step[1] == start:
                    return True
                left.append(step)
        return False

    def _steps(self, one: int, other: int, within: set[int]) -> Iterator[tuple[int, int]]:
        for first in self._follow[one] & within:
            for second in self._follow[other] & within:
                self._step()
                if not self._chars[first].isdisjoint(self._chars[second]):
                    yield first, second


def _members(code: Any, argument: Any) -> Iterable[int]:
    """The characters of one item of a class."""
    if code is codes.LITERAL:
        return (min(argument, BEYOND),)
    if code is codes.RANGE:
        low, high = argument
        return range(min(low, BEYOND), min(high, BEYOND) + 1)
    matches = re.compile(_CATEGORIES[argument], re.ASCII).match
    found = [number for number in range(BEYOND) if matches(chr(number))]
    return found if str(argument).find("_NOT_") < 0 else [*found, BEYOND]


_ANCHORS = ((codes.AT, codes.AT_BEGINNING), (codes.AT, codes.AT_BEGINNING_STRING))
_SINGLE = frozenset({codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY})

#: The classes that `re` names, as they are written.
_CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d", codes.CATEGORY_NOT_DIGIT: r"\D", codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S", codes.CATEGORY_WORD: r"\w", codes.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip
