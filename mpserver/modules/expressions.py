"""httpd's expressions ("Expressions in Apache HTTP Server"), evaluated.

`mpserver.config.expression_grammar` reads them.

A directive reads an expression once, and keeps it as the value of a setting::

    from mpserver.config import expression_grammar
    expression = expression_grammar.test("%{REQUEST_METHOD} == 'POST'")      # a condition
    expression = expression_grammar.string("https://%{HTTP_HOST}/")          # a text with variables
    (ExpressionError says what is wrong with one: the directive makes a ConfigError of it)

A hook, or a step of a request, evaluates it with what that request is (`RequestFacts`)::

    facts = RequestFacts(req)
    if expressions.holds(expression, facts): ...
    text = expressions.text(expression, facts)
    facts.tell_caches()     # what headers were looked at: Vary has to name them

``Require expr`` is `holds` in the access phase; without a user ``REMOTE_USER`` is empty, and the answer may be another
one once there is one. Who evaluates a text (`expression_grammar.string`) tells nobody of its headers: httpd's Vary
names those of conditions alone.

The facts keep the last match of a regular expression, for ``$1``, over all that is evaluated with them. Conditions that
don't come from an expression, as those of a rewriting module, use the same facts: `RequestFacts.variable` knows httpd's
variables by their names in capital letters, and `header`, `environment`, `note`, `response` and `reachable` the rest;
`UNARY` and `BINARY` are what operators do.
"""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Mapping

from mpserver.config import expression_grammar
from mpserver.config.expression import Expression, Tree
from mpserver.config.references import group
from mpserver.config.regex import guarded
from mpserver.modules import expression_functions
from mpserver.modules.expression_facts import RequestFacts
from mpserver.typing import Any, Protocol

__all__ = ["BINARY", "UNARY", "Facts", "RequestFacts", "captured", "holds", "parse", "text"]


class Facts(Protocol):
    """What an expression is about; `RequestFacts` is a request, and pages have some of their own."""

    #: The last match of a regular expression; None before one.
    match: re.Match[str] | None

    def variable(self, name: str) -> str:
        """The value of ``%{name}``; "" if there is none."""

    def header(self, name: str) -> str:
        """A header of the request, "" without one."""

    def reachable(self, uri: str) -> bool:
        """Whether a path of the server can be had (``-A``, ``-U``)."""


Word = Callable[[Any], str]
Test = Callable[[Any], bool]


def holds(expression: Expression, facts: Facts) -> bool:
    """Whether a condition is true."""
    test = expression.ready
    if test is None:
        test = expression.ready = _test(expression.tree)
    found: bool = test(facts)
    return found


def text(expression: Expression, facts: Facts) -> str:
    """The text that an expression stands for."""
    word = expression.ready
    if word is None:
        word = expression.ready = _word(expression.tree)
    found: str = word(facts)
    return found


def parse(text: str) -> Test:
    """The test that a page's condition stands for. :raises ExpressionError: it is none."""
    return _test(expression_grammar.read_test(text, pages=True))


def captured(facts: Facts, number: int) -> str:
    """What a group of the last regular expression matched, "" for none."""
    return group(facts.match, number)


# ---- words


def _constant(value: str) -> Word:
    return lambda _facts: value


def _joined(*parts: Tree) -> Word:
    words = [_word(part) for part in parts]
    return lambda facts: "".join([word(facts) for word in words])


def _call(name: str, argument: Tree) -> Word:
    function, word = expression_functions.FUNCTIONS[name], _word(argument)
    return lambda facts: function(facts, word(facts))


_WORDS: Mapping[str, Callable[..., Word]] = {
    "text": _constant,
    "variable": lambda name: lambda facts: facts.variable(name),
    "group": lambda number: lambda facts: captured(facts, number),
    "join": _joined,
    "call": _call,
}


def _word(tree: Tree) -> Word:
    return _WORDS[tree[0]](*tree[1:])


# ---- tests


def _true(text: str) -> bool:
    return text.lower() not in ("", "0", "off", "false", "no")


