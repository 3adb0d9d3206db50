"""The grammar of httpd's expressions ("Expressions in Apache HTTP Server").

    expression  = term {("||" | "or") term}
    term        = factor {("&&" | "and") factor}
    factor      = ("!" | "not") factor | "(" expression ")" | "true" | "false" | comparison
    comparison  = unary word | word operator word | word ["-"]"in" "{" word {"," word} "}"
                | word ("=~" | "!~") ["m"] /regex/ [i]
    word        = part {"." part}
    part        = number | 'string' | "string" | %{variable} | %{function:string} | $group | function "(" word ")"

Strings hold ``%{variable}``, ``%{function:string}`` and ``$group`` as well. What becomes of it is plain data, nested
tuples that begin with the kind of thing (`Tree`): `mpserver.modules.expressions` makes functions of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mpserver.config.expression import Expression, Tree
from mpserver.config.expression_names import (
    BINARY,
    FUNCTIONS,
    FUNCTIONS_OF_ANSWERS,
    MEANS,
    MEANS_IN_PAGES,
    RESTRICTED,
    UNARY,
    VARIABLES,
    VARIABLES_OF_ANSWERS,
    VARIABLES_OF_SSL,
)
from mpserver.config.regex import guard_of, read_regex
from mpserver.errors import ConfigError, ExpressionError

#: Deeper nesting is refused.
DEPTH = 50

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quote>['"])
      | (?P<variable>%\{)
      | \$(?P<group>[0-9])
      | (?P<number>-?[0-9]+(?![0-9A-Za-z_]))
      | (?P<flag>-[A-Za-z]+)
      | (?P<sign>&&|\|\||=~|!~|==|!=|<=|>=|[=<>!(){},.])
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    )""",
    re.VERBOSE,
)
_REGEX = re.compile(r"\s*(?:m([#/|,;:!%^'\"])|(/))")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)([:}])")
#: What a string is made of, up to what ends it or may be put in.
_PLAIN = {end: re.compile(rf"[^\\%$\{end}]+") for end in ("'", '"', "}", "\0")}
#: The end of a text that is a string as a whole.
_OPEN = "\0"
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def test(text: str) -> Expression:
    """A condition. :raises ExpressionError: it is none."""
    return Expression(text, read_test(text))


def of_answer(text: str) -> Expression:
    """A condition for the answer to a health check. :raises ExpressionError: it is none."""
    return Expression(text, _whole_test(_Parser(text, pages=False, answers=True)))


def string(text: str) -> Expression:
    """A text with variables in it. :raises ExpressionError: one of them is unknown."""
    return Expression(text, _Parser(text, pages=False).whole())


def read_test(text: str, *, pages: bool = False) -> Tree:
    """The tree of a condition. :raises ExpressionError: it is none.

    :param pages: it is one of server side includes, which have variables of their own, and don't read files.
    """
    return _whole_test(_Parser(text, pages))


def _whole_test(parser: _Parser) -> Tree:
    text, tree = parser.text, parser.expression(0)
    if parser.at < len(text.rstrip()):
        raise ExpressionError(f"syntax error near {text[parser.at :].strip()[:30]!r}")
    return tree


def operators(tree: Tree) -> Iterator[str]:
    """The operators with one operand that a condition uses."""
    if tree and tree[0] == "unary":
        yield tree[1]
    for part in tree:
        if isinstance(part, tuple):
            yield from operators(part)


