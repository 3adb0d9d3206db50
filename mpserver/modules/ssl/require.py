"""SSLRequire: expressions over the variables of a request (httpd manual, mod_ssl, "SSLRequire").

    expression  = term {("||" | "or") term}
    term        = factor {("&&" | "and") factor}
    factor      = ("!" | "not") factor | "(" expression ")" | "true" | "false" | comparison
    comparison  = word operator word | word "in" "{" word {"," word} "}" | word ("=~" | "!~") regex
    word        = digits | "string" | %{variable} | file("name")

Words are compared as mod_ssl does: the longer one is the greater one, and only words of the same length are compared
sign by sign.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from mpserver import lazyre
from mpserver.api import cgi_variables
from mpserver.config.regex import read_regex
from mpserver.errors import ConfigError
from mpserver.typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpserver.api.request import Request

Word = Callable[["Request"], str]
Test = Callable[["Request"], bool]

#: Deeper nesting is refused.
DEPTH = 50

_TOKEN = lazyre.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<variable>%\{[^}]*\})
      | (?P<digits>[0-9]+)
      | (?P<sign>&&|\|\||=~|!~|==|!=|<>|<=|>=|[=<>!(){},])
      | (?P<name>[A-Za-z_]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_REGEX = lazyre.compile(r"\s*(?:m(?P<sign>[^\sA-Za-z0-9])|(?P<slash>/))")

_ORDERS: dict[str, Callable[[int], bool]] = {
    **dict.fromkeys(("==", "=", "eq"), lambda order: order == 0),
    **dict.fromkeys(("!=", "<>", "ne"), lambda order: order != 0),
    **dict.fromkeys(("<", "lt"), lambda order: order < 0),
    **dict.fromkeys(("<=", "le"), lambda order: order <= 0),
    **dict.fromkeys((">", "gt"), lambda order: order > 0),
    **dict.fromkeys((">=", "ge"), lambda order: order >= 0),
}


def compile_expression(text: str) -> Test:
    """Make a test of requests out of an expression.

    :raises ConfigError: it is none.
    """
    parser = _Parser(text)
    test = parser.expression(0)
    if parser.peek()[0]:
        raise parser.error(f"'{parser.peek()[1]}' is more than an expression takes")
    return test


def compared(left: str, right: str) -> int:
    """How two words are ordered: below 0, 0, above 0."""
    first, second = (len(left), left), (len(right), right)
    return (first > second) - (first < second)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def error(self, why: str) -> ConfigError:
        """What is wrong with the expression."""
        return ConfigError(f"SSLRequire: {why}: {self._text}")

    def peek(self) -> tuple[str, str]:
        """The next token: its kind and text, empty at the end."""
        match = _TOKEN.match(self._text, self._at)
        if match is None:
            if self._text[self._at :].strip():
                raise self.error(f"'{self._text[self._at :].strip()[:20]}' can't be understood")
            return "", ""
        kind = match.lastgroup or ""
        return kind, match[kind]

    def next(self) -> tuple[str, str]:
        """The next token, taken."""
        found = self.peek()
        match = _TOKEN.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return found

    def _takes(self, *words: str) -> bool:
        if self.peek()[1] in words and self.peek()[0] in ("sign", "name"):
            self.next()
            return True
        return False

    def expression(self, depth: int) -> Test:
        """One test of several, of which one has to hold."""
        if depth > DEPTH:
            raise self.error(f"it is nested more than {DEPTH} deep")
        tests = [self._term(depth)]
        while self._takes("||", "or"):
            tests.append(self._term(depth))
        return tests[0] if len(tests) == 1 else lambda req: any(test(req) for test in tests)

    def _term(self, depth: int) -> Test:
        tests = [self._factor(depth)]
        while self._takes("&&", "and"):
            tests.append(self._factor(depth))
        return tests[0] if len(tests) == 1 else lambda req: all(test(req) for test in tests)

    def _factor(self, depth: int) -> Test:
        if depth > DEPTH:
            raise self.error(f"it is nested more than {DEPTH} deep")
        if self._takes("!", "not"):
            test = self._factor(depth + 1)
            return lambda req: not test(req)
        if self._takes("("):
            test = self.expression(depth + 1)
            self._expect(")")
            return test
        if self._takes("true"):
            return lambda _req: True
        if self._takes("false"):
            return lambda _req: False
        return self._comparison()

    def _expect(self, sign: str) -> None:
        found = self.next()[1]
        if found != sign:
            raise self.error(f"'{sign}' is missing before '{found}'" if found else f"'{sign}' is missing at the end")

    def _comparison(self) -> Test:
        left = self._word()
        operator = self.next()[1]
        order = _ORDERS.get(operator)
        if order is not None:
            right = self._word()
            return lambda req: order(compared(left(req), right(req)))
        if operator == "in":
            self._expect("{")
            words = [self._word()]
            while self._takes(","):
                words.append(self._word())
            self._expect("}")
            return lambda req: left(req) in [word(req) for word in words]
        if operator in ("=~", "!~"):
            pattern = self._regex()
            if operator == "=~":
                return lambda req: pattern.search(left(req)) is not None
            return lambda req: pattern.search(left(req)) is None
        raise self.error(f"'{operator}' compares nothing (there are: eq ne lt le gt ge in =~ !~)")

    def _regex(self) -> re.Pattern[str]:
        match = _REGEX.match(self._text, self._at)
        if match is None:
            raise self.error("a regular expression is missing: write m/.../ or m#...#")
        sign = match["sign"] or "/"
        end = self._text.find(sign, match.end())
        if end < 0:
            raise self.error(f"the '{sign}' at the end of the regular expression is missing")
        pattern = self._text[match.end() : end]
        ignore_case = self._text[end + 1 : end + 2] == "i"
        self._at = end + 1 + ignore_case
        try:
            return read_regex(f"(?i){pattern}" if ignore_case else pattern)
        except ConfigError as error:
            raise self.error(error.message) from error

    def _word(self) -> Word:
        kind, text = self.next()
        if kind == "digits":
            return lambda _req: text
        if kind == "string":
            value = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
            return lambda _req: value
        if kind == "variable":
            name = text[2:-1]
            return lambda req: variable(req, name)
        if (kind, text) == ("name", "file"):
            self._expect("(")
            kind, name = self.next()
            self._expect(")")
            if kind == "string":
                return lambda _req: _content(name[1:-1])
        raise self.error(f'\'{text}\' is no word: write "text", digits, %{{VARIABLE}} or file("name")')


def _content(name: str) -> str:
    try:
        with open(name, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def variable(req: Request, name: str) -> str:
    """The value of ``%{name}``: of TLS, of a header (HTTP:), the environment (ENV:), or of CGI; "" if there is none."""
    kind, colon, rest = name.partition(":")
    if colon:
        found = {"HTTP": req.headers_in, "ENV": req.subprocess_env}.get(kind.upper())
        return (found.get(rest) or "") if found is not None else ""
    if name.startswith("SSL_"):
        tls = req.mp_link.tls
        return (tls.variable(name) or "") if tls is not None else ""
    if name == "HTTPS":
        return "off" if req.mp_link.tls is None else "on"
    known = {"REQUEST_METHOD": req.mp_method, "REQUEST_URI": req.mp_uri, "REMOTE_USER": req.mp_user or ""}
    return known[name] if name in known else cgi_variables.common_vars(req).get(name, "")
