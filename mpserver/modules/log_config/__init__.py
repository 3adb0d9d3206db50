"""LogFormat and CustomLog: what is written about each request, and where (httpd's mod_log_config)."""

from __future__ import annotations

from collections.abc import Callable

from mpserver.config.settings import Conf, Setting, update
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
    from mpserver.modules.log_config.format import compile_format  # (not for those who write none)

    formats = {"CLF": CLF, "": CLF, **conf[LOG_FORMATS]}
    return tuple(
        AccessLog(log.target, compile_format(formats.get(log.format, log.format)), log.env, log.unless)
        for log in conf[CUSTOM_LOGS]
    )
