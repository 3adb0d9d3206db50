r"""Regular expressions in linear time, for those that take too long with `re` on long texts.

`re` goes back and tries again, and forgets what it has tried: ``^/(.*)/(.*)/(.*)\.html$`` takes time with the third
power of a text's length to fail. Where `mpserver.config.explosions` finds that of a pattern, short texts are `re`'s
still, and longer ones this module's, which remembers: no choice is made twice at the same place. What is found is the
same.

The steps of a pattern are those of a backtracking machine (Thompson 1968; Cox, "Regular Expression Matching: the
Virtual Machine Approach"), single characters being looked up in tables, and conditions (``$``, look-arounds, atomic
groups) `re`'s. Captured text can't be referred to within the pattern: `Unfit` tells so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from re import _compiler as compiler  # type: ignore[attr-defined]
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]

from mpserver.typing import Any

#: A pattern of more steps is not made.
MOST = 2000

# The kinds of steps: a character, a condition; two ways; a way; a place to remember; the end.
CHAR, TEST, SPLIT, JUMP, SAVE, END = range(6)


class Unfit(Exception):
    """A pattern has what can't be had in linear time."""


class Characters:
    """Those that a part of a pattern takes; ``in`` asks."""

    __slots__ = ("_known", "_matches")

    def __init__(self, matches: Callable[[str], object]) -> None:
        self._matches = matches
        self._known = {char: matches(char) is not None for char in map(chr, range(256))}

    def __contains__(self, char: str) -> bool:
        found = self._known.get(char)
        return self._matches(char) is not None if found is None else found


class Match:
    """A match, as far as `re.Match` is asked for by directives."""

    __slots__ = ("_places", "re", "string")

    def __init__(self, pattern: re.Pattern[str], string: str, places: Sequence[int]) -> None:
        self.re, self.string = pattern, string
        self._places = places

    def __getitem__(self, group: int | str) -> str | None:
        start, end = self.span(group)
        return None if start < 0 else self.string[start:end]

    def group(self, *groups: int | str) -> Any:
        """See `re.Match.group`."""
        return self[groups[0] if groups else 0] if len(groups) < 2 else tuple([self[group] for group in groups])

    def groups(self, default: str | None = None) -> tuple[str | None, ...]:
        """See `re.Match.groups`."""
        found = [self[number] for number in range(1, self.re.groups + 1)]
        return tuple([default if text is None else text for text in found])

    def groupdict(self, default: str | None = None) -> dict[str, str | None]:
        """See `re.Match.groupdict`."""
        return {name: default if self[name] is None else self[name] for name in self.re.groupindex}

    def span(self, group: int | str = 0) -> tuple[int, int]:
        """See `re.Match.span`."""
        number = self.re.groupindex[group] if isinstance(group, str) else group
        if not 0 <= number <= self.re.groups:
            raise IndexError("no such group")
        return self._places[2 * number], self._places[2 * number + 1]

    def start(self, group: int | str = 0) -> int:
        """See `re.Match.start`."""
        return self.span(group)[0]

    def end(self, group: int | str = 0) -> int:
        """See `re.Match.end`."""
        return self.span(group)[1]


