"""The directives of mod_headers."""

from __future__ import annotations

import re

from mpserver.config import expression_grammar, lexer
from mpserver.config.override import Override
from mpserver.config.regex import read_regex
from mpserver.config.registry import EVERYWHERE, Args, Call, Directive
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError, ExpressionError
from mpserver.http1.fields import is_token
from mpserver.modules.headers import ALWAYS, REQUEST, RESPONSE, Change, Value

_ACTIONS = ("add", "set", "setifempty", "append", "merge", "unset", "echo", "note", "edit", "edit*")
_ITEM = re.compile(r"%(?:%|\{([^}]*)\}([A-Za-z])|([A-Za-z]))|\\([\\nrt])|([^%\\]+|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
#: Items of a format: whether they have an argument.
_LETTERS = {"t": False, "D": False, "l": False, "e": True, "s": True}
#: What the server writes itself, into every head.
_OWN = {
    "server": "ServerTokens says how much it tells",
    "date": "it is the time of the response",
    "connection": "KeepAlive, or the variable nokeepalive (SetEnv nokeepalive 1) decides",
    "keep-alive": "KeepAlive and KeepAliveTimeout decide",
    "transfer-encoding": "it says how the body is sent",
    "content-length": "it is that of the body that is sent",
}


def _header(call: Call) -> None:
    action, at = lexer.next_word(call.raw)
    setting = RESPONSE
    if action.lower() in ("always", "onsuccess"):
        setting = ALWAYS if action.lower() == "always" else RESPONSE
        action, at = lexer.next_word(call.raw, at)
    _change(call, setting, action.lower(), at)


def _request_header(call: Call) -> None:
    action, at = lexer.next_word(call.raw)
    action = action.lower()
    if action == "echo":
        raise ConfigError("Header echo only valid on Header directives")
    if action == "note":
        raise ConfigError("RequestHeader does not support the 'note' action")
    _change(call, REQUEST, action, at)


def _change(call: Call, setting: Setting[tuple[Change, ...]], action: str, at: int) -> None:
    if action not in _ACTIONS:
        raise ConfigError(
            "first argument must be 'add', 'set', 'setifempty', 'append', 'merge', 'unset', 'echo', 'note', "
            f"'edit', or 'edit*': it is '{action}'"
        )
    words: list[str] = []
    while at < len(call.raw):
        word, at = lexer.next_word(call.raw, at)
        words.append(word)
    if not words or not words[0]:
        raise ConfigError(f"{call.name} {action} requires the name of a header")
    header, rest = words[0], words[1:]
    pattern: re.Pattern[str] | None = None
    value: Value | None = None
    if action == "echo":
        pattern = _regex(call, action, header)
    else:
        header = _name(call, header)
    if action.startswith("edit"):
        if len(rest) < 2:
            raise ConfigError(f"{call.name} {action} requires a match and a substitution")
        pattern, value, rest = _regex(call, action, rest[0]), _value(rest[1]), rest[2:]
    elif action not in ("unset", "echo"):
        if not rest:
            raise ConfigError(f"{call.name} requires three arguments: {action}, the header, and its value")
        value, rest = _value(rest[0]), rest[1:]
    if len(rest) > 1:
        raise ConfigError("Too many arguments to directive: a value with blanks in it has to be in quotes")
    change = Change(action, header, pattern, value)
    if rest:
        change = _when(call, change, rest[0])
    if header.lower() in _OWN and setting is not REQUEST and action != "note":
        # (as in httpd; and much is copied)
        call.warn(f"{call.name} does not change {header}, which the server writes: {_OWN[header.lower()]}")
        return
    call.conf[setting] = (*call.conf.values.get(setting, ()), change)


def _name(call: Call, word: str) -> str:
    name = word.partition(":")[0]
    if not is_token(name):
        raise ConfigError(f"{call.name}: {word!r} can't be the name of a header")
    return name


def _regex(call: Call, action: str, pattern: str) -> re.Pattern[str]:
    try:
        return read_regex(pattern, ignore_case=action == "echo")
    except ConfigError as error:
        raise ConfigError(f"Header {action} regex could not be compiled ({error.message})") from error


def _when(call: Call, change: Change, word: str) -> Change:
    """``early``, ``env=[!]variable`` or ``expr=expression``."""
    lower = word.lower()
    if lower == "early":
        if call.section is not None:
            raise ConfigError(
                f"{call.name} with early can't stand in a section or .htaccess file: it is not known yet which of them "
                "the request meets"
            )
        return change._replace(early=True)
    if lower.startswith("env="):
        return change._replace(variable=word[4:])
    if lower.startswith("expr="):
        try:
            return change._replace(condition=expression_grammar.test(word[5:]))
        except ExpressionError as error:
            raise ConfigError(f"Can't parse envclause/expression: {error}") from error
    raise ConfigError(
        f"Unknown parameter: {word}: it may be early, env=variable, env=!variable or expr=expression; "
        "a value with blanks in it has to be in quotes"
    )


def _value(text: str) -> Value:
    if text.startswith("expr="):
        try:
            return expression_grammar.string(text[5:])
        except ExpressionError as error:
            raise ConfigError(f"Can't parse value expression : {error}") from error
    parts: list[str | tuple[str, str]] = []
    kept = ""
    for match in _ITEM.finditer(text):
        argument, letter, bare, escaped, plain = match.groups()
        letter = letter or bare
        if plain is not None and (plain != "%" or match.end() == len(text)):
            kept += plain
        elif escaped is not None:
            kept += _ESCAPED[escaped]
        elif plain == "%":
            raise ConfigError(
                f"Unrecognized header format {text[match.start() : match.start() + 2]}: a percent sign is %%"
            )
        elif letter is None:
            kept += "%"
        elif _LETTERS.get(letter) is not (argument is not None):
            raise ConfigError(
                f"Unrecognized header format %{letter} in {text!r}: known are %t, %D, %l, %{{variable}}e and "
                "%{variable}s; a percent sign is %%"
            )
        else:
            if kept:
                parts.append(kept)
            kept = ""
            parts.append((letter, argument or ""))
    if kept or not parts:
        parts.append(kept)
    return tuple(parts)


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "Header", Args.RAW, EVERYWHERE, _header, Override.FILEINFO,
        "always or onsuccess, what to do, a header, its value, and a condition",
    ),
    Directive(
        "RequestHeader", Args.RAW, EVERYWHERE, _request_header, Override.FILEINFO,
        "what to do, a header, its value, and a condition",
    ),
)  # fmt: skip
