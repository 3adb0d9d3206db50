"""The directives of mod_log_config."""

from __future__ import annotations

from mpserver.config.expression import Expression
from mpserver.config.registry import SERVER_ONLY, SERVER_VHOST, Args, Call, Directive
from mpserver.config.settings import Setting
from mpserver.errors import ConfigError, ExpressionError
from mpserver.modules import values
from mpserver.modules.log_config import (
    BUFFERED,
    BUILT_IN,
    CUSTOM_LOGS,
    GLOBAL_LOGS,
    JSON_PREFIX,
    LOG_FORMATS,
    USED_NICKNAMES,
    CustomLog,
    UsedNickname,
)
from mpserver.modules.log_config.format import check_format


def _log_format(call: Call) -> None:
    text = call.args[0]
    nickname = call.args[1] if len(call.args) == 2 else ""
    if "%" in nickname:
        raise ConfigError(f'LogFormat: "{nickname}" looks like a second format: quote a format that holds blanks')
    if nickname.startswith(JSON_PREFIX):
        raise ConfigError(f'LogFormat: "{nickname}" can\'t be a nickname: formats begin with {JSON_PREFIX}')
    check_format(text)
    if not nickname:  # (LogFormat nickname: the default is what that nickname means now)
        text = call.server[LOG_FORMATS].get(text) or BUILT_IN.get(text, text)
    values.set_in(call.server, LOG_FORMATS, {nickname: text})


def _custom_log(call: Call) -> None:
    _add(call, CUSTOM_LOGS, _log(call))


def _global_log(call: Call) -> None:
    _add(call, GLOBAL_LOGS, _log(call))


def _log(call: Call) -> CustomLog:
    env: str | None = None
    unless = False
    expression: Expression | None = None
    if len(call.args) == 3:
        kind, equals, condition = call.args[2].partition("=")
        if kind.lower() == "expr" and equals:
            expression = _expression(condition)
        elif kind.lower() != "env" or not equals:
            raise ConfigError(
                f"error in condition clause: {call.args[2]} must be env=NAME, env=!NAME or expr=EXPRESSION"
            )
        else:
            unless, env = condition.startswith("!"), condition.removeprefix("!")
            if not env:
                raise ConfigError("missing environment variable name: write env=NAME or env=!NAME")
    format = call.args[1]
    check_format(format)
    if format and not format.startswith(JSON_PREFIX) and not set("% ") & set(format):
        used = UsedNickname(format, call.name, call.file, call.line)
        call.server[USED_NICKNAMES] = (*call.server.values.get(USED_NICKNAMES, ()), used)
    return CustomLog(_target(call), format, env, unless, expression)


def _expression(text: str) -> Expression:
    from mpserver.config import expression_grammar  # (few configurations have any)

    try:
        return expression_grammar.test(text)
    except ExpressionError as error:
        raise ConfigError(f"in expr= clause: {error}") from error


def _transfer_log(call: Call) -> None:
    _add(call, CUSTOM_LOGS, CustomLog(_target(call), ""))


def _target(call: Call) -> str:
    target = values.filled(call, call.args[0])
    return target if values.is_command(call, target) else values.path(call, target)


def _add(call: Call, setting: Setting[tuple[CustomLog, ...]], log: CustomLog) -> None:
    call.server[setting] = (*call.server.values.get(setting, ()), log)


_HELP = "a file or |command, a format or its name, and optionally env=NAME, env=!NAME or expr=EXPRESSION"

DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "LogFormat",
        Args.TAKE12,
        SERVER_VHOST,
        _log_format,
        help="a format and, optionally, a name for it",
    ),
    Directive("CustomLog", Args.TAKE23, SERVER_VHOST, _custom_log, help=_HELP),
    Directive("GlobalLog", Args.TAKE23, SERVER_ONLY, _global_log, help=_HELP),
    Directive("BufferedLogs", Args.FLAG, SERVER_ONLY, values.server(BUFFERED, values.flag)),
    Directive("TransferLog", Args.TAKE1, SERVER_VHOST, _transfer_log, help="a file or |command"),
)
