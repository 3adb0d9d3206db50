"""httpd 2.4's expressions ("Expressions in Apache HTTP Server"): read once, evaluated with a request's facts.

    expression  = term {("||" | "or") term}
    term        = factor {("&&" | "and") factor}
    factor      = "!" factor | "(" expression ")" | "true" | "false" | comparison
    comparison  = unary word | word operator word | word "in" "{" word {"," word} "}"
                | word ("=~" | "!~") ["m"] /regex/ [i]
    word        = part {"." part}
    part        = number | 'string' | "string" | %{variable} | $group | function "(" word ")"

Strings hold ``%{variable}`` and ``$group`` as well. What httpd knows and this does not is refused by name.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import os
import re
import time
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from mpserver.config.regex import compile_regex
from mpserver.errors import ConfigError, ExpressionError
from mpserver.http1.percent import encode_path
from mpserver.typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mpserver.api.request import Request

#: Deeper nesting is refused.
DEPTH = 50


class Facts(Protocol):
    """What an expression is about."""

    #: The last match of a regular expression; None before one.
    match: re.Match[str] | None

    def variable(self, name: str) -> str:
        """The value of ``%{name}``, of ``v('name')``; "" if there is none."""

    def header(self, name: str) -> str:
        """A header of the request, "" without one."""

    def reachable(self, uri: str) -> bool:
        """Whether a path of the server can be served (``-A``)."""


Word = Callable[[Facts], str]
Test = Callable[[Facts], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<variable>%\{[^}]*\})
      | (?P<group>\$[0-9])
      | (?P<number>-?[0-9]+(?![0-9A-Za-z_]))
      | (?P<flag>-[A-Za-z]+)
      | (?P<sign>&&|\|\||=~|!~|==|!=|<=|>=|[=<>!(){},.])
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    )""",
    re.VERBOSE | re.DOTALL,
)
_REGEX = re.compile(r"\s*(?:m([#/|,;:!%^'\"])|(/))")
#: What is put in within a string.
_INSIDE = re.compile(r"%\{([^}]*)\}|\$([0-9])|\\(.)", re.DOTALL)


def _function(name: str, facts: Facts, argument: str) -> str:
    return _FUNCTIONS[name](facts, argument)