def _size(path: str) -> int:
    """The size of a file; 0 where there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


UNARY: Mapping[str, Callable[[Any, str], bool]] = {
    "-n": lambda _facts, text: text != "",
    "-z": lambda _facts, text: text == "",
    "-T": lambda _facts, text: _true(text),
    "-d": lambda _facts, text: os.path.isdir(text),
    "-e": lambda _facts, text: os.path.exists(text),
    "-f": lambda _facts, text: os.path.isfile(text),
    "-s": lambda _facts, text: _size(text) > 0,
    "-L": lambda _facts, text: os.path.islink(text),
    "-h": lambda _facts, text: os.path.islink(text),
    "-x": lambda _facts, text: os.path.isfile(text) and os.access(text, os.X_OK),
    "-A": lambda facts, text: facts.reachable(text),
    "-U": lambda facts, text: facts.reachable(text),
}


def _number(text: str) -> int:
    match = re.match(r"\s*[+-]?\d{1,18}", text, re.ASCII)
    return int(match[0]) if match else 0


def _wild(text: str, pattern: str) -> bool:
    """A pattern in which ``*`` and ``?`` stand for anything, slashes too, and nothing else is special."""
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def _wild_path(text: str, pattern: str) -> bool:
    """A pattern of the shell's, in which a slash stands for itself alone."""
    parts, patterns = text.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


BINARY: Mapping[str, Callable[[str, str], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "eq": lambda a, b: _number(a) == _number(b),
    "ne": lambda a, b: _number(a) != _number(b),
    "lt": lambda a, b: _number(a) < _number(b),
    "le": lambda a, b: _number(a) <= _number(b),
    "gt": lambda a, b: _number(a) > _number(b),
    "ge": lambda a, b: _number(a) >= _number(b),
    "-strmatch": _wild,
    "-strcmatch": lambda a, b: _wild(expression_functions.lower(a), expression_functions.lower(b)),
    "-fnmatch": _wild_path,
}


def _and(*trees: Tree) -> Test:
    tests = [_test(tree) for tree in trees]

    def every(facts: Facts) -> bool:
        for test in tests:  # noqa: SIM110  # (`all` takes twice as long)
            if not test(facts):
                return False
        return True

    return every


def _or(*trees: Tree) -> Test:
    tests = [_test(tree) for tree in trees]

    def some(facts: Facts) -> bool:
        for test in tests:  # noqa: SIM110  # (as above)
            if test(facts):
                return True
        return False

    return some


def _not(tree: Tree) -> Test:
    test = _test(tree)
    return lambda facts: not test(facts)


def _unary(name: str, operand: Tree) -> Test:
    operator, word = UNARY[name], _word(operand)
    return lambda facts: operator(facts, word(facts))


def _binary(name: str, left: Tree, right: Tree) -> Test:
    operator, one, other = BINARY[name], _word(left), _word(right)
    return lambda facts: operator(one(facts), other(facts))


def _in(left: Tree, *listed: Tree) -> Test:
    one, words = _word(left), [_word(tree) for tree in listed]
    return lambda facts: one(facts) in [word(facts) for word in words]


def _matching(left: Tree, pattern: str, ignore_case: bool, negated: bool, longest: int) -> Test:
    regex, word = guarded(pattern, longest, ignore_case=ignore_case), _word(left)

    def test(facts: Facts) -> bool:
        match = regex.search(word(facts))
        if match is not None and not negated:
            facts.match = match
        return (match is not None) is not negated

    return test


def _address_in(left: Tree, network: str) -> Test:
    word, within = _word(left), expression_functions.within(network)
    return lambda facts: within(word(facts))


_TESTS: Mapping[str, Callable[..., Test]] = {
    "constant": lambda value: lambda _facts: value,
    "and": _and,
    "or": _or,
    "not": _not,
    "unary": _unary,
    "binary": _binary,
    "in": _in,
    "match": _matching,
    "address in": _address_in,
    "client in": lambda network: _address_in(("variable", "REMOTE_ADDR"), network),
}


def _test(tree: Tree) -> Test:
    return _TESTS[tree[0]](*tree[1:])
