"""The directives of mod_rewrite."""

from __future__ import annotations

from collections.abc import Mapping

from mpserver.config import expression_grammar, lexer
from mpserver.config.expression import Expression
from mpserver.config.override import Override
from mpserver.config.regex import read_regex
from mpserver.config.registry import EVERYWHERE, IN_DIRECTORY, SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError, ExpressionError
from mpserver.modules.rewrite import (
    ALLOW_NO_SLASH,
    DIRECTORY,
    IGNORE_CONTEXT,
    IGNORE_INHERIT,
    INHERIT,
    INHERIT_BEFORE,
    INHERIT_DOWN,
    INHERIT_DOWN_BEFORE,
    LEGACY_PREFIX,
    MERGE_BASE,
    SERVER,
    Condition,
    DirectoryRules,
    Rule,
    ServerRules,
    flags,
    maps,
    templates,
)
from mpserver.typing import Any

#: Tests of files and resources that stand alone, and comparisons that have something behind them.
_TESTS = frozenset(("-d", "-f", "-s", "-l", "-h", "-L", "-x", "-F", "-U"))
_INTEGERS = ("-eq", "-ne", "-lt", "-le", "-gt", "-ge")
_TEXTS = ("<=", ">=", "<", ">", "=")

#: The words of RewriteOptions; those with a text are taken, and change nothing here, for that reason.
_OPTIONS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            INHERIT, INHERIT_BEFORE, INHERIT_DOWN, INHERIT_DOWN_BEFORE, IGNORE_INHERIT, ALLOW_NO_SLASH, MERGE_BASE,
            IGNORE_CONTEXT, LEGACY_PREFIX,
        ),
        "",
    ),
    "allowanyuri": "rules meet paths that begin with a slash only: other requests are refused before",
    "longurloptimization": "it saves httpd memory with long lists of rules",
}  # fmt: skip


def _own(call: Call) -> ServerRules:
    return call.server[SERVER]


def _within(call: Call) -> DirectoryRules:
    found = call.conf.values.get(DIRECTORY)
    return DirectoryRules(_directory(call)) if found is None else found


def _directory(call: Call) -> str | None:
    """The path of a section, with a slash: the pattern of Files, as in httpd, so that no path begins with it."""
    section = call.section
    if section is None:
        return None
    path = section.path or f"*{section.kind}"
    return path if path.endswith("/") else path + "/"


def _replace(call: Call, **values: Any) -> None:
    """Set what a server and its sections both have; what stands outside of sections counts for these, too."""
    if call.section is None:
        call.server[SERVER] = _own(call)._replace(**values)
    call.conf[DIRECTORY] = _within(call)._replace(**values)


def _engine(call: Call) -> None:
    _replace(call, engine=call.flag)


def _options(call: Call) -> None:
    words = set((_own(call) if call.section is None else _within(call)).options or ())
    for word in call.args:
        name, equals, _ = word.lower().partition("=")
        if name == "maxredirects" and equals:
            call.warn("RewriteOptions: MaxRedirects has been removed in favor of the limit on internal redirects")
            continue
        remark = _OPTIONS.get(name)
        if remark is None:
            raise ConfigError(f"RewriteOptions: unknown option '{word}'")
        if remark:
            call.warn(f"RewriteOptions {word} changes nothing here: {remark}")
        words.add(name)
    _replace(call, options=frozenset(words))


def _base(call: Call) -> None:
    base = call.args[0]
    if not base.startswith("/"):
        raise ConfigError("RewriteBase: argument is not a valid URL-path: write it with its slash, as in /app/")
    call.conf[DIRECTORY] = _within(call)._replace(base=base if base.endswith("/") else base + "/")


def _words(call: Call, least: int) -> list[str]:
    """The arguments as they stand, with their backslashes: a blank ends one that has no quotes around it.

    :raises ConfigError: there are less than ``least`` or more than one beyond that.
    """
    found: list[str] = []
    text, at = call.raw, 0
    while at < len(text):
        if text[at] in lexer.BLANKS:
            at += 1
            continue
        quote = text[at] if text[at] in "\"'" else ""
        at += bool(quote)
        start = at
        while at < len(text) and (text[at] != quote if quote else text[at] not in lexer.BLANKS):
            at += 2 if text[at] == "\\" and at + 1 < len(text) and (quote or text[at + 1] in lexer.BLANKS) else 1
        found.append(text[start:at])
        at += bool(quote)
    if not least <= len(found) <= least + 1:
        raise ConfigError(
            f"{call.name}: bad argument line '{call.raw}': it takes {least} arguments and [flags]; an argument with "
            "blanks needs quotes"
        )
    return found