class Linear:
    """A pattern whose time grows with the length of a text, and no faster."""

    __slots__ = ("_pattern", "_steps")

    def __init__(self, pattern: re.Pattern[str]) -> None:
        """:raises Unfit: it can't be had."""
        self._pattern = pattern
        self._steps: list[tuple[Any, ...]] = []
        parsed = parser.parse(pattern.pattern, pattern.flags)
        self._put(SAVE, 0)
        self._sequence(parsed, parsed.state)
        self._put(SAVE, 1)
        self._put(END)

    # ---- the steps

    def _put(self, *step: Any) -> int:
        if len(self._steps) >= MOST:
            raise Unfit("more than it could be")
        self._steps.append(step)
        return len(self._steps) - 1

    def _sequence(self, parsed: Iterable[Any], state: Any) -> None:
        for code, argument in parsed:
            self._part(code, argument, state)

    def _part(self, code: Any, argument: Any, state: Any) -> None:
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            least, most, body = argument
            self._repeat(least, most, body, state, greedy=code is codes.MAX_REPEAT)
        elif code is codes.SUBPATTERN:
            group, _added, _removed, body = argument
            if _added or _removed:
                raise Unfit("flags of a part")
            if group is None:
                self._sequence(body, state)
            else:
                self._put(SAVE, 2 * group)
                self._sequence(body, state)
                self._put(SAVE, 2 * group + 1)
        elif code is codes.BRANCH:
            self._branches(argument[1], state)
        elif code in (codes.GROUPREF, codes.GROUPREF_EXISTS):
            raise Unfit(r"a reference to what was captured (\1)")
        elif code in _ALONE:
            self._put(CHAR, Characters(_compiled(code, argument, state, self._pattern.flags).fullmatch))
        else:
            if captures((code, argument)):
                raise Unfit("a group that captures, in a look-around or an atomic group")
            self._put(TEST, _compiled(code, argument, state, self._pattern.flags).match)

    def _branches(self, branches: Sequence[Any], state: Any) -> None:
        ends = []
        for branch in branches[:-1]:
            split = self._put(SPLIT, 0, 0)
            self._sequence(branch, state)
            ends.append(self._put(JUMP, 0))
            self._steps[split] = SPLIT, split + 1, len(self._steps)
        self._sequence(branches[-1], state)
        for end in ends:
            self._steps[end] = JUMP, len(self._steps)

    def _repeat(self, least: int, most: int, body: Any, state: Any, *, greedy: bool) -> None:
        for _ in range(least):
            self._sequence(body, state)
        if most is codes.MAXREPEAT:
            if not body.getwidth()[0]:  # (`re` goes through an empty round once, and captures it)
                raise Unfit("a loop whose rounds may be empty")
            split = self._put(SPLIT, 0, 0)
            self._sequence(body, state)
            self._put(JUMP, split)
            self._fork(split, greedy)
            return
        splits = []
        for _ in range(most - least):
            splits.append(self._put(SPLIT, 0, 0))
            self._sequence(body, state)
        for split in splits:
            self._fork(split, greedy)

    def _fork(self, split: int, greedy: bool) -> None:
        """Let a step go on with what follows it, or with the end."""
        inner, outer = split + 1, len(self._steps)
        self._steps[split] = (SPLIT, inner, outer) if greedy else (SPLIT, outer, inner)

    # ---- the machine

    def search(self, text: str, start: int = 0, advance: bool = False) -> Match | None:
        """The first match from a place on; ``advance``: it is not an empty one at that place."""
        width = len(text) + 1
        tried = bytearray(len(self._steps) * width)
        for at in range(min(start, len(text)), width):
            places = self._run(text, at, tried, width, at if advance and at == start else -1)
            if places is not None:
                return Match(self._pattern, text, places)
        return None

    def _run(self, text: str, at: int, tried: bytearray, width: int, not_at: int) -> list[int] | None:
        """The places of a match that begins at one; None without one.

        :param tried: the choices that have led to nothing before, by step and place.
        :param not_at: where it does not end. (It is where it begins, so that no other match comes by there.)
        """
        steps, end = self._steps, width - 1
        places = [-1] * (2 * self._pattern.groups + 2)
        #: What is left: a step and a place; or a place that gets a former value back (below zero).
        left: list[tuple[int, int]] = [(0, at)]
        while left:
            number, at = left.pop()
            if number < 0:
                places[~number] = at
                continue
            while True:
                step = steps[number]
                kind = step[0]
                if kind == CHAR:
                    if at == end or text[at] not in step[1]:
                        break
                    at += 1
                    number += 1
                elif kind == SPLIT:
                    key = number * width + at
                    if tried[key]:
                        break
                    tried[key] = 1
                    left.append((step[2], at))
                    number = step[1]
                elif kind == SAVE:
                    left.append((~step[1], places[step[1]]))
                    places[step[1]] = at
                    number += 1
                elif kind == JUMP:
                    number = step[1]
                elif kind == TEST:
                    found = step[1](text, at)
                    if found is None:
                        break
                    at = found.end()
                    number += 1
                elif at == not_at:
                    break
                else:
                    return places
        return None


class Guarded:
    """A pattern as directives use it: `re`'s for texts up to a length, and in linear time for longer ones."""

    __slots__ = ("_linear", "_pattern", "longest")

    def __init__(self, pattern: re.Pattern[str], longest: int) -> None:
        self._pattern, self.longest = pattern, longest
        self._linear: Linear | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pattern, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Guarded) and self.to_plain() == other.to_plain()

    def __hash__(self) -> int:
        return hash(self._pattern)

    def search(self, text: str, start: int = 0, end: int | None = None) -> Any:
        """See `re.Pattern.search`."""
        if end is not None:
            text = text[:end]
        if len(text) <= self.longest:
            return self._pattern.search(text, start)
        return self._in_linear_time().search(text, start)

    def _in_linear_time(self) -> Linear:
        linear = self._linear
        if linear is None:
            linear = self._linear = Linear(self._pattern)
        return linear

    def sub(self, put: Callable[[Any], str], text: str, count: int = 0) -> str:
        """See `re.Pattern.sub`."""
        if len(text) <= self.longest:
            return self._pattern.sub(put, text, count=count)
        linear = self._in_linear_time()
        parts, done, advance = [], 0, False
        while (found := linear.search(text, done, advance)) is not None:
            start, end = found.span()
            parts += [text[done:start], put(found)]
            done, advance = end, start == end  # (after nothing there may be something, at the same place)
            count -= 1
            if not count:
                break
        return "".join([*parts, text[done:]])

    def to_plain(self) -> tuple[Any, ...]:
        """What `from_plain` makes the same of, see `mpserver.config.plain`."""
        return self._pattern, self.longest

    @classmethod
    def from_plain(cls, pattern: re.Pattern[str], longest: int) -> Guarded:
        """The inverse of `to_plain`."""
        return cls(pattern, longest)


_ALONE = frozenset({codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY})


def captures(parsed: Any) -> bool:
    """Whether a part of a pattern has a group that captures."""
    if isinstance(parsed, parser.SubPattern):
        return any(map(captures, parsed))
    if isinstance(parsed, (tuple, list)):
        if len(parsed) == 2 and parsed[0] is codes.SUBPATTERN and parsed[1][0] is not None:
            return True
        return any(map(captures, parsed))
    return False


def _compiled(code: Any, argument: Any, state: Any, flags: int) -> re.Pattern[str]:
    """One part of a pattern by itself."""
    made: re.Pattern[str] = compiler.compile(parser.SubPattern(state, [(code, argument)]), flags)
    return made
