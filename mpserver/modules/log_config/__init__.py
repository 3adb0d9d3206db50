"""LogFormat and CustomLog: what is written about each request, and where (httpd's mod_log_config)."""

from __future__ import annotations

from mpserver.config.expression import Expression
from mpserver.config.settings import Conf, Setting, append, update
from mpserver.typing import NamedTuple

#: The Common Log Format, which needs no LogFormat under this name.
CLF = '%h %l %u %t "%r" %>s %b'

#: What a format begins with whose lines are objects of JSON: ``json: name=item ...``.
JSON_PREFIX = "json:"
#: What the nickname ``json`` means where no LogFormat says otherwise.
JSON = (
    "json: time=%{%Y-%m-%dT%H:%M:%S%z}t host=%v client=%a user=%u method=%m path=%U query=%q protocol=%H status=%>s "
    "bytes=%B microseconds=%D referer=%{Referer}i agent=%{User-Agent}i id=%L scheme=%^sc port=%p interpreter=%^in "
    "seconds=%^du bytes_in=%I bytes_out=%O"
)
#: What ``ecs`` means: the names of the Elastic Common Schema (its field sets http, url, client, user...).
ECS = (
    "json: @timestamp=%{%Y-%m-%dT%H:%M:%S%z}t event.duration=%{ns}T http.request.id=%L http.request.method=%m "
    "http.request.bytes=%I http.request.referrer=%{Referer}i http.response.status_code=%>s http.response.bytes=%O "
    "http.response.body.bytes=%B url.scheme=%^sc url.domain=%V url.port=%p url.path=%U url.query=%^qu client.ip=%a "
    "client.port=%{remote}p server.address=%v user.name=%u user_agent.original=%{User-Agent}i process.pid=%P "
    "trace.id=%{trace_id}^tp labels.interpreter=%^in"
)

#: The nicknames that need no LogFormat.
BUILT_IN = {"CLF": CLF, "json": JSON, "ecs": ECS}


class CustomLog(NamedTuple):
    """One CustomLog.

    ``target``: an absolute path or ``|command``; ``format``: a nickname or a format, "" the default;
    ``env``: the variable on which it depends, None always; ``unless``: written if it isn't set. ``expression``:
    written if that holds.
    """

    target: str
    format: str
    env: str | None = None
    unless: bool = False
    expression: Expression | None = None


#: By nickname, which is matched as it is written; "" is what LogFormat without nickname sets for TransferLog.
LOG_FORMATS: Setting[dict[str, str]] = Setting("LogFormat", BUILT_IN, update)
#: A virtual host with logs of its own does not write those of the main server.
CUSTOM_LOGS: Setting[tuple[CustomLog, ...]] = Setting("CustomLog", ())
#: The logs that all hosts write, whatever they have of their own.
GLOBAL_LOGS: Setting[tuple[CustomLog, ...]] = Setting("GlobalLog", (), append)
#: Whether lines are collected until there are many (main server).
BUFFERED = Setting("BufferedLogs", False)


class UsedNickname(NamedTuple):
    """A word without items in place of a format: a nickname, most likely; and where it stands."""

    name: str
    directive: str
    file: str
    line: int


USED_NICKNAMES: Setting[tuple[UsedNickname, ...]] = Setting("nicknames that are used", (), append, travels=False)


def logs(conf: Conf) -> tuple[CustomLog, ...]:
    """The access logs of a server."""
    return conf[CUSTOM_LOGS] + conf[GLOBAL_LOGS]
