"""The directives of mod_log_config."""

from __future__ import annotations

from mpserver.config.registry import SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.log_config import CUSTOM_LOGS, LOG_FORMATS, CustomLog
from mpserver.modules.log_config.format import parse_format


def _log_format(call: Call) -> None:
    text = call.args[0]
    nickname = call.args[1] if len(call.args) == 2 else ""
    if "%" in nickname:
        raise ConfigError(f'LogFormat: "{nickname}" looks like a second format: quote a format that holds blanks')
    parse_format(text)
    if not nickname:  # (LogFormat nickname: the default is what that nickname means now)
        text = call.server[LOG_FORMATS].get(text, text)
    values.set_in(call.server, LOG_FORMATS, {nickname: text})


def _custom_log(call: Call) -> None:
    env: str | None = None
    unless = False
    if len(call.args) == 3:
        kind, equals, env = call.args[2].partition("=")
        if kind.lower() == "expr" and equals:
            raise ConfigError(f"{call.name}: expr= is not supported: set a variable and use env=NAME or env=!NAME")
        if kind.lower() != "env" or not equals:
            raise ConfigError(f"error in condition clause: {call.args[2]} must be env=NAME or env=!NAME")
        unless = env.startswith("!")
        env = env.removeprefix("!")
        if not env:
            raise ConfigError("missing environment variable name: write env=NAME or env=!NAME")
    format = call.args[1]
    parse_format(format)
    _add(call, CustomLog(_target(call), format, env, unless))


def _transfer_log(call: Call) -> None:
    _add(call, CustomLog(_target(call), ""))


def _target(call: Call) -> str:
    target = values.filled(call, call.args[0])
    if target.startswith("|"):
        if not target.strip("|$ "):
            raise ConfigError(f'{call.name}: there is no command after the "|"')
        return target
    return values.path(call, target)


def _add(call: Call, log: CustomLog) -> None:
    call.server[CUSTOM_LOGS] = (*call.server.values.get(CUSTOM_LOGS, ()), log)


_HELP = "a file or |command, a format or its name, and optionally env=NAME"

DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "LogFormat",
        Args.TAKE12,
        SERVER_VHOST,
        _log_format,
        help="a format and, optionally, a name for it",
    ),
    Directive("CustomLog", Args.TAKE23, SERVER_VHOST, _custom_log, help=_HELP),
    Directive("TransferLog", Args.TAKE1, SERVER_VHOST, _transfer_log, help="a file or |command"),
)