class _Parser:
    __slots__ = ("answers", "at", "pages", "text")

    def __init__(self, text: str, pages: bool, *, answers: bool = False) -> None:
        self.text = text
        self.pages, self.answers = pages, answers
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

    # ---- conditions

    def expression(self, depth: int) -> Tree:
        """Terms, any of them."""
        _check(depth)
        found = [self.term(depth)]
        while self.peek() in (("sign", "||"), ("name", "or")):
            self.next()
            found.append(self.term(depth))
        return found[0] if len(found) == 1 else ("or", *found)

    def term(self, depth: int) -> Tree:
        """Factors, all of them."""
        found = [self.factor(depth)]
        while self.peek() in (("sign", "&&"), ("name", "and")):
            self.next()
            found.append(self.factor(depth))
        return found[0] if len(found) == 1 else ("and", *found)

    def factor(self, depth: int) -> Tree:
        """What is true or not by itself."""
        _check(depth)
        kind, text = self.peek()
        if (kind, text) in (("sign", "!"), ("name", "not")):
            self.next()
            return "not", self.factor(depth + 1)
        if (kind, text) == ("sign", "("):
            self.next()
            inner = self.expression(depth + 1)
            self.expect(")")
            return inner
        if (kind, text) in (("name", "true"), ("name", "false")):
            self.next()
            return "constant", text == "true"
        if kind == "flag":
            self.next()
            return self.unary(text, depth)
        return self.comparison(depth)

    def unary(self, operator: str, depth: int) -> Tree:
        """An operator and its word."""
        if operator == "-R":
            word = self.word(depth)
            return "client in", _network(word)
        if operator not in UNARY:
            remedy = ": -f tells whether a file is there, -U whether a path of the server may be had"
            raise ExpressionError(f"the operator {operator} is not supported{remedy if operator == '-F' else ''}")
        return "unary", operator, self.word(depth)

    def comparison(self, depth: int) -> Tree:
        """Two words, and what is between them."""
        left = self.word(depth)
        kind, text = self.next()
        if text in ("=~", "!~"):
            return self.matching(left, text == "!~")
        if (kind, text) in (("name", "in"), ("flag", "-in")):
            return "in", left, *self.listed(depth)
        if (kind, text) == ("flag", "-ipmatch"):
            return "address in", left, _network(self.word(depth))
        operator = text if kind != "flag" or text in BINARY else text.removeprefix("-")
        if kind not in ("flag", "sign", "name") or operator not in BINARY:
            said = "unexpected end" if kind == "end" else f"the operator {text} is not supported"
            raise ExpressionError(f"syntax error, {said}")
        return "binary", operator, left, self.word(depth)

    def listed(self, depth: int) -> list[Tree]:
        """``{word, word}``."""
        if self.peek()[0] == "name":
            raise ExpressionError(f"the list function {self.next()[1]}() is not supported: write {{'word', 'word'}}")
        self.expect("{")
        words = [self.word(depth)]
        while self.peek() == ("sign", ","):
            self.next()
            words.append(self.word(depth))
        self.expect("}")
        return words

    def matching(self, left: Tree, negated: bool) -> Tree:
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
            longest = guard_of(read_regex(pattern))
        except ConfigError as error:
            raise ExpressionError(error.message) from error
        return "match", left, pattern, "i" in flags, negated, longest

    # ---- words

    def word(self, depth: int) -> Tree:
        """Parts, one after the other."""
        _check(depth)
        parts = [self.part(depth)]
        while self.peek() == ("sign", "."):
            self.next()
            parts.append(self.part(depth))
        return parts[0] if len(parts) == 1 else ("join", *parts)

    def part(self, depth: int) -> Tree:
        """One value."""
        kind, text = self.next()
        if kind == "number":
            return "text", text
        if kind == "quote":
            return self.string(text, depth)
        if kind == "variable":
            return self.variable(depth)
        if kind == "group":
            return "group", int(text)
        if kind == "name" and self.peek() == ("sign", "("):
            self.next()
            inner = self.word(depth + 1)
            self.expect(")")
            return self.call(text, inner)
        raise ExpressionError("syntax error, unexpected end" if kind == "end" else f"syntax error near {text!r}")

    def call(self, name: str, argument: Tree) -> Tree:
        """A function of a word."""
        known = name.lower()
        if self.answers and known in FUNCTIONS_OF_ANSWERS:
            return "call", known, argument
        if known not in FUNCTIONS or (known in RESTRICTED and self.pages) or (known == "v" and not self.pages):
            raise ExpressionError(f"the function {name}() is not supported")
        return "call", (MEANS_IN_PAGES if self.pages else MEANS).get(known, known), argument

    def variable(self, depth: int) -> Tree:
        """``name}`` or ``function:string}``, past the opening ``%{``."""
        match = _NAME.match(self.text, self.at)
        if match is None:
            raise ExpressionError(f"syntax error near {self.text[self.at - 2 :][:30]!r}: write %{{NAME}}")
        name, sign = match.groups()
        self.at = match.end()
        if sign == ":":
            return self.call(name, self.string("}", depth + 1))
        if self.pages:
            return "variable", name
        upper = name.upper()
        if self.answers and upper in VARIABLES_OF_ANSWERS:
            return "variable", upper
        if upper not in VARIABLES and not upper.startswith(VARIABLES_OF_SSL):
            raise ExpressionError(f"Variable '{name}' does not exist: a variable of the environment is %{{env:{name}}}")
        return "variable", upper

    def whole(self) -> Tree:
        """The text as a string."""
        return self.string(_OPEN, 0)

    def string(self, end: str, depth: int) -> Tree:
        """A string up to its end, with what is put into it."""
        _check(depth)
        text, began, plain = self.text, self.at, _PLAIN[end]
        parts: list[Tree] = []
        kept: list[str] = []
        while self.at < len(text):
            sign = text[self.at]
            if sign == end:
                break
            match = plain.match(text, self.at)
            if match is not None:
                kept.append(match[0])
                self.at = match.end()
                continue
            following = text[self.at + 1 : self.at + 2]
            if sign == "\\" and following:
                kept.append(_ESCAPED.get(following, following))
                self.at += 2
                continue
            if (sign == "%" and following == "{") or (sign == "$" and following in "0123456789" and following):
                if kept:
                    parts.append(("text", "".join(kept)))
                    kept = []
                self.at += 2
                parts.append(self.variable(depth + 1) if sign == "%" else ("group", int(following)))
                continue
            kept.append(sign)
            self.at += 1
        else:
            if end != _OPEN:
                raise ExpressionError(f"syntax error near {text[began - 1 :][:30]!r}: Unterminated string or variable")
        self.at += 1
        if kept or not parts:
            parts.append(("text", "".join(kept)))
        return parts[0] if len(parts) == 1 else ("join", *parts)


def _check(depth: int) -> None:
    if depth > DEPTH:
        raise ExpressionError("the expression is nested too deeply")


def _network(word: Tree) -> str:
    """An address with or without a mask: it has to be there when the expression is read."""
    import ipaddress  # (few expressions have one)

    if word[0] != "text":
        raise ExpressionError("an address or network has to be written out: no variables can be in it")
    try:
        return str(ipaddress.ip_network(word[1], strict=False))
    except ValueError as error:
        raise ExpressionError(f"{word[1]!r} is no IP address or network ({error}): write 10.0.0.0/8") from error
