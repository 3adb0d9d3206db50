"""``ErrorLog`` and ``ErrorLogFormat``: where errors are told, and how (httpd's core)."""

from __future__ import annotations

from mpserver.api import syslog
from mpserver.config.registry import SERVER_VHOST, Args, Call, Directive
from mpserver.errors import ConfigError
from mpserver.modules import values
from mpserver.modules.core import ERROR_FNAME, ERROR_LOG, ERROR_LOG_FORMAT


def _error_log(call: Call) -> None:
    call.server[ERROR_FNAME] = target = values.filled(call, call.args[0])
    if len(call.args) > 1:
        if call.args[1].lower() != "json":
            raise ConfigError(f"ErrorLog: after the log there can only be json, not {call.args[1]!r}")
        _set(call, "", "json", replace=True)
    if syslog.is_syslog(target):
        try:
            syslog.parse(target)
        except ValueError as error:
            raise ConfigError(f"ErrorLog {target}: {error}") from error
    elif not values.is_command(call, target):
        target = values.path(call, target)
    call.server[ERROR_LOG] = target


def _format(call: Call) -> None:
    from mpserver.api.error_format import compile_any  # (few configurations have any)

    kind, text = ("", call.args[0]) if len(call.args) == 1 else (call.args[0].lower(), call.args[1])
    if kind not in ("", "connection", "request"):
        raise ConfigError(
            f"ErrorLogFormat type must be request or connection, not {call.args[0]!r}: quote a format with blanks"
        )
    if text:
        compile_any(text)
    _set(call, kind, text, replace=not kind)


def _set(call: Call, kind: str, text: str, *, replace: bool) -> None:
    """Keep a format; there may be several that are told once. An empty one removes those that there are."""
    before = call.server.values.get(ERROR_LOG_FORMAT, {})
    its = () if replace or not text else before.get(kind, ())
    call.server[ERROR_LOG_FORMAT] = {**before, kind: (*its, text) if text else ()}


DIRECTIVES: tuple[Directive, ...] = (
    Directive(
        "ErrorLog",
        Args.TAKE12,
        SERVER_VHOST,
        _error_log,
        help='a file, "|command" or syslog[:facility[:tag]]; and json, if lines are to be objects of JSON',
    ),
    Directive(
        "ErrorLogFormat",
        Args.TAKE12,
        SERVER_VHOST,
        _format,
        help="optionally connection or request, and a format, or json",
    ),
)
