"""Whether the conditions of a rule hold."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from mpserver.modules import expressions
from mpserver.modules.expression_functions import lower
from mpserver.modules.rewrite import Condition
from mpserver.modules.rewrite.expansion import Maps, filler
from mpserver.typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from mpserver.modules.expression_facts import RequestFacts


class Run(Protocol):
    """What conditions ask: `mpserver.modules.rewrite.rules.Run` is one."""

    facts: RequestFacts
    #: Headers that the running condition looked at; those that the answer depends on.
    looked_at: tuple[str, ...]
    vary: tuple[str, ...]
    #: Whether the log wants to know.
    told: bool

    def tell(self, level: int, text: str) -> None:
        """A line of the log."""

    def evaluate(self, ask: Callable[[], bool]) -> bool:
        """Ask the facts."""

    def may_have(self, uri: str) -> bool:
        """Whether the client may have what a URI leads to."""

    def may_have_file(self, path: str) -> bool:
        """The same of a file."""


#: Whether a test holds, whatever it is about.
Test = Callable[["Run", str], bool]


class Check(NamedTuple):
    """A condition, ready for use."""

    subject: Callable[[Run], str]
    test: Test
    condition: Condition


def ready(conditions: Sequence[Condition], maps: Maps) -> tuple[Check, ...]:
    """Conditions, ready for use."""
    return tuple(Check(filler(its.subject, maps), _test(its), its) for its in conditions)


def hold(checks: tuple[Check, ...], run: Run) -> bool:
    """Whether all hold, where OR joins some; the headers that they looked at are noted for the answer's Vary."""
    seen: tuple[str, ...] = ()
    at = 0
    while at < len(checks):
        subject, test, condition = checks[at]
        run.looked_at = ()
        text = subject(run)
        held = test(run, text) is not condition.negated
        if run.told:
            run.tell(4, f"RewriteCond: input='{text}' pattern='{condition.text}' => {_said(held)}")
        if not held and not condition.or_next:
            return False
        if held and not condition.no_vary:
            seen += run.looked_at
        if held:
            while checks[at].condition.or_next and at + 1 < len(checks):
                at += 1  # (the others of this OR don't matter)
        at += 1
    run.vary += seen
    return True


def _said(held: bool) -> str:
    return "matched" if held else "not-matched"


_TESTS: Mapping[str, Test] = {
    **{name: expressions.UNARY[name] for name in ("-d", "-f", "-s", "-x")},
    "-l": expressions.UNARY["-L"],
    "-U": lambda run, text: bool(text) and run.may_have(text),
    "-F": lambda run, text: bool(text) and os.path.isfile(text) and run.may_have_file(text),
}


def _order(text: str) -> tuple[int, str]:
    """By its length first, as in httpd."""
    return len(text), text


#: Of texts and of numbers.
_COMPARISONS: Mapping[str, Callable[[str, str], bool]] = {
    "<": lambda a, b: _order(a) < _order(b),
    "<=": lambda a, b: _order(a) <= _order(b),
    ">": lambda a, b: _order(a) > _order(b),
    ">=": lambda a, b: _order(a) >= _order(b),
    **{f"-{name}": expressions.BINARY[name] for name in ("eq", "ne", "lt", "le", "gt", "ge")},
}


def _test(condition: Condition) -> Test:
    kind, operand, pattern, expression = (
        condition.kind, condition.operand, condition.pattern, condition.expression,
    )  # fmt: skip
    if pattern is not None:
        negated = condition.negated

        def matches(run: Run, text: str) -> bool:
            found = pattern.search(text)
            if found is not None and not negated:
                run.facts.match = found
            return found is not None

        return matches
    if expression is not None:
        return lambda run, _text: run.evaluate(lambda: expressions.holds(expression, run.facts))
    if kind == "=":
        if condition.no_case:
            lowered = lower(operand)
            return lambda _run, text: lower(text) == lowered
        return lambda _run, text: text == operand
    compare = _COMPARISONS.get(kind)
    if compare is not None:
        return lambda _run, text: compare(text, operand)
    return _TESTS[kind]