def _unbase64(_facts: Facts, text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return ""


def _osenv(_facts: Facts, name: str) -> str:
    return os.environ.get(name, "")


_FUNCTIONS: Mapping[str, Callable[[Facts, str], str]] = {
    "v": lambda facts, name: facts.variable(name),
    "env": lambda facts, name: facts.variable(name),
    "reqenv": lambda facts, name: facts.variable(name),
    "osenv": _osenv,
    "req": lambda facts, name: facts.header(name),
    "http": lambda facts, name: facts.header(name),
    "tolower": lambda _facts, text: text.lower(),
    "toupper": lambda _facts, text: text.upper(),
    "escape": lambda _facts, text: encode_path(text),
    "unescape": lambda _facts, text: unquote(text, errors="surrogateescape"),
    "base64": lambda _facts, text: base64.b64encode(text.encode("utf-8", "surrogateescape")).decode(),
    "unbase64": _unbase64,
}


def _true(text: str) -> bool:
    return text.lower() not in ("", "0", "off", "false", "no")


_UNARY: Mapping[str, Callable[[Facts, str], bool]] = {
    "-n": lambda _facts, text: text != "",
    "-z": lambda _facts, text: text == "",
    "-T": lambda _facts, text: _true(text),
    "-d": lambda _facts, text: os.path.isdir(text),
    "-e": lambda _facts, text: os.path.exists(text),
    "-f": lambda _facts, text: os.path.isfile(text),
    "-s": lambda _facts, text: os.path.isfile(text) and os.path.getsize(text) > 0,
    "-L": lambda _facts, text: os.path.islink(text),
    "-h": lambda _facts, text: os.path.islink(text),
    "-A": lambda facts, text: facts.reachable(text),
    "-U": lambda facts, text: facts.reachable(text),
}


def _number(text: str) -> int:
    match = re.match(r"\s*[+-]?\d{1,18}", text, re.ASCII)
    return int(match[0]) if match else 0


_BINARY: Mapping[str, Callable[[str, str], bool]] = {
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
    "-strmatch": lambda a, b: fnmatch.fnmatchcase(a, b),
    "-strcmatch": lambda a, b: fnmatch.fnmatchcase(a.lower(), b.lower()),
}


def parse(text: str) -> Test:
    """The test that an expression stands for. :raises ExpressionError: it is none."""
    parser = _Parser(text)
    test = parser.expression(0)
    if parser.at < len(text.rstrip()):
        raise ExpressionError(f"syntax error near {text[parser.at :].strip()[:30]!r}")
    return test


class _Parser:
    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> tuple[str, str]:
        """The kind and text of what comes next; ("end", "") at the end."""
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            rest = self.text[self.at :].strip()
            if rest:
                raise ExpressionError(f"syntax error near {rest[:30]!r}")
            return "end", ""
        kind = match.lastgroup
        assert kind is not None
        return kind, match[kind]

    def next(self) -> tuple[str, str]:
        """The same, and past it."""
        found = self.peek()
        match = _TOKEN.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
        return found

    def expect(self, sign: str) -> None:
        """Past a sign."""
        if self.next() != ("sign", sign):
            raise ExpressionError(f"syntax error: {sign!r} is missing")

    def expression(self, depth: int) -> Test:
        """Terms, any of them."""
        if depth > DEPTH:
            raise ExpressionError("the expression is nested too deeply")
        tests = [self.term(depth)]
        while self.peek() in (("sign", "||"), ("name", "or")):
            self.next()
            tests.append(self.term(depth))
        return tests[0] if len(tests) == 1 else lambda facts: any(test(facts) for test in tests)

    def term(self, depth: int) -> Test:
        """Factors, all of them."""
        tests = [self.factor(depth)]
        while self.peek() in (("sign", "&&"), ("name", "and")):
            self.next()
            tests.append(self.factor(depth))
        return tests[0] if len(tests) == 1 else lambda facts: all(test(facts) for test in tests)

    def factor(self, depth: int) -> Test:
        """What is true or not by itself."""
        if depth > DEPTH:
            raise ExpressionError("the expression is nested too deeply")
        kind, text = self.peek()
        if (kind, text) == ("sign", "!"):
            self.next()
            inner = self.factor(depth + 1)
            return lambda facts: not inner(facts)
        if (kind, text) == ("sign", "("):
            self.next()
            inner = self.expression(depth + 1)
            self.expect(")")
            return inner
        if (kind, text) in (("name", "true"), ("name", "false")):
            self.next()
            return lambda facts, value=text == "true": value  # type: ignore[misc]
        if kind == "flag":
            self.next()
            operator = _UNARY.get(text)
            if operator is None:
                raise ExpressionError(f"the operator {text} is not supported")
            word = self.word(depth)
            return lambda facts: operator(facts, word(facts))
        return self.comparison(depth)

    def comparison(self, depth: int) -> Test:
        """Two words, and what is between them."""
        left = self.word(depth)
        kind, text = self.next()
        if text in ("=~", "!~"):
            return self.matching(left, text == "!~")
        if (kind, text) == ("name", "in"):
            words = self.listed(depth)
            return lambda facts: left(facts) in [word(facts) for word in words]
        operator = _BINARY.get(text) or _BINARY.get(text.removeprefix("-") if kind == "flag" else "")
        if operator is None:
            said = "unexpected end" if kind == "end" else f"the operator {text} is not supported"
            raise ExpressionError(f"syntax error, {said}")
        right = self.word(depth)
        return lambda facts: operator(left(facts), right(facts))

    def listed(self, depth: int) -> list[Word]:
        """``{word, word}``."""
        self.expect("{")
        words = [self.word(depth)]
        while self.peek() == ("sign", ","):
            self.next()
            words.append(self.word(depth))
        self.expect("}")
        return words

    def matching(self, left: Word, negated: bool) -> Test:
        """A regular expression and its flags."""
        start = _REGEX.match(self.text, self.at)
        if start is None:
            raise ExpressionError("syntax error: a /regular expression/ is missing")
        mark = start[1] or start[2]
        end = start.end()
        while end < len(self.text) and self.text[end] != mark:
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise ExpressionError("syntax error: the regular expression has no end")
        pattern = self.text[start.end() : end].replace("\\" + mark, mark)
        self.at = end + 1
        flags = ""
        while self.at < len(self.text) and self.text[self.at].isalpha():
            flags += self.text[self.at]
            self.at += 1
        if set(flags) - {"i", "s", "m", "g"}:
            raise ExpressionError(f"unknown flags of a regular expression: {flags}")
        try:
            regex = compile_regex(pattern, ignore_case="i" in flags)
        except ConfigError as error:
            raise ExpressionError(error.message) from error

        def test(facts: Facts) -> bool:
            match = regex.search(left(facts))
            if match is not None and not negated:
                facts.match = match
            return (match is not None) is not negated

        return test

    def word(self, depth: int) -> Word:
        """Parts, one after the other."""
        if depth > DEPTH:
            raise ExpressionError("the expression is nested too deeply")
        parts = [self.part(depth)]
        while self.peek() == ("sign", "."):
            self.next()
            parts.append(self.part(depth))
        return parts[0] if len(parts) == 1 else lambda facts: "".join(part(facts) for part in parts)

    def part(self, depth: int) -> Word:
        """One value."""
        kind, text = self.next()
        if kind == "number":
            return lambda facts: text
        if kind == "string":
            return _string(text[1:-1])
        if kind in ("variable", "group"):
            return _string(text)
        if kind == "name" and self.peek() == ("sign", "("):
            if text not in _FUNCTIONS:
                raise ExpressionError(f"the function {text}() is not supported")
            self.next()
            inner = self.word(depth + 1)
            self.expect(")")
            return lambda facts: _function(text, facts, inner(facts))
        raise ExpressionError("syntax error, unexpected end" if kind == "end" else f"syntax error near {text!r}")


def _string(text: str) -> Word:
    """A string with what is put into it."""
    if "%{" not in text and "$" not in text and "\\" not in text:
        return lambda facts: text
    for match in _INSIDE.finditer(text):
        name, colon, _argument = (match[1] or "").partition(":")
        if colon and name not in _FUNCTIONS:
            raise ExpressionError(f"the function {name} is not supported")

    def value(facts: Facts) -> str:
        def put(match: re.Match[str]) -> str:
            inside, group, plain = match.groups()
            if inside is not None:
                name, colon, argument = inside.partition(":")
                return _function(name, facts, argument) if colon else facts.variable(name)
            if group is not None:
                return captured(facts, int(group))
            return {"n": "\n", "r": "\r", "t": "\t"}.get(plain, plain)

        return _INSIDE.sub(put, text)

    return value


def captured(facts: Facts, number: int) -> str:
    """What a group of the last regular expression matched, "" for none."""
    match = facts.match
    return (match[number] or "") if match is not None and number <= match.re.groups else ""


def server_variables(req: Request) -> dict[str, str]:
    """The variables that a request has beside its environment."""
    now = time.localtime()
    return {
        "REMOTE_USER": req.mp_user or "",
        "REQUEST_FILENAME": req.mp_filename or "",
        "THE_REQUEST": req.mp_head.line,
        "HANDLER": req.mp_handler or "",
        "HTTPS": "on" if req.mp_is_https() else "off",
        "TIME_YEAR": f"{now.tm_year}",
        "TIME_MON": f"{now.tm_mon:02}",
        "TIME_DAY": f"{now.tm_mday:02}",
        "TIME_HOUR": f"{now.tm_hour:02}",
        "TIME_MIN": f"{now.tm_min:02}",
        "TIME_SEC": f"{now.tm_sec:02}",
        "TIME_WDAY": f"{(now.tm_wday + 1) % 7}",
    }