def _read(call: Call, text: str) -> Any:
    try:
        return templates.read(text)
    except ConfigError as error:
        raise ConfigError(f"{call.name}: {error.message}") from error


def _regex(call: Call, pattern: str, *, ignore_case: bool) -> Any:
    try:
        return read_regex(pattern, ignore_case=ignore_case)
    except ConfigError as error:
        reason = error.message.partition(": ")[2]
        raise ConfigError(f"{call.name}: cannot compile regular expression '{pattern}': {reason}") from None


def _condition(call: Call) -> None:
    words = _words(call, 2)
    subject, test = words[0], words[1]
    members = flags.of_condition(words[2] if len(words) > 2 else "")
    no_case = "no_case" in members
    negated = test.startswith("!")
    operand = test[1:] if negated else test
    kind, pattern, expression = "regex", None, None
    if subject == "expr":
        kind, expression = "expr", _expression(operand)
    elif operand in _TESTS:
        kind = {"-h": "-l", "-L": "-l"}.get(operand, operand)
    elif operand.startswith(_INTEGERS):
        kind, operand = operand[:3], operand[3:].strip()
    elif operand.startswith(_TEXTS):
        kind = next(sign for sign in _TEXTS if operand.startswith(sign))
        operand = operand[len(kind) :]
        if operand == '""':
            operand = ""
    else:
        pattern = _regex(call, operand, ignore_case=no_case)
    made = Condition(
        () if expression is not None else _read(call, subject), kind, negated, "or_next" in members, no_case,
        "no_vary" in members, pattern, operand, expression, test,
    )  # fmt: skip
    if call.section is None:
        own = _own(call)
        call.server[SERVER] = own._replace(pending=(*own.pending, made))
    else:
        within = _within(call)
        call.conf[DIRECTORY] = within._replace(pending=(*within.pending, made))


def _expression(text: str) -> Expression:
    try:
        return expression_grammar.test(text)
    except ExpressionError as error:
        raise ConfigError(f'RewriteCond: cannot compile expression "{text}": {error}') from error


def _rule(call: Call) -> None:
    words = _words(call, 2)
    pattern, target = words[0], words[1]
    try:
        its = flags.of_rule(words[2] if len(words) > 2 else "")
    except ConfigError as error:
        raise ConfigError(f"{error.message} (RewriteRule {call.raw})") from error
    if its.proxy and not any(module.source == "mod_proxy.c" for module in call.registry.modules):
        raise ConfigError(
            "RewriteRule: the flag P needs mod_proxy, which is not there: let a server in front pass these paths on"
        )
    negated = pattern.startswith("!")
    pattern = pattern[1:] if negated else pattern
    template = None if target == "-" or its.status else _read(call, target)
    regex = _regex(call, pattern, ignore_case=its.no_case)
    if call.section is None:
        own = _own(call)
        made = Rule(regex, negated, template, its, own.pending, pattern)
        call.server[SERVER] = own._replace(rules=(*own.rules, made), pending=())
    else:
        within = _within(call)
        made = Rule(regex, negated, template, its, within.pending, pattern)
        call.conf[DIRECTORY] = within._replace(rules=(*within.rules, made), pending=())


def _map(call: Call) -> None:
    name = call.args[0]
    kind, colon, rest = call.args[1].partition(":")
    if not colon:
        kind, rest = "txt", call.args[1]
    source = maps.source(call, kind.lower(), (rest, *call.args[2:]))
    own = _own(call)
    call.server[SERVER] = own._replace(maps={**own.maps, name: source})


DIRECTIVES: tuple[Directive, ...] = (
    Directive("RewriteEngine", Args.FLAG, EVERYWHERE, _engine, Override.FILEINFO),
    Directive("RewriteOptions", Args.ITERATE, EVERYWHERE, _options, Override.FILEINFO, "one or more options"),
    Directive(
        "RewriteBase",
        Args.TAKE1,
        IN_DIRECTORY,
        _base,
        Override.FILEINFO,
        "where relative targets lie",
    ),
    Directive(
        "RewriteCond",
        Args.RAW,
        EVERYWHERE,
        _condition,
        Override.FILEINFO,
        "a text, a condition and, in brackets, flags",
    ),
    Directive(
        "RewriteRule",
        Args.RAW,
        EVERYWHERE,
        _rule,
        Override.FILEINFO,
        "a regular expression, a target and, in brackets, flags",
    ),
    Directive("RewriteMap", Args.TAKE23, SERVER_VHOST, _map, help="the name of a map, then its kind and file"),
)
