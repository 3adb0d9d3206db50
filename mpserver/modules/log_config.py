"""LogFormat and CustomLog: what is written about each request, and where (httpd's mod_log_config)."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.registry import SERVER_VHOST, Args, Call, Directive, Module
from mpserver.config.settings import Conf, Setting, update
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.typing import Any, NamedTuple

#: The Common Log Format, which needs no LogFormat under this name.
CLF = '%h %l %u %t "%r" %>s %b'


class CustomLog(NamedTuple):
    """One CustomLog.

    ``target``: an absolute path or ``|command``; ``format``: a nickname or a format, "" the default;
    ``env``: the variable on which it depends, None always; ``unless``: written if it isn't set.
    """

    target: str
    format: str
    env: str | None = None
    unless: bool = False


class AccessLog(NamedTuple):
    """A CustomLog ready for use: ``line(req)`` is the line without its end, if `wants` it."""

    target: str
    line: Callable[[Any], str]
    env: str | None
    unless: bool

    def wants(self, req: Any) -> bool:
        """Whether its condition lets the request be logged."""
        return self.env is None or (self.env in req.subprocess_env) is not self.unless


#: By nickname, which is matched as it is written; "" is what LogFormat without nickname sets for TransferLog.
LOG_FORMATS: Setting[dict[str, str]] = Setting("LogFormat", {"CLF": CLF}, update)
#: A virtual host with logs of its own does not write those of the main server.
CUSTOM_LOGS: Setting[tuple[CustomLog, ...]] = Setting("CustomLog", ())


def access_logs(conf: Conf) -> tuple[AccessLog, ...]:
    """A server's access logs, compiled. Nicknames may be defined after their use, so this is done at last.

    A name that is no nickname is a format itself, as in httpd.
    """
    if not conf[CUSTOM_LOGS]:
        return ()
    from mpserver.modules.log_format import compile_format  # (not for those who write none)

    formats = {"CLF": CLF, "": CLF, **conf[LOG_FORMATS]}
    return tuple(
        AccessLog(log.target, compile_format(formats.get(log.format, log.format)), log.env, log.unless)
        for log in conf[CUSTOM_LOGS]
    )


def _log_format(call: Call) -> None:
    text = call.args[0]
    nickname = call.args[1] if len(call.args) == 2 else ""
    if "%" in nickname:
        raise ConfigError(f'LogFormat: "{nickname}" looks like a second format: quote a format that holds blanks')
    _check(text)
    if not nickname:  # (LogFormat nickname: the default is what that nickname means now)
        text = call.server[LOG_FORMATS].get(text, text)
    values.set_in(call.server, LOG_FORMATS, {nickname: text})


def _check(format: str) -> None:
    """Raises ConfigError for what is no format."""
    from mpserver.modules.log_format import parse_format

    parse_format(format)


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
    _check(format)
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

MODULE = Module(
    "mod_log_config.c",
    "log_config_module",
    (
        Directive(
            "LogFormat",
            Args.TAKE12,
            SERVER_VHOST,
            _log_format,
            help="a format and, optionally, a name for it",
        ),
        Directive("CustomLog", Args.TAKE23, SERVER_VHOST, _custom_log, help=_HELP),
        Directive("TransferLog", Args.TAKE1, SERVER_VHOST, _transfer_log, help="a file or |command"),
    ),
)
