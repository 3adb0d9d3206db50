"""The directives of mod_setenvif."""

from __future__ import annotations

import re
from collections.abc import Callable

from mpserver.config import expression_grammar, lexer
from mpserver.config.override import Override
from mpserver.config.regex import read_regex
from mpserver.config.registry import EVERYWHERE, Args, Call, Directive
from mpserver.errors import ConfigError, ExpressionError
from mpserver.modules.setenvif import RULES, SERVER_RULES, SPECIAL, Rule

#: A name with any other characters is a regular expression for names.
_HEADER = re.compile(r"[A-Za-z0-9_-]*\Z")


def _add(call: Call, rule: Rule) -> None:
    if call.section is None:
        call.server[SERVER_RULES] = (*call.server.values.get(SERVER_RULES, ()), rule)
    else:
        call.conf[RULES] = (*call.conf.values.get(RULES, ()), rule)


def _by_pattern(call: Call, attribute: str, names: re.Pattern[str] | None, at: int, *, ignore_case: bool) -> None:
    pattern, at = lexer.next_word(call.raw, at)
    if not pattern:
        raise ConfigError(f"Missing regular expression for {call.name}")
    try:
        regex = read_regex(pattern, ignore_case=ignore_case)
    except ConfigError as error:
        raise ConfigError(f"{call.name} regex could not be compiled. ({error.message})") from error
    _add(call, Rule(attribute, names, regex, None, _variables(call, at)))


def _set_if(ignore_case: bool) -> Callable[[Call], None]:
    def apply(call: Call) -> None:
        attribute, at = lexer.next_word(call.raw)
        if not attribute:
            raise ConfigError(f"Missing header-field name for {call.name}")
        names = None
        if attribute.lower() in SPECIAL:
            attribute = attribute.lower()
        elif attribute.startswith("OID("):
            raise ConfigError(f"{call.name} can't look for {attribute} in certificates: use an SSL_CLIENT_ variable")
        elif not _HEADER.match(attribute):
            try:
                names = read_regex(attribute, ignore_case=True)
            except ConfigError as error:
                raise ConfigError(f"{call.name} Header name regex could not be compiled. ({error.message})") from error
        _by_pattern(call, attribute, names, at, ignore_case=ignore_case)

    return apply


def _browser(ignore_case: bool) -> Callable[[Call], None]:
    return lambda call: _by_pattern(call, "User-Agent", None, 0, ignore_case=ignore_case)


def _set_if_expr(call: Call) -> None:
    text, at = lexer.next_word(call.raw)
    if not text:
        raise ConfigError(f"Missing expression for {call.name}")
    try:
        expression = expression_grammar.test(text)
    except ExpressionError as error:
        raise ConfigError(f'Could not parse expression "{text}": {error}') from error
    _add(call, Rule("", None, None, expression, _variables(call, at)))


def _variables(call: Call, at: int) -> tuple[tuple[str, str | None], ...]:
    """``VAR``, ``VAR=value`` and ``!VAR``."""
    found: list[tuple[str, str | None]] = []
    while at < len(call.raw):
        word, at = lexer.next_word(call.raw, at)
        name, equals, value = word.partition("=")
        if name.startswith("!"):
            found.append((name[1:], None))
        else:
            found.append((name, value if equals else "1"))
        if not found[-1][0]:
            raise ConfigError(f"{call.name}: {word!r} names no variable: write VAR, VAR=value or !VAR")
        if found[-1][0].lower() == "no-proxy" and not name.startswith("!"):
            call.warn(f"{call.name}: no-proxy makes no difference here: write ProxyPass PATH ! before other ones")
    if not found:
        raise ConfigError(f"Missing envariable expression for {call.name}")
    return tuple(found)


_HELP = "a header or a fact of the request, a regular expression, and variables to set"
_BROWSER_HELP = "a regular expression for the browser, and variables to set"

DIRECTIVES: tuple[Directive, ...] = (
    Directive("SetEnvIf", Args.RAW, EVERYWHERE, _set_if(False), Override.FILEINFO, _HELP),
    Directive("SetEnvIfNoCase", Args.RAW, EVERYWHERE, _set_if(True), Override.FILEINFO, _HELP),
    Directive(
        "SetEnvIfExpr", Args.RAW, EVERYWHERE, _set_if_expr, Override.FILEINFO, "an expression, and variables to set"
    ),
    Directive("BrowserMatch", Args.RAW, EVERYWHERE, _browser(False), Override.FILEINFO, _BROWSER_HELP),
    Directive("BrowserMatchNoCase", Args.RAW, EVERYWHERE, _browser(True), Override.FILEINFO, _BROWSER_HELP),
)
